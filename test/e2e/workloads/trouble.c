// SPDX-License-Identifier: Apache-2.0
// Programs that make a profiler's life hard; argv[1] says which. Those that prepare something print a line
// when it is there, and end when their standard input does.
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern char **environ;
static volatile unsigned sink;

static long long now(clockid_t clock) {
  struct timespec t;
  clock_gettime(clock, &t);
  return t.tv_sec * 1000000000ll + t.tv_nsec;
}

static void say(const char *what) {
  printf("%s\n", what);
  fflush(stdout);
}

static void wait_for_the_end(void) {
  char byte;
  while (read(0, &byte, 1) > 0) {
  }
}

__attribute__((noinline)) void short_work(long milliseconds) {
  const long long end = now(CLOCK_PROCESS_CPUTIME_ID) + milliseconds * 1000000;
  while (now(CLOCK_PROCESS_CPUTIME_ID) < end)
    for (int i = 0; i < 20000; i++) sink = sink * 1664525u + 1013904223u;
}

__attribute__((noinline)) void *left_behind(void *unused) {
  for (;;) sink = sink * 1664525u + 1013904223u;
  return unused;
}

__attribute__((noinline)) int deep_work(int depth) {
  if (depth == 0) short_work(1 << 20);
  const int got = depth > 0 ? deep_work(depth - 1) : 0;
  return got + (int)sink; /* no tail call */
}

/* Calls below which threads nap: so many frames of so many threads are more than are kept. */
enum { NAP_DEPTH = 100 };

__attribute__((noinline)) static int deep_nap(int depth) {
  while (depth == 0) usleep(1000000);
  return deep_nap(depth - 1) + (int)sink; /* no tail call */
}

static void *nap(void *unused) {
  deep_nap(NAP_DEPTH);
  return unused;
}

static char **program;

static void *become(void *unused) {
  execv(program[0], program);
  _exit(1);
  return unused;
}

/* count processes of argv, so many a second; says for how many milliseconds it took. */
static int storm(int count, int rate, char **argv) {
  const long long start = now(CLOCK_MONOTONIC);
  int alive = 0;
  for (int i = 0; i < count; i++) {
    pid_t pid;
    if (posix_spawn(&pid, argv[0], NULL, NULL, argv, environ) != 0) return 1;
    alive++;
    const long long due = start + (i + 1) * 1000000000ll / rate;
    const struct timespec until = {due / 1000000000, due % 1000000000};
    clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL);
    while (alive > 0 && waitpid(-1, NULL, WNOHANG) > 0) alive--;
  }
  while (alive-- > 0) wait(NULL);
  printf("%lld\n", (now(CLOCK_MONOTONIC) - start) / 1000000);
  return 0;
}

static int crowd(int count) {
  setpgid(0, 0);
  for (int i = 0; i < count; i++) {
    const pid_t pid = fork();
    if (pid < 0) return 1;
    if (pid == 0) {
      pause();
      _exit(0);
    }
  }
  say("ready");
  wait_for_the_end();
  signal(SIGTERM, SIG_IGN);
  kill(0, SIGTERM);
  return 0;
}

static int threads(int count) {
  pthread_attr_t small;
  pthread_attr_init(&small);
  pthread_attr_setstacksize(&small, 32768);
  for (int i = 0; i < count; i++) {
    pthread_t thread;
    if (pthread_create(&thread, &small, nap, NULL) != 0) return 1;
  }
  say("ready");
  wait_for_the_end();
  return 0;
}

static int pipes[64][2][2];

/* Half of a pair: waits for a byte and sends it back, for ever. */
static void *pass(void *half) {
  const int i = (int)(long)half;
  int(*pair)[2] = pipes[i / 2];
  char byte = 0;
  if (i % 2) (void)!write(pair[0][1], &byte, 1);
  while (read(pair[i % 2][0], &byte, 1) == 1 && write(pair[(i + 1) % 2][1], &byte, 1) == 1) {
  }
  return NULL;
}

/* Pairs of threads that do nothing but wait for each other. */
static int switches(int count) {
  if (count > 64) return 1;
  for (int i = 0; i < count; i++)
    if (pipe(pipes[i][0]) != 0 || pipe(pipes[i][1]) != 0) return 1;
  for (long half = 0; half < 2 * count; half++) {
    pthread_t thread;
    if (pthread_create(&thread, NULL, pass, (void *)half) != 0) return 1;
  }
  say("ready");
  wait_for_the_end();
  return 0;
}

/* Executable pages with a hole behind each, so that none can be told as one with its neighbour. */
static int maps(int count) {
  char *area = mmap(NULL, count * 8192ul, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (area == MAP_FAILED) return 1;
  for (int i = 0; i < count; i++)
    if (mprotect(area + i * 8192ul, 4096, PROT_READ | PROT_EXEC) != 0) return 1;
  say("ready");
  left_behind(NULL);
  return 0;
}

static int in_memory(const char *path) {
  struct stat info;
  const int from = open(path, O_RDONLY | O_CLOEXEC);
  const int to = memfd_create("in_memory", MFD_CLOEXEC);
  if (from < 0 || to < 0 || fstat(from, &info) != 0) return 1;
  for (off_t at = 0; at < info.st_size;)
    if (sendfile(to, from, &at, info.st_size - at) <= 0) return 1;
  char *const argv[] = {"in_memory", NULL};
  fexecve(to, argv, environ);
  return 1;
}

int main(int argc, char **argv) {
  pthread_t thread;
  const char *what = argc > 1 ? argv[1] : "";
  const int count = argc > 2 ? atoi(argv[2]) : 0;
  if (!strcmp(what, "blink")) return 0;
  if (!strcmp(what, "short")) return short_work(count), 0;
  if (!strcmp(what, "deep")) return deep_work(count);
  if (!strcmp(what, "spin")) return left_behind(NULL), 0;
  if (!strcmp(what, "storm") && argc > 4) return storm(count, atoi(argv[3]), argv + 4);
  if (!strcmp(what, "crowd")) return crowd(count);
  if (!strcmp(what, "threads")) return threads(count);
  if (!strcmp(what, "switches")) return switches(count);
  if (!strcmp(what, "maps")) return maps(count);
  if (!strcmp(what, "memory") && argc > 2) return in_memory(argv[2]);
  if (!strcmp(what, "orphan")) {
    pthread_create(&thread, NULL, left_behind, NULL);
    pthread_exit(NULL);
  }
  if (!strcmp(what, "become") && argc > 2) {
    program = argv + 2;
    pthread_create(&thread, NULL, become, NULL);
    left_behind(NULL);
  }
  return 2;
}
