/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
#pragma once

/*
 * What the kernel program and user space agree on. Needs __u8 … __u64 to be declared before.
 * All structs have explicit padding: the ring buffer carries them byte for byte.
 */
#include "runtime.h"

/* A user stack: the frames next to the leaf, and the last ones of those that did not fit there. A frame takes one
 * slot of 16 bytes or, if it is a runtime's, two; among the last ones it always takes two. Powers of two. */
#define OP_LEAF_SLOTS 2048
#define OP_ROOT_FRAMES 64
#define OP_ROOT_SLOTS (2 * OP_ROOT_FRAMES)
#define OP_USER_SLOTS (OP_LEAF_SLOTS + OP_ROOT_SLOTS)
/* How far a stack is walked: so many native frames, and so many of a runtime. */
#define OP_MAX_STEPS 8192
#define OP_STEP_BATCH 64
#define OP_MAX_KERNEL_FRAMES 127
#define OP_COMM_LEN 16
#define OP_SAMPLE_VERSION 4

/* ---- Unwind rows ------------------------------------------------------------------------------
 * A file's table is an array of 8-byte entries:
 *   [0]            {first page, number of pages}
 *   [1 … pages]    {lo, hi}: entries to search for a pc in that 4 KiB page; entry lo is the last row
 *                  at or before the page start (or the first row)
 *   [then]         rows {pc, rule}, ascending; a row holds until the next one
 */
struct op_row {
  __u32 pc; /* ELF virtual address */
  __u32 rule;
};

#define OP_PAGE_SHIFT 12
#define OP_ROW_SEARCH_STEPS 14

/* rule = kind (3 bits) | saved rbp below the CFA in words (13 bits, 0 = not saved) | CFA offset in words (s16) */
enum op_rule_kind {
  OP_RULE_NONE = 0,      /* no unwind information: frame-pointer step */
  OP_RULE_SP = 1,        /* CFA = rsp + offset */
  OP_RULE_FP = 2,        /* CFA = rbp + offset */
  OP_RULE_PLT = 3,       /* CFA = rsp + 8 + (pc % 16 >= offset word ? 8 : 0) */
  OP_RULE_SIGNAL = 4,    /* rt_sigreturn trampoline: rsp points to the ucontext */
  OP_RULE_END = 5,       /* return address undefined: outermost frame */
  OP_RULE_FP_DEREF = 6,  /* CFA = *(rbp + offset), saved rbp at *(rbp) (realigned stack) */
  OP_RULE_SP_DEREF = 7,  /* CFA = *(rsp + offset) + 8 (hand-written assembly) */
};

#define OP_RULE(kind, cfa_words, fp_words) \
  ((__u32)(kind) | ((__u32)(fp_words) << 3) | ((__u32)(__u16)(cfa_words) << 16))
#define OP_RULE_KIND(rule) ((rule)&7)
#define OP_RULE_FP_WORDS(rule) (((rule) >> 3) & 0x1fff)
#define OP_RULE_MAX_FP_WORDS 0x1fff

/*
 * On aarch64 the 13 bits tell where the return address is: words below the CFA (12 bits, 0 = still in the link
 * register), and whether the caller's frame pointer lies below it (a frame record) or is unchanged. SP, FP, SIGNAL and
 * END exist.
 */
#define OP_RULE_RECORD (1u << 15)
#define OP_RULE_RA_WORDS(rule) (((rule) >> 3) & 0xfff)
#define OP_RULE_MAX_RA_WORDS 0xfff
#define OP_RULE_AARCH64(kind, cfa_words, ra_words, record) \
  ((__u32)(kind) | ((__u32)(ra_words) << 3) | ((record) ? OP_RULE_RECORD : 0) | ((__u32)(__u16)(cfa_words) << 16))

/* Where the kernel put the interrupted registers: offsets in a signal frame from the stack pointer. */
#define OP_X86_UCONTEXT_RBP 120
#define OP_X86_UCONTEXT_RSP 160
#define OP_X86_UCONTEXT_RIP 168
/* siginfo 128, ucontext up to the aligned mcontext 176, fault address 8; then x0 … x30, sp, pc. */
#define OP_AARCH64_SIGNAL_X29 (128 + 176 + 8 + 29 * 8)

/* ---- Processes and mappings ------------------------------------------------------------------- */

/* Value of the hash tgid → range of op_mapping; written by user space only. */
struct op_process {
  __u32 tgid;
  __u32 first; /* index into the mapping array */
  __u32 count; /* 0: known, but nothing executable could be read */
  __u32 owner; /* must equal op_mapping.owner, else the range was reused while being read */
  __u64 rules; /* bit i: the process part of filter rule i holds */
};

struct op_mapping {
  __u64 start;
  __u64 end;
  __u64 bias; /* pc − bias = ELF virtual address */
  __u32 file; /* key of the tables map; 0 = executable memory without a file */
  __u32 owner;
};

#define OP_MAPPING_SEARCH_STEPS 13
#define OP_MAX_MAPPINGS_PER_PROCESS 4096

/* ---- Samples ---------------------------------------------------------------------------------- */

enum op_frame_kind {
  OP_FRAME_PC = 0,     /* addr is a process address; file is 0 */
  OP_FRAME_FILE = 1,   /* addr is an ELF virtual address in `file` */
  OP_FRAME_JIT = 2,    /* addr is a process address in executable memory without a file */
  OP_FRAME_KERNEL = 3, /* user space only */
  OP_FRAME_ERROR = 4,  /* user space only: addr is an enum op_counter */
  OP_FRAME_CUT = 5,    /* user space only: frames are left out here */
  OP_FRAME_RUNTIME = 16, /* + enum op_runtime_id: addr is a function object; an op_frame_detail follows */
};

