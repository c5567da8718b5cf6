// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
#include "kernel.bpf.h"

#include <bpf/bpf_helpers.h>

#include <bpf/bpf_core_read.h>

#include "sample.bpf.h"

/*
 * Where threads wait. The stack is taken when a thread leaves its CPU, for then it is the current task and
 * its memory can be read; how long it was away is known when it is back, on whatever CPU.
 */

char LICENSE[] SEC("license") = "Dual BSD/GPL";

/* The start time tells a thread from a later one with its tid. */
struct off_cpu_key {
  __u32 tid; /* of the host */
  __u32 pad;
  __u64 start_ns;
};

struct off_cpu_thread {
  __u32 tid;      /* in the namespace asked for */
  __u32 switches; /* how often it had left a CPU by then */
};

/* Threads that are off the CPU and were chosen. Sized by the loader. */
struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, 8192);
  __type(key, struct off_cpu_key);
  __type(value, struct off_cpu_thread);
} off_cpu_threads SEC(".maps");

static __always_inline __u32 switches_of(struct task_struct *task) {
  return BPF_CORE_READ(task, nvcsw) + BPF_CORE_READ(task, nivcsw);
}

static __always_inline void came_back(struct task_struct *task, const struct off_cpu_key *key) {
  const struct off_cpu_thread *thread = bpf_map_lookup_elem(&off_cpu_threads, key);

  if (!thread) return;
  if (thread->switches != switches_of(task)) {
    /* It was back before, which we have not seen: the time would hold time on the CPU. */
    bpf_map_delete_elem(&off_cpu_threads, key);
    count_up(OP_COUNT_OFF_CPU_END_LOST, 1);
    return;
  }
  /* Not on the stack: with it, that of all calls below would be more than 512 bytes, the limit. */
  struct op_scratch *s = scratch_of(bpf_get_smp_processor_id());
  if (!s) return;
  struct op_sample *end = &s->sample;
  end->version = OP_SAMPLE_VERSION;
  end->kind = OP_SAMPLE_OFF_CPU_END;
  end->flags = 0;
  end->tid = thread->tid;
  end->cpu = bpf_get_smp_processor_id();
  end->time_ns = bpf_ktime_get_boot_ns();
  end->value = key->start_ns;
  end->user_count = 0;
  end->kernel_count = 0;
  end->label_count = 0;
  bpf_map_delete_elem(&off_cpu_threads, key);
  if (bpf_ringbuf_output(&samples, end, sizeof(*end), BPF_RB_NO_WAKEUP)) count_up(OP_COUNT_OFF_CPU_END_LOST, 1);
}

static __always_inline void follow(void *ctx, struct task_struct *task, const struct off_cpu_key *key) {
  struct op_task who;

  count_up(OP_COUNT_SAMPLES, 1);
  count_up(OP_COUNT_OFF_CPU_CHOSEN, 1);
  if (!identify(&who) || !is_wanted(&who)) return;
  struct op_scratch *s = scratch_of(bpf_get_smp_processor_id());
  if (!s) {
    count_up(OP_COUNT_NO_SCRATCH, 1);
    return;
  }
  struct off_cpu_thread thread = {.tid = who.tid, .switches = switches_of(task)};
  if (bpf_map_update_elem(&off_cpu_threads, key, &thread, 0)) {
    count_up(OP_COUNT_OFF_CPU_MAP_FULL, 1);
    return;
  }
  take(s, &who, OP_SAMPLE_OFF_CPU, key->start_ns, OP_KERNEL_MODE);
  if (!emit(ctx, s, true, 0)) bpf_map_delete_elem(&off_cpu_threads, key);
}

static __always_inline void left(void *ctx, struct task_struct *task, const struct off_cpu_key *key) {
  count_up(OP_COUNT_OFF_CPU_SWITCHES, 1);
  if (bpf_get_prandom_u32() > config.off_cpu_threshold || is_thinned_out()) return;
  __u64 start = bpf_ktime_get_ns();
  follow(ctx, task, key);
  count_up(OP_COUNT_BPF_NS, bpf_ktime_get_ns() - start);
}

/* The idle task never waits for anything; a thread that exits never comes back. */
#define SWITCHED(ctx, prev, prev_key, prev_flags, next, next_key)                     \
  do {                                                                                \
    if ((next_key).tid) came_back(next, &(next_key));                                 \
    if ((prev_key).tid && !((prev_flags) & PF_EXITING)) left(ctx, prev, &(prev_key)); \
  } while (0)

/* Both have the arguments preempt, prev, next. */
SEC("tp_btf/sched_switch")
int off_cpu(__u64 *ctx) {
  struct task_struct *prev = (struct task_struct *)ctx[1], *next = (struct task_struct *)ctx[2];
  struct off_cpu_key prev_key = {.tid = prev->pid, .start_ns = prev->start_boottime};
  struct off_cpu_key next_key = {.tid = next->pid, .start_ns = next->start_boottime};

  SWITCHED(ctx, prev, prev_key, prev->flags, next, next_key);
  return 0;
}

/* Where the kernel refuses typed tracepoints. */
SEC("raw_tp/sched_switch")
int off_cpu_raw(__u64 *ctx) {
  struct task_struct *prev = (struct task_struct *)ctx[1], *next = (struct task_struct *)ctx[2];
  struct off_cpu_key prev_key = {.tid = BPF_CORE_READ(prev, pid), .start_ns = BPF_CORE_READ(prev, start_boottime)};
  struct off_cpu_key next_key = {.tid = BPF_CORE_READ(next, pid), .start_ns = BPF_CORE_READ(next, start_boottime)};

  SWITCHED(ctx, prev, prev_key, BPF_CORE_READ(prev, flags), next, next_key);
  return 0;
}
