// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
#include "kernel.bpf.h"

#include <bpf/bpf_helpers.h>

#include <bpf/bpf_core_read.h>

#include "unwind.bpf.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

const volatile struct op_config config = {};

#define USER_CS_64 0x33

/* Registers at the entry into the kernel; false when there are none. */
static __always_inline bool user_registers(struct bpf_perf_event_data *ctx, struct op_scratch *s) {
  __u64 cs = ctx->cs;

  if ((cs & 3) == 3) {
    s->ip = ctx->ip;
    s->sp = ctx->sp;
    s->fp = ctx->bp;
  } else {
    struct pt_regs *regs;
    if (config.have_task_pt_regs) {
      regs = (struct pt_regs *)bpf_task_pt_regs((void *)bpf_get_current_task_btf());
    } else {
      struct task_struct *task = (struct task_struct *)bpf_get_current_task();
      regs = (struct pt_regs *)(BPF_CORE_READ(task, stack) + config.kernel_stack_bytes -
                                bpf_core_type_size(struct pt_regs));
    }
    cs = BPF_CORE_READ(regs, cs);
    s->ip = BPF_CORE_READ(regs, ip);
    s->sp = BPF_CORE_READ(regs, sp);
    s->fp = BPF_CORE_READ(regs, bp);
    s->flags |= OP_SAMPLE_KERNEL_MODE;
  }
  if (cs == USER_CS_64) return true;
  s->error = (cs & 3) == 3 ? OP_COUNT_ERR_COMPAT : OP_COUNT_ERR_REGS;
  return false;
}

/*
 * A child that user space has not heard of yet executes what its parent does until it calls exec; exec
 * moves the (randomized) stack.
 */
static __always_inline const struct op_process *process_of_parent(struct task_struct *task) {
  struct task_struct *parent = BPF_CORE_READ(task, real_parent);
  __u32 tgid = BPF_CORE_READ(parent, tgid);

  if (BPF_CORE_READ(task, mm, start_stack) != BPF_CORE_READ(parent, mm, start_stack) ||
      BPF_CORE_READ(task, mm, start_code) != BPF_CORE_READ(parent, mm, start_code))
    return 0;
  return bpf_map_lookup_elem(&processes, &tgid);
}

static __always_inline void unwind_user(struct bpf_perf_event_data *ctx, struct op_scratch *s, __u32 tgid) {
  const struct op_process *process = bpf_map_lookup_elem(&processes, &tgid);

  s->return_address = 0;
  s->via_fp = 0;
  s->mapping.start = 0;
  s->mapping.end = 0;
  s->fp_steps = 0;
  s->table_missing = 0;
  s->stack_switches = 0;
  s->known = 0;
  if (!process) process = process_of_parent((struct task_struct *)bpf_get_current_task());
  if (process) {
    s->process = *process;
    s->known = s->process.count != 0;
  } else {
    s->flags |= OP_SAMPLE_UNKNOWN_PROCESS;
  }
  if (!user_registers(ctx, s)) {
    count_up(s->error, 1);
    return;
  }
  __u32 i;
  for (i = 0; i < OP_MAX_USER_FRAMES; i++)
    if (unwind_frame(i)) break;
  /* Where a frame-pointer walk through code without frame pointers ends says nothing. */
  if (!s->known)
    s->error = OP_COUNT_UNKNOWN_PROCESS;
  else if (s->table_missing)
    s->error = OP_COUNT_TABLE_MISSING;
  if (i == OP_MAX_USER_FRAMES) {
    s->flags |= OP_SAMPLE_TRUNCATED;
    count_up(OP_COUNT_ERR_DEPTH, 1);
  } else if (s->error) {
    count_up(s->error, 1);
  } else {
    count_up(OP_COUNT_USER_COMPLETE, 1);
  }
  if (s->error) s->flags |= OP_SAMPLE_ERROR;
  count_up(OP_COUNT_USER_STACKS, 1);
  count_up(OP_COUNT_USER_FRAMES, s->count);
  if (s->fp_steps) count_up(OP_COUNT_FP_STEPS, s->fp_steps);
}

static __always_inline void emit(struct bpf_perf_event_data *ctx, struct op_scratch *s) {
  __u64 users = s->count & (OP_USER_SLOTS - 1);
  __u64 kernel_bytes = 0;

  /* The kernel part goes right behind the last user frame, so that one record holds no gap. */
  asm volatile("" : "+r"(users));
  if (users > OP_MAX_USER_FRAMES) return;
  if ((ctx->cs & 3) != 3) {
    void *area = (void *)s->frames + users * sizeof(struct op_frame);
    long got = bpf_get_stack(ctx, area, OP_MAX_KERNEL_FRAMES * sizeof(__u64), 0);
    if (got > 0)
      kernel_bytes = (__u64)got;
    else
      count_up(OP_COUNT_KERNEL_STACK_FAILED, 1);
  }
  asm volatile("" : "+r"(kernel_bytes));
  if (kernel_bytes > OP_MAX_KERNEL_FRAMES * sizeof(__u64)) return;
  s->sample.user_count = users;
  s->sample.kernel_count = kernel_bytes / sizeof(__u64);
  s->sample.flags = s->flags;
  s->sample.error = s->error;

  __u64 size = sizeof(struct op_sample) + users * sizeof(struct op_frame) + kernel_bytes;
  /* Timed draining is 20 times cheaper than a wake-up a sample; wake only for what cannot wait. */
  bool urgent = (s->flags & OP_SAMPLE_UNKNOWN_PROCESS) ||
                bpf_ringbuf_query(&samples, BPF_RB_AVAIL_DATA) > config.ring_bytes / 2;
  if (bpf_ringbuf_output(&samples, &s->sample, size, urgent ? BPF_RB_FORCE_WAKEUP : BPF_RB_NO_WAKEUP))
    count_up(OP_COUNT_RING_FULL, 1);
  else
    count_up(OP_COUNT_SAMPLES_EMITTED, 1);
}

SEC("perf_event")
int on_cpu(struct bpf_perf_event_data *ctx) {
  __u64 id = bpf_get_current_pid_tgid();
  __u32 zero = 0;

  if ((__u32)id == 0 && !config.send_idle) {
    count_up(OP_COUNT_SAMPLES_IDLE, 1);
    return 0;
  }
  count_up(OP_COUNT_SAMPLES, 1);
  struct op_scratch *s = bpf_map_lookup_elem(&scratch, &zero);
  if (!s) {
    count_up(OP_COUNT_NO_SCRATCH, 1);
    return 0;
  }
  s->sample.version = OP_SAMPLE_VERSION;
  s->sample.kind = OP_SAMPLE_ON_CPU;
  s->sample.tgid = id >> 32;
  s->sample.tid = (__u32)id;
  s->sample.cpu = bpf_get_smp_processor_id();
  s->sample.time_ns = bpf_ktime_get_boot_ns();
  s->sample.cgroup_id = bpf_get_current_cgroup_id();
  s->sample.value = 0;
  bpf_get_current_comm(s->sample.comm, sizeof(s->sample.comm));
  s->count = 0;
  s->error = 0;
  s->flags = 0;

  struct task_struct *task = (struct task_struct *)bpf_get_current_task();
  if (BPF_CORE_READ(task, flags) & PF_KTHREAD)
    s->flags |= OP_SAMPLE_KERNEL_THREAD;
  else
    unwind_user(ctx, s, id >> 32);
  emit(ctx, s);
  return 0;
}
