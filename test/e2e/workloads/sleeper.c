// SPDX-License-Identifier: Apache-2.0
// Naps argv[1] times for argv[2] milliseconds, and prints for how many nanoseconds it was away.
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static long long now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1000000000ll + t.tv_nsec;
}

__attribute__((noinline)) long long take_a_nap(long milliseconds) {
  struct timespec t = {milliseconds / 1000, milliseconds % 1000 * 1000000};
  long long before = now();
  nanosleep(&t, NULL);
  return now() - before;
}

int main(int argc, char **argv) {
  if (argc < 3) return 2;
  long long away = 0;
  for (int i = atoi(argv[1]); i > 0; i--) away += take_a_nap(atol(argv[2]));
  printf("%lld\n", away);
  return 0;
}
