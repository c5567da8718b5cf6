/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
#pragma once

#include "maps.bpf.h"

/*
 * The pprof labels of the goroutine that runs: thread-local g → m → goroutine → label set. Read with the sample, for
 * the set may be gone a moment later.
 */

/* map[string]string before Go 1.24: hmap and bmap of runtime/map.go. */
#define OP_GO_MAP_SLOTS 8
#define OP_GO_MIN_TOP_HASH 5
#define OP_GO_BUCKET_VALUES (8 + OP_GO_MAP_SLOTS * 16)
#define OP_GO_BUCKET_BYTES (OP_GO_BUCKET_VALUES + OP_GO_MAP_SLOTS * 16 + 8)
/* Larger maps have several buckets; so many are looked at. */
#define OP_GO_MAX_BUCKETS_LOG 1

struct op_go_string {
  __u64 text;
  __u64 bytes;
};

static __always_inline void add_label(struct op_scratch *s, const struct op_go_string *key,
                                      const struct op_go_string *value) {
  __u32 at = s->label_count;
  if (at >= OP_MAX_LABELS) {
    s->labels_left_out = 1;
    return;
  }
  struct op_label *label = &s->labels[at & (OP_MAX_LABELS - 1)];
  __u64 key_bytes = key->bytes, value_bytes = value->bytes;

  if (key_bytes == 0) return;
  if (key_bytes > OP_LABEL_KEY || value_bytes > OP_LABEL_VALUE) s->labels_left_out = 1;
  if (key_bytes > OP_LABEL_KEY) return; /* half a key is another one */
  if (value_bytes > OP_LABEL_VALUE) value_bytes = OP_LABEL_VALUE;
  asm volatile("" : "+r"(key_bytes), "+r"(value_bytes));
  if (key_bytes > OP_LABEL_KEY || value_bytes > OP_LABEL_VALUE) return;
  if (bpf_probe_read_user(label->key, key_bytes, (void *)key->text) ||
      (value_bytes && bpf_probe_read_user(label->value, value_bytes, (void *)value->text))) {
    count_up(OP_COUNT_GO_LABEL_READ, 1);
    return;
  }
  label->key_bytes = key_bytes;
  label->value_bytes = value_bytes;
  label->is_cut = value->bytes > OP_LABEL_VALUE;
  s->label_count = at + 1;
}

/* Go 1.24 and later: a slice of {key, value}. */
static __always_inline void read_label_list(struct op_scratch *s, __u64 set) {
  __u64 list[2];
  struct op_go_string pair[2];

  if (bpf_probe_read_user(list, sizeof(list), (void *)set)) {
    count_up(OP_COUNT_GO_LABEL_READ, 1);
    return;
  }
  if (list[1] > OP_MAX_LABELS) s->labels_left_out = 1;
  for (int i = 0; i < OP_MAX_LABELS; i++) {
    if ((__u64)i >= list[1]) break;
    if (bpf_probe_read_user(pair, sizeof(pair), (void *)(list[0] + i * sizeof(pair)))) {
      count_up(OP_COUNT_GO_LABEL_READ, 1);
      break;
    }
    add_label(s, &pair[0], &pair[1]);
  }
}

static __always_inline void read_label_map(struct op_scratch *s, __u64 set) {
  struct {
    __u64 map, count;
    __u8 flags, buckets_log;
    __u16 overflow;
    __u32 seed;
    __u64 buckets;
  } map = {};
  struct op_go_string key, value;

  if (bpf_probe_read_user(&map.map, sizeof(map.map), (void *)set) || !map.map ||
      bpf_probe_read_user(&map.count, sizeof(map) - sizeof(map.map), (void *)map.map)) {
    count_up(OP_COUNT_GO_LABEL_READ, 1);
    return;
  }
  if (map.count > OP_MAX_LABELS || map.buckets_log > OP_GO_MAX_BUCKETS_LOG) s->labels_left_out = 1;
  for (__u32 i = 0; i < OP_GO_MAP_SLOTS << OP_GO_MAX_BUCKETS_LOG; i++) {
    __u64 bucket = map.buckets + i / OP_GO_MAP_SLOTS * OP_GO_BUCKET_BYTES;
    __u32 slot = i % OP_GO_MAP_SLOTS;
    __u8 top = 0;
    if (i >= OP_GO_MAP_SLOTS && !map.buckets_log) break;
    if (bpf_probe_read_user(&top, sizeof(top), (void *)(bucket + slot)) || top < OP_GO_MIN_TOP_HASH) continue;
    if (bpf_probe_read_user(&key, sizeof(key), (void *)(bucket + 8 + slot * 16)) ||
        bpf_probe_read_user(&value, sizeof(value), (void *)(bucket + OP_GO_BUCKET_VALUES + slot * 16)))
      continue;
    add_label(s, &key, &value);
  }
}

/* Global, so that the verifier checks it once. */
__weak __attribute__((noinline)) int read_go_labels(__u32 cpu) {
  struct op_scratch *s = scratch_of(cpu);
  __u64 at, g = 0, m = 0, set = 0;
  if (!s) return 0;

  if (!thread_address(s->go.thread_source, s->go.thread_slot, s->go_bias, &at) ||
      bpf_probe_read_user(&g, sizeof(g), (void *)at) || !g ||
      bpf_probe_read_user(&m, sizeof(m), (void *)(g + s->go.g_m)) || !m ||
      bpf_probe_read_user(&g, sizeof(g), (void *)(m + s->go.m_curg)) || !g ||
      bpf_probe_read_user(&set, sizeof(set), (void *)(g + s->go.g_labels)) || !set)
    return 0; /* no goroutine, or one without labels */
  if (s->go.is_list)
    read_label_list(s, set);
  else
    read_label_map(s, set);
  if (s->labels_left_out) count_up(OP_COUNT_GO_LABELS_LEFT_OUT, 1);
  return 0;
}