#define OP_FRAME_RETURN_ADDRESS 1 /* flags: addr is a return address */

struct op_frame {
  __u64 addr;
  __u32 file;
  __u8 kind;
  __u8 flags;
  __u16 reserved; /* further slots that belong to this frame */
};

enum op_sample_flag {
  OP_SAMPLE_TRUNCATED = 1,       /* frames are missing for the stack's depth */
  OP_SAMPLE_ERROR = 2,           /* unwinding stopped early, see error */
  OP_SAMPLE_UNKNOWN_PROCESS = 4, /* no mapping table yet */
  OP_SAMPLE_UNKNOWN_MAPPING = 8, /* a pc lay in no known mapping */
  OP_SAMPLE_KERNEL_MODE = 16,
  OP_SAMPLE_KERNEL_THREAD = 32,
  OP_SAMPLE_COMPLETE = 64,
  OP_SAMPLE_CUT = 128, /* between the frames next to the leaf and the last ones */
  OP_SAMPLE_RESUME = 256, /* the walk waits for user space, which has an OP_SAMPLE_STACK of the same moment */
};

/* An off-CPU sample is two records: the stack when the thread leaves its CPU, and an end without a stack
 * when it is back; `value` of both is the thread's start time, which tells it from later users of the tid. */
enum op_sample_kind {
  OP_SAMPLE_ON_CPU = 0,
  OP_SAMPLE_OFF_CPU = 1,
  OP_SAMPLE_PROBE = 2, /* value: number of the probe */
  OP_SAMPLE_OFF_CPU_END = 3,
  OP_SAMPLE_STACK = 4, /* not a sample: op_resume and memory follow; comes before the sample it belongs to */
};

/* What OpenTelemetry's eBPF instrumentation says of a thread: value of its pinned map, under the thread's
 * bpf_get_current_pid_tgid(). The layout is not ours to change. All zeroes: the thread works for no span. */
#define OP_SPAN_MAP_NAME "traces_ctx_v1"
#define OP_SPAN_MAP_ENTRIES (1 << 14)
struct op_span_context {
  __u8 trace_id[16];
  __u8 span_id[8];
};

/* Followed by user_count op_frame (leaf first), then kernel_count __u64 (leaf first). With root_count, what was
 * walked last is in a ring of OP_ROOT_FRAMES pairs of slots from slot OP_LEAF_SLOTS; leaf_count counts those before. */
struct op_sample {
  __u8 version;
  __u8 kind;
  __u16 flags;
  __u32 tgid;
  __u32 tid;
  __u32 cpu;
  __u64 time_ns; /* CLOCK_BOOTTIME */
  __u64 cgroup_id;
  __u64 value;
  __u32 user_count;
  __u32 kernel_count;
  __u32 error; /* enum op_counter of what stopped the unwinding, 0 = none */
  __u16 leaf_count;
  __u8 root_count;
  __u8 root_first; /* the pair that is next to the leaf */
  __u32 label_count; /* op_label behind the kernel part */
  __u32 reserved;
  char comm[OP_COMM_LEN];
  struct op_span_context span; /* zeroes without config.span_contexts */
};

/* Where a walk stands that met code whose table or mapping user space had not handed over yet. Bytes of the
 * stack follow: from sp upwards, in further records of the same moment from where the one before ended. */
struct op_resume {
  __u64 ip;
  __u64 sp;
  __u64 fp;
  __u64 lr; /* aarch64 */
  __u8 return_address;
  __u8 via_fp;
  __u8 stack_switches;
  __u8 called;     /* aarch64: lr is not the frame's */
  __u8 guessed_sp; /* aarch64: sp is lower than the frame's */
  __u8 reserved[3];
  __u32 bytes;
  __u32 pad;
};

/* With its head below 32 KiB, the limit of one per-CPU allocation. */
#define OP_RESUME_BYTES (28 << 10)
/* Records of one stack, at most. */
#define OP_RESUME_PARTS 3

/* Set by user space at any time. */
struct op_control {
  __u32 thin; /* an event is left out, as if it had not been, when a random number is below */
  __u32 pad;
};

/* Set once between open and load (.rodata). */
struct op_config {
  __u32 send_idle;
  __u32 have_task_pt_regs;
  __u32 ring_bytes;
  __u32 kernel_stack_bytes; /* fallback for kernels without bpf_task_pt_regs */
  __u32 no_kernel_stacks;
  __u32 no_user_stacks;
  __u32 pid_namespace;     /* inode; pids are those of this namespace; 0: of the host */
  __u32 off_cpu_threshold; /* a switch is chosen when a random number is not above */
  __u32 probe;             /* number of the probe this copy of the program is attached to */
  __u32 filter_comm;       /* some rule names a comm */
  __u32 span_contexts;     /* traces_ctx_v1 is the pinned map */
  __u32 pad;
  __u64 code_address_mask; /* the bits of a user address; others may hold an authentication code */
  __u64 min_age_ns;
  /* A sample matches rule i when bit i is set in its process's rules, and the rule names no comm or the
   * thread's. It is kept when it matches a rule of include (or there is none) and none of exclude. */
  __u64 filter_include;
  __u64 filter_exclude;
  __u64 filter_any_comm;
};
