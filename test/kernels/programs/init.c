// SPDX-License-Identifier: Apache-2.0
// The first process of the machine: mounts what a host has, runs the tests, says how they ended, switches off.
#include <stdio.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

int main(void) {
  mount("proc", "/proc", "proc", 0, NULL);
  mount("sysfs", "/sys", "sysfs", 0, NULL);
  mount("devtmpfs", "/dev", "devtmpfs", 0, NULL);
  mount("cgroup2", "/sys/fs/cgroup", "cgroup2", 0, NULL);
  mount("tmpfs", "/tmp", "tmpfs", 0, NULL);
  mount("bpf", "/sys/fs/bpf", "bpf", 0, NULL);
  pid_t tests = fork();
  if (tests == 0) {
    char *const environment[] = {"PATH=/usr/bin", "HOME=/tmp", NULL};
    setsid();
    chdir("/app");
    execle("/usr/bin/node", "node", "/app/guest.mjs", NULL, environment);
    _exit(127);
  }
  int status = 0;
  // Orphans of the tests end up here too.
  for (int other; (other = wait(&status)) != tests;)
    if (other < 0) break;
  printf("\nKERNEL-TESTS-END %d\n", WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
  fflush(stdout);
  sync();
  reboot(RB_POWER_OFF);
}
