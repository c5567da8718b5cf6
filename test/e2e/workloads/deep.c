// SPDX-License-Identifier: Apache-2.0
// deep DEPTH: burns CPU below so many calls of `descend`.
#include <stdlib.h>

static volatile unsigned sink;

__attribute__((noinline)) static unsigned burn(unsigned x) {
  for (int i = 0; i < 1000; i++) x = x * 1664525u + 1013904223u;
  return x;
}

__attribute__((noinline)) static unsigned descend(int n) {
  unsigned x = (unsigned)n;
  if (n == 0)
    for (;;) sink = x = burn(x);
  x += descend(n - 1);
  sink = x;
  return x;
}

int main(int argc, char **argv) {
  if (argc != 2) return 1;
  return (int)descend(atoi(argv[1]) - 1);
}
