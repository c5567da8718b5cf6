// SPDX-License-Identifier: Apache-2.0
// Computes, or reads from the kernel, below argv[1] calls of one function. Built without frame pointers.
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static volatile unsigned sink;
static char buffer[1 << 20];

__attribute__((noinline)) static void compute(void) {
  for (;;) sink = sink * 1664525 + 1013904223;
}

__attribute__((noinline)) static void read_zeroes(int zero) {
  for (;;)
    if (read(zero, buffer, sizeof(buffer)) < 0) exit(1);
}

__attribute__((noinline)) static int descend(int depth, int zero) {
  char local[32];
  memset(local, depth, sizeof(local));
  if (depth > 1) {
    int below = descend(depth - 1, zero);
    sink += local[below & 31];
    return below + 1;
  }
  if (zero >= 0)
    read_zeroes(zero);
  else
    compute();
  return local[0];
}

int main(int argc, char **argv) {
  if (argc < 2) return 2;
  return descend(atoi(argv[1]), argc > 2 ? open(argv[2], O_RDONLY) : -1) & 1;
}
