// SPDX-License-Identifier: Apache-2.0
// Burns CPU where a walk of its stack ends early, or with files that say nothing; argv[1] says how, argv[2] is a
// directory of its own. x86-64. Build with -O0 -fno-omit-frame-pointer -rdynamic.
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static volatile unsigned sink;
/* As of an interpreter of Python, of no version that is known. */
char _PyRuntime[64];

__attribute__((noinline)) static unsigned descend(int depth) {
  if (depth == 0)
    for (;;) sink = sink * 1664525u + 1013904223u;
  return descend(depth - 1) + sink; /* no tail call */
}

/* Two bytes that jump to themselves, in memory that no file tells of. */
static void *generated(int flags) {
  static const uint8_t jump_to_itself[] = {0xeb, 0xfe};
  void *code = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS | flags, -1, 0);
  if (code != MAP_FAILED) memcpy(code, jump_to_itself, sizeof(jump_to_itself));
  return code;
}

static void run_with(void *code, uint64_t frame_pointer) {
  __asm__ volatile("mov %1, %%rbp\njmp *%0\n" : : "a"(code), "d"(frame_pointer));
}

/* Executable pages with a hole behind each, so that none can be told as one with its neighbour. */
static int scatter(int count) {
  char *area = mmap(NULL, count * 8192ul, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  for (int i = 0; area != MAP_FAILED && i < count; i++)
    if (mprotect(area + i * 8192ul, 4096, PROT_READ | PROT_EXEC) != 0) return 0;
  return area != MAP_FAILED;
}

static int map_no_dump(const char *directory) {
  char path[512];
  snprintf(path, sizeof(path), "%s/jit-%d.dump", directory, getpid());
  const int file = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  static const char nothing[4096] = "no jitdump, and no ELF";
  if (file < 0 || write(file, nothing, sizeof(nothing)) != sizeof(nothing)) return 0;
  return mmap(NULL, sizeof(nothing), PROT_READ | PROT_EXEC, MAP_PRIVATE, file, 0) != MAP_FAILED;
}

int main(int argc, char **argv) {
  const char *how = argc > 2 ? argv[1] : "";
  if (!strcmp(how, "frame-pointer")) run_with(generated(0), 0x1233);
  /* Above every stack there is nothing. */
  if (!strcmp(how, "memory")) __asm__ volatile("mov $0x7fffffffe000, %rbp\n1: jmp 1b\n");
  if (!strcmp(how, "pc")) {
    uint64_t frame[2] = {(uint64_t)(frame + 8), 0x1234};
    run_with(generated(0), (uint64_t)frame);
  }
  if (!strcmp(how, "cfa")) __asm__ volatile("lea -4096(%rsp), %rbp\nandq $-16, %rbp\n1: jmp 1b\n");
  if (!strcmp(how, "steps")) return (int)descend(9000);
  if (!strcmp(how, "compat")) {
    struct {
      uint32_t offset;
      uint16_t segment;
    } __attribute__((packed)) target = {(uint32_t)(uintptr_t)generated(MAP_32BIT), 0x23};
    __asm__ volatile("ljmpl *%0\n" : : "m"(target));
  }
  if (!strcmp(how, "sleep"))
    for (;;) usleep(1000);
  if (!strcmp(how, "mappings") && scatter(4200)) run_with(generated(0), 0);
  if (!strcmp(how, "dump") && map_no_dump(argv[2])) run_with(generated(0), 0);
  return 2;
}
