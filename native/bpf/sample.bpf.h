/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
#pragma once

/* What every kind of sample does: filter, take the registers, unwind, hand over. */
#include "unwind.bpf.h"

/* MAX_PID_NS_LEVEL of the kernel, and the host itself. */
#define OP_PID_LEVELS 33

/* Who the current task is, in the pid namespace asked for. */
struct op_task {
  struct task_struct *task;
  __u32 tgid;
  __u32 tid;
};

/* The number of a pid in config.pid_namespace; 0 when it is not visible there. */
static __always_inline __u32 number_of(struct pid *pid) {
  __u32 level = BPF_CORE_READ(pid, level);

  for (__u32 i = 0; i < OP_PID_LEVELS; i++) {
    if (i > level) break;
    struct upid *at = (void *)pid + bpf_core_field_offset(struct pid, numbers) + i * bpf_core_type_size(struct upid);
    if (BPF_CORE_READ(at, ns, ns.inum) == config.pid_namespace) return BPF_CORE_READ(at, nr);
  }
  return 0;
}

/* False, and counted, when the task is outside of the namespace. */
static __always_inline bool identify(struct op_task *who) {
  __u64 id = bpf_get_current_pid_tgid();
  struct task_struct *task = (struct task_struct *)bpf_get_current_task();

  who->task = task;
  who->tgid = id >> 32;
  who->tid = (__u32)id;
  if (!config.pid_namespace || who->tid == 0) return true;
  who->tgid = number_of(BPF_CORE_READ(task, group_leader, thread_pid));
  who->tid = number_of(BPF_CORE_READ(task, thread_pid));
  if (who->tgid && who->tid) return true;
  count_up(OP_COUNT_FILTERED_NAMESPACE, 1);
  return false;
}

/* True, and counted, when this event is not to be sampled, to keep the profiler's own cost within its limit. */
static __always_inline bool is_thinned_out(void) {
  __u32 zero = 0;
  const struct op_control *now = bpf_map_lookup_elem(&control, &zero);

  if (!now || !now->thin || bpf_get_prandom_u32() >= now->thin) return false;
  count_up(OP_COUNT_SAMPLES_THINNED, 1);
  return true;
}

static __always_inline __u64 rules_of_comm(void) {
  char comm[OP_COMM_LEN] = {};
  bool ended = false;

  bpf_get_current_comm(comm, sizeof(comm));
  /* Behind the terminator is whatever the task had there before. */
  for (int i = 0; i < OP_COMM_LEN; i++) {
    if (!comm[i]) ended = true;
    if (ended) comm[i] = 0;
  }
  const __u64 *rules = bpf_map_lookup_elem(&comm_rules, comm);
  return rules ? *rules : 0;
}

/* False, and counted, when a filter leaves the task out. A process that user space has not heard of yet
 * passes: user space decides. */
static __always_inline bool is_wanted(const struct op_task *who) {
  struct task_struct *task = who->task;

  if (config.min_age_ns &&
      bpf_ktime_get_boot_ns() - BPF_CORE_READ(task, group_leader, start_boottime) < config.min_age_ns) {
    count_up(OP_COUNT_FILTERED_AGE, 1);
    return false;
  }
  if (!(config.filter_include | config.filter_exclude)) return true;
  const struct op_process *process = bpf_map_lookup_elem(&processes, &who->tgid);
  if (!process) return true;
  __u64 matched = config.filter_any_comm;
  if (config.filter_comm) matched |= rules_of_comm();
  matched &= process->rules;
  if (!(matched & config.filter_exclude) && (!config.filter_include || (matched & config.filter_include))) return true;
  count_up(OP_COUNT_FILTERED_RULE, 1);
  return false;
}

