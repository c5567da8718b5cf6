/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
#pragma once

/* aarch64. addon/unwind/unwind.cc takes the same steps. */

/* A return address may carry an authentication code in its upper bits. */
static __always_inline __u64 code_address(__u64 value) { return value & config.code_address_mask; }

static __always_inline int step_signal_frame(struct op_scratch *s) {
  __u64 saved[4]; /* x29, x30, sp, pc */

  if (bpf_probe_read_user(saved, sizeof(saved), (void *)(s->sp + OP_AARCH64_SIGNAL_X29)))
    return stop_with(s, OP_COUNT_ERR_READ);
  s->fp = saved[0];
  s->lr = saved[1];
  s->sp = saved[2]; /* may be lower than before: handlers can run on an alternate stack */
  s->ip = saved[3];
  s->return_address = 0;
  s->via_fp = 0;
  s->called = 0;
  s->guessed_sp = 0;
  return OP_STEP_CONTINUE;
}

static __always_inline int step_rule(struct op_scratch *s, __u32 rule) {
  __u32 kind = OP_RULE_KIND(rule);
  __u64 offset = (__u64)((__s64)(__s32)(rule & 0xffff0000) >> 13);
  __u64 saved = OP_RULE_RA_WORDS(rule) * 8;
  __u64 cfa, pair[2] = {};

  if (kind == OP_RULE_END) return stop_complete(s);
  /* The frame record is what is certain after a frame-pointer step. */
  if (kind != OP_RULE_FP && s->guessed_sp) return step_frame_pointer(s);
  if (kind == OP_RULE_SIGNAL) return step_signal_frame(s);
  cfa = (kind == OP_RULE_FP ? s->fp : s->sp) + offset;
  if (!saved) {
    /* Only a frame that has called nobody has its return address in the register; it need not have a stack. */
    if (s->called || cfa < s->sp || (cfa & 7)) return stop_with(s, OP_COUNT_ERR_CFA);
    pair[1] = s->lr;
  } else {
    if (cfa <= s->sp || (cfa & 7)) return stop_with(s, OP_COUNT_ERR_CFA);
    if (bpf_probe_read_user(pair, sizeof(pair), (void *)(cfa - saved - 8))) return stop_with(s, OP_COUNT_ERR_READ);
    if (rule & OP_RULE_RECORD) s->fp = pair[0];
  }
  if (pair[1] == 0) return stop_complete(s);
  s->ip = code_address(pair[1]);
  s->sp = cfa;
  s->return_address = 1;
  s->via_fp = 0;
  s->called = 1;
  s->guessed_sp = 0;
  return OP_STEP_CONTINUE;
}
