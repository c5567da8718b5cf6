// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
#include "kernel.bpf.h"

#include <bpf/bpf_helpers.h>

#include <bpf/bpf_core_read.h>

#define OP_CAN_RESUME
#include "sample.bpf.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

/*
 * A user probe runs preemptible: the next task on this CPU may hit it while we unwind. Kernels before 5.12 have no
 * atomic operation that gives a value. Of two on one CPU the first to add sees 1 unless the other added before it
 * looked; then both give up, which loses a hit and mixes nothing.
 */
static __always_inline bool enter(struct op_scratch *s) {
  __sync_fetch_and_add(&s->busy, 1);
  if (*(volatile __u32 *)&s->busy == 1) return true;
  __sync_fetch_and_add(&s->busy, -1);
  return false;
}

static __always_inline void leave(struct op_scratch *s) { __sync_fetch_and_add(&s->busy, -1); }

/* One copy a probe: config.probe tells them apart, without the cookies that 5.10 lacks. */
SEC("kprobe")
int probe(struct pt_regs *ctx) {
  struct op_task who;

  count_up(OP_COUNT_SAMPLES, 1);
  count_up(OP_COUNT_PROBE_HITS, 1);
  if (!identify(&who) || !is_wanted(&who)) return 0;
  struct op_scratch *s = scratch_of(bpf_get_smp_processor_id());
  if (!s) {
    count_up(OP_COUNT_NO_SCRATCH, 1);
    return 0;
  }
  if (!enter(s)) {
    count_up(OP_COUNT_PROBE_NESTED, 1);
    return 0;
  }
  __u64 mode = OP_MODE(ctx);
  OP_SET_REGISTERS(s, ctx);
  take(s, &who, OP_SAMPLE_PROBE, config.probe, mode);
  emit(ctx, s, !is_user_mode(mode), 0);
  leave(s);
  return 0;
}
