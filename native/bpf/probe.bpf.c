// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
#include "kernel.bpf.h"

#include <bpf/bpf_helpers.h>

#include <bpf/bpf_core_read.h>

#define OP_CAN_RESUME
#include "sample.bpf.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

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
  /* A user probe runs preemptible: the next task on this CPU may hit it while we unwind. */
  if (__sync_val_compare_and_swap(&s->busy, 0, 1)) {
    count_up(OP_COUNT_PROBE_NESTED, 1);
    return 0;
  }
  __u64 cs = ctx->cs;
  s->ip = ctx->ip;
  s->sp = ctx->sp;
  s->fp = ctx->bp;
  take(s, &who, OP_SAMPLE_PROBE, config.probe, cs);
  emit(ctx, s, (cs & 3) != 3, 0);
  __sync_val_compare_and_swap(&s->busy, 1, 0);
  return 0;
}