/* Where the task left user mode; false when it cannot be told. With a `mode` of user mode s has the registers. */
static __always_inline bool user_registers(struct op_scratch *s, __u64 mode) {
  if (!is_user_mode(mode)) {
    struct pt_regs *regs;
    if (config.have_task_pt_regs) {
      regs = (struct pt_regs *)bpf_task_pt_regs((void *)bpf_get_current_task_btf());
    } else {
      struct task_struct *task = (struct task_struct *)bpf_get_current_task();
      regs = (struct pt_regs *)(BPF_CORE_READ(task, stack) + config.kernel_stack_bytes -
                                bpf_core_type_size(struct pt_regs));
    }
    mode = OP_READ_MODE(regs);
    OP_READ_REGISTERS(s, regs);
    s->flags |= OP_SAMPLE_KERNEL_MODE;
  }
  if (is_user_64(mode)) return true;
  s->error = is_user_mode(mode) ? OP_COUNT_ERR_COMPAT : OP_COUNT_ERR_REGS;
  return false;
}

/*
 * A child that user space has not heard of yet executes what its parent does until it calls exec; exec
 * moves the (randomized) stack.
 */
static __always_inline const struct op_process *process_of_parent(struct task_struct *task) {
  struct task_struct *parent = BPF_CORE_READ(task, real_parent);
  __u32 tgid = BPF_CORE_READ(parent, tgid);

  if (config.pid_namespace) tgid = number_of(BPF_CORE_READ(parent, group_leader, thread_pid));
  if (BPF_CORE_READ(task, mm, start_stack) != BPF_CORE_READ(parent, mm, start_stack) ||
      BPF_CORE_READ(task, mm, start_code) != BPF_CORE_READ(parent, mm, start_code))
    return 0;
  return bpf_map_lookup_elem(&processes, &tgid);
}

#ifdef OP_CAN_RESUME
#define OP_RESUMES 1
#define OP_STACK_PAGE 4096u

/* Copies the stack from s->copied bytes above s->sp on; false when nothing more can be had. A global function, so
 * that the verifier checks it once. */
__weak __attribute__((noinline)) int hand_over_part(__u32 cpu) {
  __u32 zero = 0;
  struct op_scratch *s = scratch_of(cpu);
  struct op_stack_record *r = bpf_map_lookup_elem(&stack_records, &zero);
  __u64 filled = 0;

  /* Samples matter more than where they end. */
  if (!s || !r || bpf_ringbuf_query(&samples, BPF_RB_AVAIL_DATA) > config.ring_bytes / 2) return 0;
  __u64 first = s->sp + s->copied;
  for (__u32 i = 0; i <= OP_RESUME_BYTES / OP_STACK_PAGE; i++) {
    __u64 from = first + filled;
    __u64 size = OP_STACK_PAGE - (from & (OP_STACK_PAGE - 1));
    /* Both hold anyway, which the verifier of 5.10 does not see. */
    asm volatile("" : "+r"(size), "+r"(filled));
    if (size > OP_STACK_PAGE || filled > OP_RESUME_BYTES - OP_STACK_PAGE) break;
    if (bpf_probe_read_user(r->bytes + filled, size, (void *)from)) break;
    filled += size;
  }
  if (filled > OP_RESUME_BYTES || (!filled && s->copied)) return 0;
  r->head = s->sample;
  r->head.kind = OP_SAMPLE_STACK;
  r->head.user_count = 0;
  r->head.kernel_count = 0;
  r->head.label_count = 0;
  r->head.flags = 0;
  r->head.error = 0;
  r->resume.ip = s->ip;
  r->resume.sp = s->sp;
  r->resume.fp = s->fp;
  r->resume.return_address = s->return_address;
  r->resume.via_fp = s->via_fp;
  r->resume.stack_switches = s->stack_switches;
  r->resume.called = s->called;
  r->resume.guessed_sp = s->guessed_sp;
  r->resume.lr = s->lr;
  r->resume.bytes = filled;
  if (bpf_ringbuf_output(&samples, r, sizeof(r->head) + sizeof(r->resume) + filled, BPF_RB_NO_WAKEUP)) return 0;
  s->copied += filled;
  s->flags |= OP_SAMPLE_RESUME;
  return filled > OP_RESUME_BYTES - OP_STACK_PAGE;
}

