// SPDX-License-Identifier: Apache-2.0
// Burns CPU below a known chain: main > outer_work > (libc's qsort) > compare_work. No frame pointers.
#include <stdlib.h>

static volatile unsigned sink;
static int values[512];

__attribute__((noinline)) int compare_work(const void *a, const void *b) {
  unsigned x = *(const int *)a;
  for (int i = 0; i < 20; i++) x = x * 1664525u + 1013904223u;
  sink += x;
  return *(const int *)a - *(const int *)b;
}

__attribute__((noinline)) void outer_work(void) {
  for (int i = 0; i < 512; i++) values[i] = (i * 7919) % 512;
  qsort(values, 512, sizeof values[0], compare_work);
  sink++;
}

int main(void) {
  for (;;) outer_work();
}
