// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
#include "kernel.bpf.h"

#include <bpf/bpf_helpers.h>

#include <bpf/bpf_core_read.h>

#define OP_CAN_RESUME
#include "sample.bpf.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

static __always_inline void sample(struct bpf_perf_event_data *ctx) {
  struct op_task who;

  count_up(OP_COUNT_SAMPLES, 1);
  if (!identify(&who) || !is_wanted(&who)) return;
  struct op_scratch *s = scratch_of(bpf_get_smp_processor_id());
  if (!s) {
    count_up(OP_COUNT_NO_SCRATCH, 1);
    return;
  }
  OP_SET_REGISTERS(s, ctx);
  take(s, &who, OP_SAMPLE_ON_CPU, 0, OP_MODE(ctx));
  emit(ctx, s, !is_user_mode(OP_MODE(ctx)), 0);
}

SEC("perf_event")
int on_cpu(struct bpf_perf_event_data *ctx) {
  if ((__u32)bpf_get_current_pid_tgid() == 0 && !config.send_idle) {
    count_up(OP_COUNT_SAMPLES_IDLE, 1);
    return 0;
  }
  if (is_thinned_out()) return 0;
  __u64 start = bpf_ktime_get_ns();
  sample(ctx);
  count_up(OP_COUNT_BPF_NS, bpf_ktime_get_ns() - start);
  return 0;
}
