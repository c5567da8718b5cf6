// SPDX-License-Identifier: Apache-2.0
// A code generator that gives the same address to other code every 100 ms and writes a jitdump: jit DIRECTORY. The
// code's name is slot_N with N = unix time / 100 ms.
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

static uint64_t now(clockid_t clock) {
  struct timespec t;
  clock_gettime(clock, &t);
  return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* push %rbp; mov %rsp,%rbp; mov $100000,%ecx; dec %ecx; jnz; pop %rbp; ret */
static const uint8_t code[] = {0x55, 0x48, 0x89, 0xe5, 0xb9, 0xa0, 0x86, 0x01, 0x00, 0xff, 0xc9, 0x75, 0xfc, 0x5d, 0xc3};

static void write_load(int fd, void *at, uint64_t slot) {
  struct {
    uint32_t id, size;
    uint64_t time;
    uint32_t pid, tid;
    uint64_t vma, address, bytes, index;
  } load = {.id = 0, .time = now(CLOCK_MONOTONIC), .pid = (uint32_t)getpid(), .tid = (uint32_t)getpid()};
  char record[256], name[32];
  int name_bytes = snprintf(name, sizeof(name), "slot_%llu", (unsigned long long)slot) + 1;
  load.size = (uint32_t)(sizeof(load) + (size_t)name_bytes + sizeof(code));
  load.vma = load.address = (uint64_t)at;
  load.bytes = sizeof(code);
  load.index = slot;
  memcpy(record, &load, sizeof(load));
  memcpy(record + sizeof(load), name, (size_t)name_bytes);
  memcpy(record + sizeof(load) + name_bytes, code, sizeof(code));
  if (write(fd, record, load.size) != (ssize_t)load.size) _exit(3);
}

int main(int argc, char **argv) {
  char path[512];
  const uint32_t header[10] = {0x4a695444, 1, 40, 62, 0, (uint32_t)getpid()};
  if (argc != 2) return 1;
  snprintf(path, sizeof(path), "%s/jit-%d.dump", argv[1], getpid());
  int fd = open(path, O_CREAT | O_RDWR | O_TRUNC, 0600);
  if (fd < 0 || write(fd, header, sizeof(header)) != sizeof(header)) return 2;
  if (mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, 0) == MAP_FAILED) return 2;
  void *at = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (at == MAP_FAILED) return 2;
  memcpy(at, code, sizeof(code));
  for (uint64_t slot = 0;;) {
    uint64_t current = now(CLOCK_REALTIME) / 100000000u;
    if (current != slot) write_load(fd, at, slot = current);
    ((void (*)(void))at)();
  }
}