/* Copies the stack for user space, which counts what becomes of it; false when that is not possible. */
static __always_inline bool hand_over_stack(struct op_scratch *s) {
  s->copied = 0;
  /* Deeper than a record's part next to the leaf: what was walked last lies in a ring. */
  if (s->recorded.root) return false;
  for (__u32 part = 0; part < OP_RESUME_PARTS; part++)
    if (!hand_over_part(s->sample.cpu)) break;
  if (!(s->flags & OP_SAMPLE_RESUME)) return false;
  s->urgent = 1;
  count_up(OP_COUNT_USER_RESUMED, 1);
  return true;
}
#else
#define OP_RESUMES 0
#endif

static __always_inline void unwind_user(struct op_scratch *s, __u64 mode, __u32 tgid) {
  const struct op_process *process = bpf_map_lookup_elem(&processes, &tgid);

  s->return_address = 0;
  s->via_fp = 0;
  s->called = 0;
  s->guessed_sp = 0;
  s->mapping.start = 0;
  s->mapping.end = 0;
  s->fp_steps = 0;
  s->table_missing = 0;
  s->stack_switches = 0;
  s->runtime.id = OP_RUNTIME_NONE;
  s->python.file = 0;
  s->has_go = 0;
  s->known = 0;
  if (!process) process = process_of_parent((struct task_struct *)bpf_get_current_task());
  if (process) {
    s->process = *process;
    s->known = s->process.count != 0;
  } else {
    s->flags |= OP_SAMPLE_UNKNOWN_PROCESS;
  }
  if (!user_registers(s, mode)) {
    count_up(s->error, 1);
    s->flags |= OP_SAMPLE_ERROR;
    return;
  }
  s->resume = OP_RESUMES;
  __u32 cpu = s->sample.cpu, i;
  for (i = 0; i < OP_MAX_STEPS / OP_STEP_BATCH; i++)
    if (unwind_batch(cpu)) break;
#ifdef OP_CAN_RESUME
  if (s->resume == 2) {
    if (hand_over_stack(s)) {
      if (s->has_go) read_go_labels(cpu);
      return;
    }
    s->table_missing = 1;
  }
#endif
  if (i == OP_MAX_STEPS / OP_STEP_BATCH) s->error = OP_COUNT_ERR_STEPS;
  if (!(s->flags & OP_SAMPLE_COMPLETE)) push_remaining_frames(s);
  if (s->has_go) read_go_labels(cpu);
  /* Where a frame-pointer walk through code without frame pointers ends says nothing. */
  if (!s->known)
    s->error = OP_COUNT_UNKNOWN_PROCESS;
  else if (s->table_missing)
    s->error = OP_COUNT_TABLE_MISSING;
  if (s->root_high > OP_ROOT_FRAMES) s->flags |= OP_SAMPLE_CUT;
  if ((s->flags & OP_SAMPLE_CUT) || s->error == OP_COUNT_ERR_STEPS) s->flags |= OP_SAMPLE_TRUNCATED;
  if (s->error) {
    count_up(s->error, 1);
  } else if (s->flags & OP_SAMPLE_TRUNCATED) {
    count_up(OP_COUNT_ERR_DEPTH, 1);
  } else {
    count_up(OP_COUNT_USER_COMPLETE, 1);
  }
  if (s->error) s->flags |= OP_SAMPLE_ERROR;
  count_up(OP_COUNT_USER_STACKS, 1);
  count_up(OP_COUNT_USER_FRAMES, s->recorded.frames);
  if (s->fp_steps) count_up(OP_COUNT_FP_STEPS, s->fp_steps);
}

