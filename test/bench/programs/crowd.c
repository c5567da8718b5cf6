// SPDX-License-Identifier: Apache-2.0
// One of many binaries: -DSEED makes each another. Works for PERMILLE of the time, in one of its own 64 functions.
#include <math.h>
#include <stdlib.h>
#include <time.h>

static volatile double sink;
#define F(n)                                                                     \
  __attribute__((noinline)) static void work##n(void) {                          \
    double x = sink + SEED + n;                                                  \
    for (int i = 0; i < 2000; i++) x = sin(x) + n;                               \
    sink = x;                                                                    \
  }
#define F8(a) F(a##0) F(a##1) F(a##2) F(a##3) F(a##4) F(a##5) F(a##6) F(a##7)
F8(1) F8(2) F8(3) F8(4) F8(5) F8(6) F8(7) F8(8)
#define N(n) work##n,
#define N8(a) N(a##0) N(a##1) N(a##2) N(a##3) N(a##4) N(a##5) N(a##6) N(a##7)
static void (*const all[])(void) = {N8(1) N8(2) N8(3) N8(4) N8(5) N8(6) N8(7) N8(8)};

static double seconds(clockid_t clock) {
  struct timespec now;
  clock_gettime(clock, &now);
  return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

int main(int argc, char **argv) {
  const double share = (argc > 1 ? atof(argv[1]) : 1) / 1000, start = seconds(CLOCK_MONOTONIC);
  for (unsigned i = SEED;; i++) {
    all[i % 64]();
    const double ahead = seconds(CLOCK_PROCESS_CPUTIME_ID) / share - (seconds(CLOCK_MONOTONIC) - start);
    if (ahead <= 0) continue;
    const struct timespec pause = {(time_t)ahead, (long)((ahead - (double)(time_t)ahead) * 1e9)};
    nanosleep(&pause, NULL);
  }
}
