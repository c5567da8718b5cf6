// SPDX-License-Identifier: Apache-2.0
// A program that knows its own stack: every half second another phase, whose chain of functions programs.ts states.
#define _GNU_SOURCE
#include <signal.h>
#include <stdlib.h>
#include <time.h>

#define PHASES 6
#define RUNGS 100
#define NOINLINE __attribute__((noinline, noclone))
// A call that must stay a call with a frame of its own behind it.
#define AFTER_CALL() __asm__ volatile("" ::: "memory")

static volatile unsigned sink;

static int phase(void) {
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  return (int)((now.tv_sec * 2 + now.tv_nsec / 500000000) % PHASES);
}

static inline __attribute__((always_inline)) void burn(void) {
  unsigned x = sink;
  for (int i = 0; i < 20000; i++) x = x * 1664525u + 1013904223u;
  sink = x;
}

NOINLINE static void even_leaf(void) { burn(); }
NOINLINE static void even_middle(void) { even_leaf(); AFTER_CALL(); }
NOINLINE static void even_outer(void) { even_middle(); AFTER_CALL(); }

NOINLINE static void odd_leaf(void) { burn(); }
NOINLINE static void odd_middle(void) { odd_leaf(); AFTER_CALL(); }
NOINLINE static void odd_outer(void) { odd_middle(); AFTER_CALL(); }

NOINLINE static void ladder_leaf(void) { burn(); }
NOINLINE static void ladder_rung(int n) {
  // A frame of a size that only its rule tells.
  volatile char room[n % 7 * 64 + 16];
  room[0] = (char)n;
  if (n == 1) ladder_leaf();
  else ladder_rung(n - 1);
  sink += (unsigned char)room[0];
}
NOINLINE static void ladder_outer(void) { ladder_rung(RUNGS); AFTER_CALL(); }

// Ours below the C library's below ours.
NOINLINE static int sandwich_compare(const void *a, const void *b) {
  burn();
  return *(const int *)a - *(const int *)b;
}
NOINLINE static void sandwich_outer(void) {
  int values[8] = {5, 3, 7, 1, 8, 2, 6, 4};
  qsort(values, 8, sizeof values[0], sandwich_compare);
  AFTER_CALL();
}

// On a stack of its own, above the frame that the kernel pushed.
NOINLINE static void signal_leaf(void) { burn(); }
NOINLINE static void signal_handler(int number) {
  (void)number;
  signal_leaf();
  AFTER_CALL();
}
NOINLINE static void signal_outer(void) { raise(SIGUSR1); AFTER_CALL(); }

// In the object that the kernel maps.
NOINLINE static void vdso_outer(void) {
  struct timespec now;
  for (int i = 0; i < 300; i++) clock_gettime(CLOCK_MONOTONIC, &now);
  sink += (unsigned)now.tv_nsec;
}

int main(void) {
  stack_t stack = {.ss_sp = malloc(1 << 16), .ss_size = 1 << 16};
  sigaltstack(&stack, NULL);
  struct sigaction action = {.sa_handler = signal_handler, .sa_flags = SA_ONSTACK};
  sigaction(SIGUSR1, &action, NULL);
  static void (*const work[PHASES])(void) = {even_outer,     odd_outer,    ladder_outer,
                                             sandwich_outer, signal_outer, vdso_outer};
  for (;;) work[phase()]();
}