/* Hands the sample over; false, and counted, when the ring is full. */
static __always_inline bool emit(void *ctx, struct op_scratch *s, bool has_kernel_stack, __u32 skip) {
  __u64 users = s->recorded.leaf;
  __u64 kernel_bytes = 0;
  __u32 high = s->root_high, lost = high > OP_ROOT_FRAMES ? high - OP_ROOT_FRAMES : 0;

  if (high) users = high < OP_ROOT_FRAMES ? OP_LEAF_SLOTS + 2 * high : OP_USER_SLOTS;

  /* The kernel part goes right behind the last user frame, so that one record holds no gap. */
  asm volatile("" : "+r"(users));
  if (users > OP_USER_SLOTS) return false;
  if (has_kernel_stack && !config.no_kernel_stacks) {
    void *area = (void *)s->frames + users * sizeof(struct op_frame);
    long got = bpf_get_stack(ctx, area, OP_MAX_KERNEL_FRAMES * sizeof(__u64), skip);
    if (got > 0)
      kernel_bytes = (__u64)got;
    else
      count_up(OP_COUNT_KERNEL_STACK_FAILED, 1);
  }
  asm volatile("" : "+r"(kernel_bytes));
  if (kernel_bytes > OP_MAX_KERNEL_FRAMES * sizeof(__u64)) return false;
  s->sample.user_count = users;
  s->sample.leaf_count = s->recorded.leaf;
  s->sample.root_count = s->recorded.root > lost ? s->recorded.root - lost : 0;
  s->sample.root_first = lost & (OP_ROOT_FRAMES - 1);
  s->sample.kernel_count = kernel_bytes / sizeof(__u64);
  s->sample.flags = s->flags;
  s->sample.error = s->error;

  __u64 size = sizeof(struct op_sample) + users * sizeof(struct op_frame) + kernel_bytes;
  __u64 label_bytes = s->label_count * sizeof(struct op_label);
  s->sample.label_count = s->label_count;
  if (label_bytes) {
    asm volatile("" : "+r"(label_bytes));
    if (label_bytes > sizeof(s->labels)) return false;
    bpf_probe_read_kernel((void *)s->frames + users * sizeof(struct op_frame) + kernel_bytes, label_bytes, s->labels);
    size += label_bytes;
  }
  /* Timed draining is 20 times cheaper than a wake-up a sample; wake only for what cannot wait. */
  bool urgent = s->urgent || (s->flags & OP_SAMPLE_UNKNOWN_PROCESS) ||
                bpf_ringbuf_query(&samples, BPF_RB_AVAIL_DATA) > config.ring_bytes / 2;
  if (bpf_ringbuf_output(&samples, &s->sample, size, urgent ? BPF_RB_FORCE_WAKEUP : BPF_RB_NO_WAKEUP)) {
    count_up(OP_COUNT_RING_FULL, 1);
    return false;
  }
  count_up(OP_COUNT_SAMPLES_EMITTED, 1);
  return true;
}

/* Global, so that its stack is not its caller's, whose calls are deep. */
__weak __attribute__((noinline)) int read_span_context(__u32 cpu) {
  struct op_scratch *s = scratch_of(cpu);
  /* Of the host, whatever namespace samples tell. */
  __u64 id = bpf_get_current_pid_tgid();
  if (!s) return 0;

  const struct op_span_context *span = bpf_map_lookup_elem(&traces_ctx_v1, &id);
  if (span)
    s->sample.span = *span;
  else
    __builtin_memset(&s->sample.span, 0, sizeof(s->sample.span));
  return 0;
}

/* Fills in what every sample says. The caller has set the registers if `mode` is of user mode. */
static __always_inline void take(struct op_scratch *s, const struct op_task *who, __u32 kind, __u64 value, __u64 mode) {
  struct task_struct *task = who->task;

  s->sample.version = OP_SAMPLE_VERSION;
  s->sample.kind = kind;
  s->sample.tgid = who->tgid;
  s->sample.tid = who->tid;
  s->sample.cpu = bpf_get_smp_processor_id();
  s->sample.time_ns = bpf_ktime_get_boot_ns();
  s->sample.cgroup_id = bpf_get_current_cgroup_id();
  s->sample.value = value;
  bpf_get_current_comm(s->sample.comm, sizeof(s->sample.comm));
  if (config.span_contexts) read_span_context(s->sample.cpu);
  s->recorded.leaf = 0;
  s->recorded.root = 0;
  s->recorded.frames = 0;
  s->recorded.managed = 0;
  s->root_high = 0;
  s->label_count = 0;
  s->labels_left_out = 0;
  s->error = 0;
  s->flags = 0;
  s->urgent = 0;
  if (BPF_CORE_READ(task, flags) & PF_KTHREAD)
    s->flags |= OP_SAMPLE_KERNEL_THREAD;
  else if (!config.no_user_stacks)
    unwind_user(s, mode, who->tgid);
}
