/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
#pragma once

/*
 * What the steps of the managed runtimes and user space agree on. Needs __u8 … __u64.
 * A runtime has a number here, a step in runtimes.bpf.h and an entry in addon/runtimes/registry.cc.
 */

enum op_runtime_id { OP_RUNTIME_NONE = 0, OP_RUNTIME_PYTHON = 1, OP_RUNTIME_GO = 2 };

/* Where a runtime keeps the state of the current thread. */
enum op_thread_source {
  OP_THREAD_PTHREAD_KEY = 1, /* thread_slot: ELF address of {int initialised, unsigned key} */
  OP_THREAD_DTV = 2,         /* thread_slot: ELF address of the GOT pair {module, offset} */
  OP_THREAD_GOT_OFFSET = 3,  /* thread_slot: ELF address of a word with the offset from the thread pointer */
  OP_THREAD_OFFSET = 4,      /* thread_slot: that offset itself */
};

/* How the frames of one activation of the eval loop end. */
enum op_python_segment {
  OP_PYTHON_ONE_FRAME = 1, /* 3.10 and older: each activation runs one frame */
  OP_PYTHON_IS_ENTRY = 2,  /* 3.11: the last frame is marked; the activation's _PyCFrame lies in its native frame */
  OP_PYTHON_SHIM = 3,      /* 3.12 and later: a frame of the loop's own, in its native frame, stands below */
};

/* Freed code is soon followed by other code at its address, even with its name at the address of the old one's: the
 * hash that a str keeps of its text is the part that differs. */
#define OP_PYTHON_STRING_HASH 24
#define OP_PYTHON_COOKIE(name, hash) ((name) + ((hash) << 1 | (hash) >> 63))

/* Offsets within CPython's objects; see addon/runtimes/python/offsets.cc. */
struct op_python {
  __u64 thread_slot;
  __u8 thread_source;
  __u8 segment;
  __u8 thread_frame;    /* thread state → frame, or → _PyCFrame where cframe is set */
  __u8 has_cframe;
  __u8 cframe_frame;    /* _PyCFrame → frame */
  __u8 cframe_previous; /* IS_ENTRY only */
  __u8 frame_bytes;     /* what must be read of a frame, at most 120 */
  __u8 frame_previous;
  __u8 frame_code;
  __u8 frame_instruction; /* pointer, or int32 index where instruction_unit is set */
  __u8 frame_mark;        /* is_entry or owner */
  __u8 shim_owner;
  __u8 code_first_line;
  __u8 code_name;        /* the qualified name, or the name before 3.11 */
  __u8 code_bytecode;    /* start of the instructions; with an index: unused */
  __u8 instruction_unit; /* bytes an index counts: 1 or 2; 0 = pointer */
  __u8 without_loop;     /* the loop is not known, or is many functions: SHIM only, activations are told by their shim */
  __u8 pad[7];
};

/* Offsets within Go's runtime; see addon/runtimes/go/detect.cc. Its frames are native: only labels are read. */
struct op_go {
  __u64 thread_slot;
  __u8 thread_source;
  __u8 is_list; /* a label set is a slice, not a map */
  __u16 g_m;
  __u16 m_curg;
  __u16 g_labels;
};

/* Labels that a program set for what it does, behind the kernel part of a sample. */
#define OP_MAX_LABELS 8
#define OP_LABEL_KEY 44
#define OP_LABEL_VALUE 80
struct op_label {
  __u8 key_bytes;
  __u8 value_bytes;
  __u8 is_cut; /* of the value there was more */
  __u8 pad;
  char key[OP_LABEL_KEY];
  char value[OP_LABEL_VALUE];
};

/* Compilers put what they think is rare elsewhere, be it nearly all of the loop. */
#define OP_LOOP_PARTS 4

struct op_code_range {
  __u64 start;
  __u64 end;
};

/* Value of the hash file id → runtime. Addresses are ELF virtual addresses. */
struct op_runtime {
  struct op_code_range loop[OP_LOOP_PARTS]; /* the first one is where it is called; unused ones are empty */
  __u32 id; /* enum op_runtime_id */
  __u32 reserved;
  struct op_python python;
  struct op_go go;
};

/*
 * The second slot of a runtime's frame (op_frame.kind >= OP_FRAME_RUNTIME, op_frame.reserved = 1): together with
 * the first one's address it names one function; the address alone may be used for another one later.
 */
struct op_frame_detail {
  __u64 cookie;
  __u32 cookie2;
  __u32 position; /* within the function, in the runtime's own unit */
};
