/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
#pragma once

#include "maps.bpf.h"

/*
 * CPython. One native activation of the eval loop runs one Python frame (3.10 and older) or a segment of them
 * (3.11 and later). An activation that has not yet installed its frames, or has already removed them, is told by
 * where they lie: what belongs to it is inside its native frame.
 */

static __always_inline __u64 python_thread_state(struct op_scratch *s) {
  const struct op_python *py = &s->runtime.python;
  __u64 base = 0, state = 0;

  if (!thread_address(py->thread_source, py->thread_slot, s->mapping.bias, &base)) return 0;
  if (bpf_probe_read_user(&state, sizeof(state), (void *)base)) return 0;
  return state;
}

/* Finds where this thread's Python stack begins. */
static __always_inline void python_begin(struct op_scratch *s) {
  const struct op_python *py = &s->runtime.python;
  struct op_python_cursor *at = &s->python;
  __u64 state = python_thread_state(s);

  at->file = s->mapping.file;
  at->frame = 0;
  at->cframe = 0;
  if (!state) {
    count_up(OP_COUNT_PYTHON_NO_THREAD, 1);
    return;
  }
  __u64 pointer = 0;
  if (bpf_probe_read_user(&pointer, sizeof(pointer), (void *)(state + py->thread_frame))) return;
  if (!py->has_cframe) {
    at->frame = pointer;
    return;
  }
  at->cframe = pointer;
  if (py->segment == OP_PYTHON_SHIM)
    bpf_probe_read_user(&at->frame, sizeof(at->frame), (void *)(pointer + py->cframe_frame));
}

enum op_python_result { OP_PYTHON_MORE = 0, OP_PYTHON_END = 1, OP_PYTHON_STOP = 2 };

/* One frame at the cursor. END: it was the last one of its segment; STOP: the chain cannot be followed. */
static __always_inline int python_frame(struct op_scratch *s, __u64 high) {
  const struct op_python *py = &s->runtime.python;
  struct op_python_cursor *at = &s->python;
  __u64 frame = at->frame;
  if (!frame) return OP_PYTHON_STOP;
  if (s->recorded.managed >= OP_MAX_STEPS) {
    s->flags |= OP_SAMPLE_TRUNCATED;
    return OP_PYTHON_END;
  }

  __u32 size = py->frame_bytes;
  asm volatile("" : "+r"(size));
  if (size > OP_PYTHON_FRAME_BYTES) return OP_PYTHON_STOP;
  if (bpf_probe_read_user(at->bytes, size, (void *)frame)) {
    count_up(OP_COUNT_PYTHON_READ, 1);
    return OP_PYTHON_STOP;
  }
  __u64 previous = *(__u64 *)(at->bytes + (py->frame_previous & 127));
  __u64 code = *(__u64 *)(at->bytes + (py->frame_code & 127)) & ~7ull; /* 3.14 tags the reference */
  __u8 mark = at->bytes[py->frame_mark & 127];

  if (py->segment == OP_PYTHON_SHIM && mark >= py->shim_owner) {
    /* The loop's own frame: above this activation's native frame it is a caller's. */
    if (frame >= high) return OP_PYTHON_STOP;
    at->frame = previous;
    at->shim = frame;
    return OP_PYTHON_END;
  }
  __u32 first_line = 0, position;
  __u64 name = 0, hash = 0;
  if (bpf_probe_read_user(&first_line, sizeof(first_line), (void *)(code + py->code_first_line)) ||
      bpf_probe_read_user(&name, sizeof(name), (void *)(code + py->code_name)) ||
      bpf_probe_read_user(&hash, sizeof(hash), (void *)(name + OP_PYTHON_STRING_HASH)))
    count_up(OP_COUNT_PYTHON_READ, 1); /* the frame stays, without a name */
  if (py->instruction_unit)
    position = *(__u32 *)(at->bytes + (py->frame_instruction & 127)) * py->instruction_unit;
  else
    position = (__u32)(*(__u64 *)(at->bytes + (py->frame_instruction & 127)) - code - py->code_bytecode);
  push_runtime_frame(s, OP_RUNTIME_PYTHON, code, OP_PYTHON_COOKIE(name, hash), first_line, position);
  at->frame = previous;
  return py->segment == OP_PYTHON_ONE_FRAME || (py->segment == OP_PYTHON_IS_ENTRY && mark) ? OP_PYTHON_END
                                                                                           : OP_PYTHON_MORE;
}

