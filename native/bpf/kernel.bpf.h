/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
#pragma once

/*
 * The few kernel types the programs touch, relocated by CO-RE against the running kernel's BTF.
 * A generated vmlinux.h would be 2.8 MB of which we use this.
 */
typedef unsigned char __u8;
typedef unsigned short __u16;
typedef unsigned int __u32;
typedef unsigned long long __u64;
typedef signed char __s8;
typedef short __s16;
typedef int __s32;
typedef long long __s64;
typedef __u16 __be16;
typedef __u32 __be32;
typedef __u32 __wsum;
typedef _Bool bool;
#define true 1
#define false 0

enum {
  BPF_MAP_TYPE_HASH = 1,
  BPF_MAP_TYPE_LRU_HASH = 9,
  BPF_MAP_TYPE_ARRAY = 2,
  BPF_MAP_TYPE_PERCPU_ARRAY = 6,
  BPF_MAP_TYPE_HASH_OF_MAPS = 13,
  BPF_MAP_TYPE_RINGBUF = 27,
};
enum { BPF_F_MMAPABLE = 1U << 10, BPF_F_INNER_MAP = 1U << 12 };
enum { BPF_RB_NO_WAKEUP = 1, BPF_RB_FORCE_WAKEUP = 2 };
enum { BPF_RB_AVAIL_DATA = 0 };

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

#if defined(__TARGET_ARCH_arm64)
struct pt_regs {
  unsigned long regs[31];
  unsigned long sp;
  unsigned long pc;
  unsigned long pstate;
};

struct thread_struct {
  struct {
    unsigned long tp_value;
  } uw;
};
#else
struct pt_regs {
  unsigned long bp;
  unsigned long ip;
  unsigned long cs;
  unsigned long flags;
  unsigned long sp;
};

struct thread_struct {
  unsigned long fsbase;
};
#endif

struct mm_struct {
  unsigned long start_code;
  unsigned long start_stack;
};

struct ns_common {
  unsigned int inum;
};

struct pid_namespace {
  struct ns_common ns;
};

struct upid {
  int nr;
  struct pid_namespace *ns;
};

struct pid {
  unsigned int level;
  struct upid numbers[1];
};

/* A call whose return is probed; innermost first. */
struct return_instance {
  unsigned long stack;          /* the stack pointer at the function's entry */
  unsigned long orig_ret_vaddr; /* where it returns to behind the trampoline */
  struct return_instance *next;
};

struct uprobe_task {
  struct return_instance *return_instances;
};

struct task_struct {
  struct uprobe_task *utask;
  void *stack;
  unsigned int flags;
  struct mm_struct *mm;
  struct task_struct *real_parent;
  struct task_struct *group_leader;
  struct pid *thread_pid;
  unsigned long nvcsw;
  unsigned long nivcsw;
  __u64 start_boottime;
  int pid;
  int tgid;
  struct thread_struct thread;
};

#pragma clang attribute pop

/* Layout fixed by the user API: bpf_user_pt_regs_t is struct pt_regs of x86_64, struct user_pt_regs of aarch64. */
struct bpf_perf_event_data {
#if defined(__TARGET_ARCH_arm64)
  __u64 regs[31], sp, pc, pstate;
#else
  __u64 r15, r14, r13, r12, bp, bx, r11, r10, r9, r8, ax, cx, dx, si, di, orig_ax, ip, cs, flags, sp, ss;
#endif
  __u64 sample_period;
  __u64 addr;
};

#define PF_EXITING 0x00000004
#define PF_KTHREAD 0x00200000
