// SPDX-License-Identifier: Apache-2.0
// Arguments on the stack, a local of 64-byte alignment and one of a size not known before: GCC keeps the CFA in a slot
// below the saved rbp.
__attribute__((noinline)) static int use(volatile int* x, volatile int* y) { return x[0] + y[0]; }

__attribute__((noinline)) static int realigned(int n, int b, int c, int d, int e, int f, int g, int h) {
  _Alignas(64) volatile int x[32];
  volatile int y[n];
  for (int i = 0; i < 32; i++) x[i] = b + c + d + e + f;
  y[0] = g;
  return use(x, y) + h;
}

int main(int argc, char** argv) {
  (void)argv;
  return realigned(argc, 2, 3, 4, 5, 6, 7, 8);
}