/* Takes the next _PyCFrame of the chain: its frames belong to the activation whose native frame holds it. */
static __always_inline bool next_cframe(struct op_scratch *s, __u64 high) {
  struct op_python_cursor *at = &s->python;
  __u64 cframe = at->cframe;

  if (!cframe || cframe >= high) return false;
  at->frame = 0;
  at->cframe = 0;
  bpf_probe_read_user(&at->frame, sizeof(at->frame), (void *)(cframe + s->runtime.python.cframe_frame));
  bpf_probe_read_user(&at->cframe, sizeof(at->cframe), (void *)(cframe + s->runtime.python.cframe_previous));
  return true;
}

/* Global, so that the verifier checks it once. Zero where the activation has more frames. */
__weak __attribute__((noinline)) int push_python_frame(__u32 cpu, __u64 low, __u64 high) {
  struct op_scratch *s = scratch_of(cpu);
  if (!s) return 1;
  struct op_python_cursor *at = &s->python;
  __u32 segment = s->runtime.python.segment;

  int result = python_frame(s, high);
  if (result == OP_PYTHON_MORE) return 0;
  if (result == OP_PYTHON_STOP) {
    if (segment == OP_PYTHON_SHIM) {
      at->frame = at->begin; /* what was pushed since is a caller's */
      s->recorded = at->begin_recorded;
    }
    return 1;
  }
  /* Activations below `low` that the native walk has missed are shown here too: none may be lost. */
  if (s->flags & OP_SAMPLE_TRUNCATED) return 1;
  if (segment == OP_PYTHON_ONE_FRAME) return low != OP_WHOLE_STACK;
  if (segment == OP_PYTHON_IS_ENTRY) return !next_cframe(s, high);
  if (at->shim >= low) return 1;
  at->begin = at->frame;
  at->begin_recorded = s->recorded;
  return 0;
}

/* Loops are nested: as one, the verifier would keep a state for each turn. */
__weak __attribute__((noinline)) int push_python_batch(__u32 cpu, __u64 low, __u64 high) {
  for (int i = 0; i < OP_STEP_BATCH; i++)
    if (push_python_frame(cpu, low, high)) return 1;
  return 0;
}

/* Looks on for the next shim. Global, as above; zero while there is more to look at. */
__weak __attribute__((noinline)) int peek_python_shim(__u32 cpu) {
  struct op_scratch *s = scratch_of(cpu);
  if (!s) return 1;
  struct op_python_cursor *at = &s->python;
  const struct op_python *py = &s->runtime.python;
  __u64 previous = 0;
  __u8 mark = 0;

  for (int i = 0; i < OP_STEP_BATCH; i++) {
    if (!at->peek || bpf_probe_read_user(&mark, sizeof(mark), (void *)(at->peek + py->frame_mark))) return 1;
    if (mark >= py->shim_owner) {
      at->next_shim = at->peek;
      return 1;
    }
    if (bpf_probe_read_user(&previous, sizeof(previous), (void *)(at->peek + py->frame_previous))) return 1;
    at->peek = previous;
  }
  return 0;
}

/* Where the loop is not known: true if the native frame [low, high) holds the shim of what runs next. */
__weak __attribute__((noinline)) int python_holds_shim(__u32 cpu, __u64 low, __u64 high) {
  struct op_scratch *s = scratch_of(cpu);
  if (!s) return 0;
  struct op_python_cursor *at = &s->python;

  if (at->file != s->mapping.file) {
    python_begin(s);
    at->peeked_from = 0;
  }
  if (at->peeked_from != at->frame) {
    at->peeked_from = at->frame;
    at->peek = at->frame;
    at->next_shim = 0;
    for (int i = 0; i <= OP_MAX_STEPS / OP_STEP_BATCH; i++)
      if (peek_python_shim(cpu)) break;
  }
  return at->next_shim >= low && at->next_shim < high;
}

/* Appends the frames of the activation with the native frame [low, high). */
__weak __attribute__((noinline)) int push_python_frames(__u32 cpu, __u64 low, __u64 high) {
  struct op_scratch *s = scratch_of(cpu);
  if (!s) return 0;
  struct op_python_cursor *at = &s->python;
  __u32 before = s->recorded.managed;

  if (at->file != s->mapping.file) python_begin(s);
  if (s->runtime.python.segment == OP_PYTHON_IS_ENTRY && !next_cframe(s, high)) return 0;
  at->begin = at->frame;
  at->begin_recorded = s->recorded;
  for (int i = 0; i <= OP_MAX_STEPS / OP_STEP_BATCH; i++)
    if (push_python_batch(cpu, low, high)) break;
  count_up(OP_COUNT_PYTHON_FRAMES, s->recorded.managed - before);
  return 0;
}
