// SPDX-License-Identifier: Apache-2.0
// Burns CPU fifteen frames deep: _start, two of libc, main, ten of these and a leaf. No frame pointers.
static volatile unsigned sink;

__attribute__((noinline)) static void leaf(void) {
  unsigned x = sink;
  for (int i = 0; i < 200000; i++) x = x * 1664525u + 1013904223u;
  sink = x;
}

__attribute__((noinline)) static void level(int n) {
  if (n == 1) leaf();
  else level(n - 1);
  __asm__ volatile("" ::: "memory");
}

int main(void) {
  for (;;) level(10);
}
