// SPDX-License-Identifier: Apache-2.0
// An instrumentation in small: a thread says in the map at PATH for which span it works, works, says another one, then
// none. A second thread says nothing.
//   spans run PATH     with the map that is there, or a new one; prints the ids of both threads
//   spans hash PATH    pins a map of another shape, and ends
//   spans program PATH pins no map at all, and ends
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define FUNCTION __attribute__((noinline, noclone, used))

static long bpf(int command, union bpf_attr *attr) { return syscall(SYS_bpf, command, attr, sizeof(*attr)); }

/* An initializer need not reach all bytes of a union, and the kernel refuses what it does not know. */
static union bpf_attr zeroed(void) {
  union bpf_attr attr;
  memset(&attr, 0, sizeof(attr));
  return attr;
}

static int must(long result, const char *what) {
  if (result >= 0) return (int)result;
  perror(what);
  exit(1);
}

/* The kernel's number of this thread, in whatever pid namespace it runs: `shift` 0 for the thread, 32 for the process. */
static int load_id(int shift) {
  const struct bpf_insn program[] = {
      {BPF_JMP | BPF_CALL, 0, 0, 0, BPF_FUNC_get_current_pid_tgid},
      {BPF_ALU64 | BPF_RSH | BPF_K, 0, 0, 0, shift},
      {BPF_JMP | BPF_EXIT, 0, 0, 0, 0},
  };
  union bpf_attr attr = zeroed();
  attr.prog_type = BPF_PROG_TYPE_RAW_TRACEPOINT;
  attr.insns = (uintptr_t)program;
  attr.insn_cnt = sizeof(program) / sizeof(*program);
  attr.license = (uintptr_t) "GPL";
  return must(bpf(BPF_PROG_LOAD, &attr), "load");
}

static uint32_t run_id(int shift) {
  union bpf_attr attr = zeroed();
  attr.test.prog_fd = (uint32_t)load_id(shift);
  must(bpf(BPF_PROG_TEST_RUN, &attr), "run");
  close((int)attr.test.prog_fd);
  return attr.test.retval;
}

static void pin(int fd, const char *path) {
  union bpf_attr attr = zeroed();
  attr.pathname = (uintptr_t)path;
  attr.bpf_fd = (uint32_t)fd;
  must(bpf(BPF_OBJ_PIN, &attr), "pin");
}

static int make_map(int type, int key, int value, int entries) {
  union bpf_attr attr = zeroed();
  attr.map_type = (uint32_t)type;
  attr.key_size = (uint32_t)key;
  attr.value_size = (uint32_t)value;
  attr.max_entries = (uint32_t)entries;
  return must(bpf(BPF_MAP_CREATE, &attr), "create");
}

static int open_map(const char *path) {
  union bpf_attr attr = zeroed();
  attr.pathname = (uintptr_t)path;
  const long fd = bpf(BPF_OBJ_GET, &attr);
  if (fd >= 0 || errno != ENOENT) return must(fd, "open");
  /* Without a name, which is the maker's choice, and larger than the profiler would make it. */
  const int made = make_map(BPF_MAP_TYPE_LRU_HASH, 8, 24, 1 << 15);
  pin(made, path);
  return made;
}

static int map;
static uint64_t key;

static void work_for(const unsigned char span[24]) {
  union bpf_attr attr = zeroed();
  attr.map_fd = (uint32_t)map;
  attr.key = (uintptr_t)&key;
  attr.value = (uintptr_t)span;
  must(bpf(BPF_MAP_UPDATE_ELEM, &attr), "update");
}

static void work_for_none(void) {
  union bpf_attr attr = zeroed();
  attr.map_fd = (uint32_t)map;
  attr.key = (uintptr_t)&key;
  bpf(BPF_MAP_DELETE_ELEM, &attr);
}

FUNCTION void hit(void) { asm volatile(""); }

static uint64_t now_ms(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

FUNCTION void work(void) {
  const uint64_t end = now_ms() + 12;
  const struct timespec nap = {.tv_nsec = 1000000};
  hit();
  while (now_ms() < end)
    for (volatile int i = 0; i < 20000; i++) {}
  nanosleep(&nap, NULL);
  asm volatile("");
}

/* The stack says what the link has to be. */
FUNCTION void first(void) { work(); asm volatile(""); }
FUNCTION void second(void) { work(); asm volatile(""); }
FUNCTION void zeroes(void) { work(); asm volatile(""); }
FUNCTION void none(void) { work(); asm volatile(""); }
FUNCTION void other(void) { work(); asm volatile(""); }

static void *silent(void *unused) {
  (void)unused;
  for (;;) other();
}

int main(int argc, char **argv) {
  if (argc != 3) return 2;
  if (!strcmp(argv[1], "hash")) return pin(make_map(BPF_MAP_TYPE_HASH, 4, 8, 1), argv[2]), 0;
  if (!strcmp(argv[1], "program")) return pin(load_id(0), argv[2]), 0;
  unsigned char a[24], b[24], no_trace[24] = {0};
  memset(a, 0xa1, sizeof(a));
  memset(b, 0xb2, sizeof(b));
  memset(a + 16, 0xc3, 8);
  memset(b + 16, 0xd4, 8);
  memset(no_trace + 16, 0xe5, 8);
  map = open_map(argv[2]);
  key = (uint64_t)run_id(32) << 32 | run_id(0);
  pthread_t thread;
  if (pthread_create(&thread, NULL, silent, NULL)) return 1;
  puts("ready");
  fflush(stdout);
  for (;;) {
    work_for(a);
    first();
    work_for(b);
    second();
    work_for(no_trace);
    zeroes();
    work_for_none();
    none();
  }
}
