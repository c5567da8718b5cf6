/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
#pragma once

/* x86_64. addon/unwind/unwind.cc takes the same steps. */

static __always_inline __u64 code_address(__u64 value) { return value; }

static __always_inline int step_signal_frame(struct op_scratch *s) {
  __u64 rbp, rsp, rip;

  if (bpf_probe_read_user(&rbp, sizeof(rbp), (void *)(s->sp + OP_X86_UCONTEXT_RBP)) ||
      bpf_probe_read_user(&rsp, sizeof(rsp), (void *)(s->sp + OP_X86_UCONTEXT_RSP)) ||
      bpf_probe_read_user(&rip, sizeof(rip), (void *)(s->sp + OP_X86_UCONTEXT_RIP)))
    return stop_with(s, OP_COUNT_ERR_READ);
  s->fp = rbp;
  s->sp = rsp; /* may be lower than before: handlers can run on an alternate stack */
  s->ip = rip;
  s->return_address = 0;
  s->via_fp = 0;
  return OP_STEP_CONTINUE;
}

static __always_inline int step_rule(struct op_scratch *s, __u32 rule) {
  __u32 kind = OP_RULE_KIND(rule);
  __u64 offset = (__u64)((__s64)(__s32)(rule & 0xffff0000) >> 13);
  __u64 saved = OP_RULE_FP_WORDS(rule) * 8;
  __u64 cfa, pair[2];

  if (kind == OP_RULE_SP) {
    cfa = s->sp + offset;
  } else if (kind == OP_RULE_FP) {
    cfa = s->fp + offset;
  } else if (kind == OP_RULE_PLT) {
    cfa = s->sp + 8 + ((s->ip & 15) >= offset >> 3 ? 8 : 0);
  } else if (kind == OP_RULE_SIGNAL) {
    return step_signal_frame(s);
  } else if (kind == OP_RULE_END) {
    return stop_complete(s);
  } else {
    __u64 base = kind == OP_RULE_FP_DEREF ? s->fp : s->sp;
    if (bpf_probe_read_user(&cfa, sizeof(cfa), (void *)(base + offset))) return stop_with(s, OP_COUNT_ERR_READ);
    if (kind == OP_RULE_SP_DEREF) cfa += 8;
  }
  if (cfa <= s->sp || (cfa & 7)) return stop_with(s, OP_COUNT_ERR_CFA);

  /* The common layout, [saved rbp][return address] below the CFA, costs one read. */
  if (bpf_probe_read_user(pair, sizeof(pair), (void *)(cfa - 16))) return stop_with(s, OP_COUNT_ERR_READ);
  if (kind == OP_RULE_FP_DEREF) {
    if (bpf_probe_read_user(&s->fp, sizeof(s->fp), (void *)s->fp)) return stop_with(s, OP_COUNT_ERR_READ);
  } else if (saved == 16) {
    s->fp = pair[0];
  } else if (saved) {
    if (bpf_probe_read_user(&s->fp, sizeof(s->fp), (void *)(cfa - saved))) return stop_with(s, OP_COUNT_ERR_READ);
  }
  if (pair[1] == 0) return stop_complete(s);
  s->ip = pair[1];
  s->sp = cfa;
  s->return_address = 1;
  s->via_fp = 0;
  return OP_STEP_CONTINUE;
}
