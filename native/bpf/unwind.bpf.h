/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
#pragma once

#include "runtimes.bpf.h"
#include "tables.bpf.h"

/* A frame pointer further than this above the stack pointer is taken for garbage. */
#define OP_MAX_FRAME_BYTES (16ull << 20)

/* What a frame-pointer chain may do beyond that: jump to another stack, to code we know. */
#define OP_MAX_STACK_SWITCHES 3

enum op_step { OP_STEP_CONTINUE = 0, OP_STEP_STOP = 1 };

static __always_inline int stop_with(struct op_scratch *s, __u32 error) {
  s->error = error;
  return OP_STEP_STOP;
}

static __always_inline int stop_complete(struct op_scratch *s) {
  s->flags |= OP_SAMPLE_COMPLETE;
  return OP_STEP_STOP;
}

/* User space goes on at this frame, which is not recorded here. */
static __always_inline int stop_to_resume(struct op_scratch *s) {
  s->resume = 2;
  return OP_STEP_STOP;
}

/* Loads the mapping of pc into the scratch area; false when no known mapping covers it. */
static __always_inline bool enter_mapping(struct op_scratch *s, __u64 pc) {
  if (pc >= s->mapping.start && pc < s->mapping.end) return true;
  s->mapping.end = 0;
  if (!s->known) return false;
  __u32 index = find_mapping(s->process.first, s->process.count, s->process.owner, pc);
  const struct op_mapping *m = bpf_map_lookup_elem(&mappings, &index);
  if (!m) return false;
  s->mapping = *m;
  enter_runtime(s);
  return true;
}

/* A saved return address without what is no part of the address. */
static __always_inline __u64 code_address(__u64 value);

static __always_inline int step_frame_pointer(struct op_scratch *s) {
  __u64 pair[2];

  if (s->fp == 0) return stop_complete(s);
  if (s->fp & 7) return stop_with(s, OP_COUNT_ERR_FP);
  if (s->fp < s->sp || s->fp - s->sp > OP_MAX_FRAME_BYTES) {
    /* Go's scheduler and cgo change stacks with the frame pointer chained across. */
    if (!s->mapping.file || ++s->stack_switches > OP_MAX_STACK_SWITCHES) return stop_with(s, OP_COUNT_ERR_FP);
  }
  if (bpf_probe_read_user(pair, sizeof(pair), (void *)s->fp)) return stop_with(s, OP_COUNT_ERR_READ);
  if (pair[1] == 0) return stop_complete(s);
  s->sp = s->fp + 16;
  s->fp = pair[0];
  s->ip = code_address(pair[1]);
  s->return_address = 1;
  s->via_fp = 1;
  s->called = 1;
  s->guessed_sp = 1;
  s->fp_steps++;
  return OP_STEP_CONTINUE;
}

#if defined(__TARGET_ARCH_arm64)
#include "step_arm64.bpf.h"
#else
#include "step_x86.bpf.h"
#endif

/* Moves to the caller. `pc` lies in the current mapping, if that is valid. */
static __always_inline int step(struct op_scratch *s, __u64 pc, bool has_file, __u8 *flags) {
  if (has_file) {
    __u32 rule = find_rule(s->mapping.file, pc - s->mapping.bias);
    if (rule == OP_NOT_FOUND) {
      if (s->resume) return stop_to_resume(s);
      s->table_missing = 1;
    } else if (OP_RULE_KIND(rule) != OP_RULE_NONE) {
      /* Nobody called the trampoline: the address is where it starts, not behind a call. */
      if (OP_RULE_KIND(rule) == OP_RULE_SIGNAL) *flags = 0;
      return step_rule(s, rule);
    }
  }
  return step_frame_pointer(s);
}

/* The kernel's limit of probed returns that a thread waits for. */
#define OP_MAX_RETURN_INSTANCES 64

/*
 * Where the kernel's trampoline for probed returns goes on to, for the call with this stack pointer at its entry; 0 if
 * there is none. After a frame-pointer step on aarch64 the stack pointer is lower than that.
 */
__weak __attribute__((noinline)) __u64 original_return(__u64 entry_sp) {
  struct task_struct *task = (struct task_struct *)bpf_get_current_task();
  struct return_instance *at = BPF_CORE_READ(task, utask, return_instances);

  for (int i = 0; i < OP_MAX_RETURN_INSTANCES && at; i++) {
    if (BPF_CORE_READ(at, stack) >= entry_sp) return BPF_CORE_READ(at, orig_ret_vaddr);
    at = BPF_CORE_READ(at, next);
  }
  return 0;
}

/* The trampoline is where the kernel's page for probes begins. */
static __always_inline bool may_be_trampoline(const struct op_scratch *s) {
  return s->return_address && !(s->ip & 0xfff) && !(s->mapping.end && s->mapping.file);
}

/* Records the current frame and moves to its caller. */
__weak __attribute__((noinline)) int unwind_frame(__u32 cpu) {
  struct op_scratch *s = scratch_of(cpu);
  if (!s) return OP_STEP_STOP;

  /* A return address points behind the call: the row and the line are those of the call. */
  __u64 pc = s->ip - s->return_address;
  bool mapped = enter_mapping(s, pc);
  if (may_be_trampoline(s)) {
    __u64 original = original_return(OP_ENTRY_SP(s->sp));
    if (original) {
      s->ip = original;
      pc = original - 1;
      mapped = enter_mapping(s, pc);
    }
  }
  if (!mapped) {
    s->flags |= OP_SAMPLE_UNKNOWN_MAPPING;
    /* A frame pointer that led out of the known code is no frame pointer. */
    if (s->known && s->via_fp) return stop_with(s, OP_COUNT_ERR_PC);
    if (s->resume) return stop_to_resume(s);
  }
  bool has_file = mapped && s->mapping.file;
  __u64 addr = has_file ? s->ip - s->mapping.bias : s->ip;
  __u64 low = s->sp;
  __u8 flags = s->return_address ? OP_FRAME_RETURN_ADDRESS : 0;

  int result = step(s, pc, has_file, &flags);
  if (s->resume == 2) return result;
  /* What the loop runs stands above the loop. Its native frame ends where the caller's begins. */
  __u64 high = result == OP_STEP_CONTINUE ? s->sp : ~0ull;
  if (has_file && (in_loop(s, pc - s->mapping.bias) || holds_activation(s, low, high)))
    push_runtime_frames(s, low, high);

  struct op_frame *frame = next_frame(s, 1);
  frame->addr = addr;
  frame->file = has_file ? s->mapping.file : 0;
  frame->kind = has_file ? OP_FRAME_FILE : mapped ? OP_FRAME_JIT : OP_FRAME_PC;
  frame->flags = flags;
  frame->reserved = 0;
  return result;
}

__weak __attribute__((noinline)) int unwind_batch(__u32 cpu) {
  for (int i = 0; i < OP_STEP_BATCH; i++)
    if (unwind_frame(cpu)) return OP_STEP_STOP;
  return OP_STEP_CONTINUE;
}
