/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
#pragma once

#include "arch.bpf.h"
#include "maps.bpf.h"

/* glibc, x86_64: the first block of thread-specific data, in struct pthread; the DTV pointer behind the self pointer. */
#define OP_GLIBC_SPECIFIC 0x310
#define OP_GLIBC_FIRST_KEYS 32
#define OP_GLIBC_DTV 8

/* Where the current thread has a variable, see enum op_thread_source; `bias` is that of the file with the slot. */
static __always_inline bool thread_address(__u8 source, __u64 thread_slot, __u64 bias, __u64 *out) {
  struct task_struct *task = (struct task_struct *)bpf_get_current_task();
  __u64 tp = thread_pointer(task);
  __u64 pair[2] = {}, base = 0;
  __u64 slot = thread_slot + bias;

  if (source == OP_THREAD_PTHREAD_KEY) {
    __u32 record[2] = {};
    if (bpf_probe_read_user(record, sizeof(record), (void *)slot) || !record[0]) return false;
    if (record[1] >= OP_GLIBC_FIRST_KEYS) return false;
    base = tp + OP_GLIBC_SPECIFIC + 16 * (__u64)record[1] + 8;
  } else if (source == OP_THREAD_DTV) {
    if (bpf_probe_read_user(pair, sizeof(pair), (void *)slot)) return false;
    if (bpf_probe_read_user(&base, sizeof(base), (void *)(tp + OP_GLIBC_DTV))) return false;
    if (bpf_probe_read_user(&base, sizeof(base), (void *)(base + 16 * pair[0])) || base == ~0ull) return false;
    base += pair[1];
  } else if (source == OP_THREAD_GOT_OFFSET) {
    if (bpf_probe_read_user(pair, sizeof(pair[0]), (void *)slot)) return false;
    base = tp + pair[0];
  } else {
    base = tp + thread_slot;
  }
  *out = base;
  return true;
}
