/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
#pragma once

#include "counters.h"
#include "profile.h"

const volatile struct op_config config = {};

/* The longest part of a Python frame that is read. */
#define OP_PYTHON_FRAME_BYTES 120

/* How much of a stack is recorded. */
struct op_recorded {
  __u32 leaf;    /* slots used next to the leaf */
  __u32 root;    /* frames that did not fit there; the last OP_ROOT_FRAMES are kept */
  __u32 frames;
  __u32 managed; /* of them, a runtime's */
};

/* Where the walk over a thread's Python frames stands. */
struct op_python_cursor {
  __u64 frame;  /* next to be shown, 0 = none */
  __u64 cframe; /* 3.11: that of the next activation */
  __u64 shim;   /* 3.12 and later: the last one passed */
  __u32 file;   /* the interpreter it is for, 0 = not begun */
  __u32 pad;
  __u64 begin; /* frame, and what was recorded, where the segment began */
  struct op_recorded begin_recorded;
  __u64 peeked_from; /* where the loop is not known: the frame from which next_shim was looked for */
  __u64 peek;
  __u64 next_shim;
  __u8 bytes[136]; /* any offset below 128 holds a word */
};

/* Slots of the lossy memory of functions met: a miss costs a wake-up, no more. */
#define OP_SEEN_FUNCTIONS 16384

/* Registers of the frame being unwound plus the record under construction. One per CPU: a timer
 * program never interrupts itself. Larger than the 32 KiB that one per-CPU allocation may have. */
struct op_scratch {
  __u64 ip;
  __u64 sp;
  __u64 fp;
  __u64 lr; /* aarch64 */
  __u32 return_address; /* ip is a return address */
  __u32 via_fp;         /* ip was found by a frame-pointer step */
  __u32 known;          /* the process has a mapping table */
  __u32 root_high; /* the most that recorded.root has been */
  __u32 error;
  __u32 flags;
  __u32 fp_steps;
  __u32 table_missing; /* a frame's file had no table (yet): what follows is a guess */
  __u32 stack_switches;
  __u32 busy; /* probes only: they can be preempted */
  __u32 urgent; /* user space should look at once */
  __u32 resume; /* 1: may wait for user space, 2: does */
  __u32 copied; /* bytes of the stack on their way to user space */
  struct op_recorded recorded;
  struct op_go go; /* of the Go program met on the stack, if has_go */
  __u64 go_bias;
  __u32 has_go;
  __u32 label_count;
  __u32 labels_left_out;
  __u32 called;     /* aarch64: the frame has called another one, lr is not its own */
  __u32 guessed_sp; /* aarch64: after a frame-pointer step, sp is lower than the frame's */
  __u32 pad;
  struct op_label labels[OP_MAX_LABELS];
  struct op_process process;
  struct op_mapping mapping; /* the last one hit; file and bounds valid if end != 0 */
  struct op_runtime runtime; /* of that mapping's file */
  struct op_python_cursor python;
  struct op_sample sample;
  struct op_frame frames[OP_USER_SLOTS];
  __u64 kernel[OP_MAX_KERNEL_FRAMES + 1];
  struct op_label emitted[OP_MAX_LABELS]; /* room for them behind all that */
};

struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(max_entries, 1); /* CPUs, set by the loader */
  __type(key, __u32);
  __type(value, struct op_scratch);
} scratch SEC(".maps");

#ifdef OP_CAN_RESUME
struct op_stack_record {
  struct op_sample head;
  struct op_resume resume;
  __u8 bytes[OP_RESUME_BYTES];
};

struct {
  __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
  __uint(max_entries, 1);
  __type(key, __u32);
  __type(value, struct op_stack_record);
} stack_records SEC(".maps");
#endif

/* Keyed by enum op_counter; read by user space. */
struct {
  __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
  __uint(max_entries, OP_COUNT_MAX);
  __type(key, __u32);
  __type(value, __u64);
} counters SEC(".maps");

/* Size set by the loader from the CPU count and the sampling rate. */
struct {
  __uint(type, BPF_MAP_TYPE_RINGBUF);
  __uint(max_entries, 1 << 20);
} samples SEC(".maps");

/* tgid → range in `mappings`. Preallocated: 5.10 refuses on-demand elements in perf_event programs. */
struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, 8192);
  __type(key, __u32);
  __type(value, struct op_process);
} processes SEC(".maps");

/* User space allocates ranges and writes them by plain stores through mmap. */
struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(map_flags, BPF_F_MMAPABLE);
  __uint(max_entries, 65536);
  __type(key, __u32);
  __type(value, struct op_mapping);
} mappings SEC(".maps");

/* File id (never reused) → unwind table. Inner sizes differ. */
struct {
  __uint(type, BPF_MAP_TYPE_HASH_OF_MAPS);
  __uint(max_entries, 8192);
  __uint(key_size, sizeof(__u32));
  __uint(value_size, sizeof(__u32));
  __array(
      values, struct {
        __uint(type, BPF_MAP_TYPE_ARRAY);
        __uint(map_flags, BPF_F_INNER_MAP | BPF_F_MMAPABLE);
        __uint(max_entries, 1);
        __uint(key_size, sizeof(__u32));
        __uint(value_size, sizeof(struct op_row));
      });
} tables SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(max_entries, 1);
  __type(key, __u32);
  __type(value, struct op_control);
} control SEC(".maps");

/* comm, zeroes to the end → bits of the filter rules that name it. Written before the programs run. */
struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, 64);
  __uint(key_size, OP_COMM_LEN);
  __type(value, __u64);
} comm_rules SEC(".maps");
/* What each thread works for; written by the instrumentation. The pinned map takes its place where it is read. */
struct {
  __uint(type, BPF_MAP_TYPE_LRU_HASH);
  __uint(max_entries, 1);
  __type(key, __u64);
  __type(value, struct op_span_context);
} traces_ctx_v1 SEC(".maps");

/* File id → the runtime in it. */
struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, 2048);
  __type(key, __u32);
  __type(value, struct op_runtime);
} runtimes SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(max_entries, OP_SEEN_FUNCTIONS);
  __type(key, __u32);
  __type(value, __u64);
} seen_functions SEC(".maps");

static __always_inline void count_up(__u32 id, __u64 by) {
  __u64 *value = bpf_map_lookup_elem(&counters, &id);
  if (value) *value += by;
}

static __always_inline struct op_scratch *scratch_of(__u32 cpu) { return bpf_map_lookup_elem(&scratch, &cpu); }

/* Room for the next frame, of one or two slots: behind the others or, when they have no more, in place of the oldest
 * of the last ones. */
static __always_inline struct op_frame *next_frame(struct op_scratch *s, __u32 slots) {
  __u32 at = s->recorded.leaf;

  s->recorded.frames++;
  if (at + slots <= OP_LEAF_SLOTS && !s->recorded.root) {
    s->recorded.leaf = at + slots;
    return &s->frames[at & (OP_LEAF_SLOTS - 1)];
  }
  at = s->recorded.root++;
  if (at >= s->root_high) s->root_high = at + 1;
  return &s->frames[OP_LEAF_SLOTS + 2 * (at & (OP_ROOT_FRAMES - 1))];
}
