// SPDX-License-Identifier: Apache-2.0
// Burns CPU in code without unwind tables while rbp holds no frame pointer: a stack that cannot be unwound.
// Build with -fno-asynchronous-unwind-tables.
int main(void) {
#if defined(__x86_64__)
  __asm__ volatile("movq $0x1233, %rbp\n1: jmp 1b\n");
#endif
  for (;;) {
  }
}
