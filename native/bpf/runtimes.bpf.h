/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
#pragma once

#include "thread.bpf.h"

/* Appends one frame of two slots. `function` is the runtime's object. */
static __always_inline void push_runtime_frame(struct op_scratch *s, __u32 id, __u64 function, __u64 cookie,
                                               __u32 cookie2, __u32 position) {
  struct op_frame *frame = next_frame(s, 2);
  struct op_frame_detail *detail = (void *)(frame + 1);
  frame->addr = function;
  frame->file = s->mapping.file;
  frame->kind = OP_FRAME_RUNTIME + id;
  frame->flags = 0;
  frame->reserved = 1;
  detail->cookie = cookie;
  detail->cookie2 = cookie2;
  detail->position = position;
  s->recorded.managed++;

  /* Names are read from the living process: one that user space has not met must not wait for the timer. */
  __u64 hash = (function ^ (cookie * 0x9e3779b97f4a7c15ull)) + s->sample.tgid;
  hash = (hash ^ (hash >> 29) ^ cookie2) * 0xff51afd7ed558ccdull;
  __u32 index = (hash >> 40) & (OP_SEEN_FUNCTIONS - 1);
  __u64 *seen = bpf_map_lookup_elem(&seen_functions, &index);
  if (seen && *seen != hash) {
    *seen = hash;
    s->urgent = 1;
  }
}

/* As the lower end of a native frame: everything that is left belongs to it. */
#define OP_WHOLE_STACK (~0ull)

#include "go.bpf.h"
#include "python.bpf.h"

/* Loads what is known of the file that was just entered. */
static __always_inline void enter_runtime(struct op_scratch *s) {
  s->runtime.id = OP_RUNTIME_NONE;
  if (!s->mapping.file) return;
  const struct op_runtime *runtime = bpf_map_lookup_elem(&runtimes, &s->mapping.file);
  if (!runtime) return;
  s->runtime = *runtime;
  if (runtime->id != OP_RUNTIME_GO) return;
  s->go = runtime->go;
  s->go_bias = s->mapping.bias;
  s->has_go = 1;
}

static __always_inline bool in_loop(const struct op_scratch *s, __u64 va) {
  if (s->runtime.id == OP_RUNTIME_NONE) return false;
#pragma unroll
  for (int i = 0; i < OP_LOOP_PARTS; i++)
    if (va >= s->runtime.loop[i].start && va < s->runtime.loop[i].end) return true;
  return false;
}

/* As in_loop where the loop is not known. */
static __always_inline bool holds_activation(struct op_scratch *s, __u64 low, __u64 high) {
  return s->runtime.id == OP_RUNTIME_PYTHON && s->runtime.python.without_loop &&
         python_holds_shim(s->sample.cpu, low, high);
}

/* Appends the frames that the activation of the loop with the native frame [low, high) runs. */
static __always_inline void push_runtime_frames(struct op_scratch *s, __u64 low, __u64 high) {
  if (s->runtime.id == OP_RUNTIME_PYTHON) push_python_frames(s->sample.cpu, low, high);
}

/* The native walk ended early: the managed callers are known all the same. */
static __always_inline void push_remaining_frames(struct op_scratch *s) {
  __u32 file = s->python.file;
  if (!file) return;
  const struct op_runtime *runtime = bpf_map_lookup_elem(&runtimes, &file);
  if (!runtime) return;
  s->runtime = *runtime;
  s->mapping.file = file;
  push_runtime_frames(s, OP_WHOLE_STACK, OP_WHOLE_STACK);
}
