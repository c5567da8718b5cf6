/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
#pragma once

/* One list for the kernel, the user-space unwinder and the statistics object: X(identifier, name). */
#define OP_COUNTERS(X)                              \
  X(SAMPLES, "samples")                             \
  X(SAMPLES_IDLE, "samples_idle_skipped")           \
  X(SAMPLES_EMITTED, "samples_emitted")             \
  X(RING_FULL, "drop_ring_full")                    \
  X(NO_SCRATCH, "drop_no_scratch")                  \
  X(UNKNOWN_PROCESS, "unknown_process")             \
  X(USER_STACKS, "user_stacks")                     \
  X(USER_COMPLETE, "user_stacks_complete")          \
  X(USER_FRAMES, "user_frames")                     \
  X(FP_STEPS, "frame_pointer_steps")                \
  X(TABLE_MISSING, "unwind_table_missing")          \
  X(USER_RESUMED, "user_stacks_resumed")            \
  X(ERR_DEPTH, "unwind_error_depth_limit")          \
  X(ERR_STEPS, "unwind_error_step_limit")           \
  X(ERR_READ, "unwind_error_memory_read")           \
  X(ERR_CFA, "unwind_error_cfa_not_growing")        \
  X(ERR_FP, "unwind_error_bad_frame_pointer")       \
  X(ERR_PC, "unwind_error_pc_not_executable")       \
  X(ERR_REGS, "unwind_error_no_user_registers")     \
  X(ERR_COMPAT, "unwind_error_32_bit_process")      \
  X(ERR_STACK_LOST, "unwind_error_stack_copy_lost") \
  X(KERNEL_STACK_FAILED, "kernel_stack_failed")     \
  X(TORN_MAPPING, "mapping_changed_while_read")     \
  X(FILTERED_RULE, "drop_filtered_rule")            \
  X(FILTERED_AGE, "drop_filtered_process_age")      \
  X(FILTERED_NAMESPACE, "drop_filtered_pid_namespace") \
  X(OFF_CPU_SWITCHES, "off_cpu_switches")           \
  X(OFF_CPU_CHOSEN, "off_cpu_chosen")               \
  X(OFF_CPU_MAP_FULL, "drop_off_cpu_map_full")      \
  X(OFF_CPU_END_LOST, "off_cpu_ends_lost")          \
  X(PROBE_HITS, "probe_hits")                       \
  X(PROBE_NESTED, "drop_probe_nested")                 \
  X(SAMPLES_THINNED, "samples_thinned_out")         \
  X(BPF_NS, "bpf_time_ns")                          \
  X(PYTHON_FRAMES, "python_frames")                 \
  X(PYTHON_NO_THREAD, "python_no_thread_state")     \
  X(PYTHON_READ, "python_frame_read_failed")        \
  X(GO_LABEL_READ, "go_label_read_failed")          \
  X(GO_LABELS_LEFT_OUT, "go_labels_left_out")

enum op_counter {
#define X(id, name) OP_COUNT_##id,
  OP_COUNTERS(X)
#undef X
      OP_COUNT_MAX
};
