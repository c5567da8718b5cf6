/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
#pragma once

#include "maps.bpf.h"

/*
 * The searches are global functions with scalar arguments: the verifier checks each once instead of
 * once for every frame. __weak keeps clang from propagating constants into them, which deletes checks
 * the verifier needs.
 */

#define OP_NOT_FOUND 0xffffffffu

/* Index into `mappings` of the one that covers pc, or OP_NOT_FOUND. */
__weak __attribute__((noinline)) __u32 find_mapping(__u32 first, __u32 size, __u32 owner, __u64 pc) {
  __u32 lo = first, hi = first + size;

  for (int i = 0; i < OP_MAPPING_SEARCH_STEPS && lo < hi; i++) {
    __u32 mid = lo + (hi - lo) / 2;
    const struct op_mapping *m = bpf_map_lookup_elem(&mappings, &mid);
    if (!m) return OP_NOT_FOUND;
    if (m->owner != owner) {
      count_up(OP_COUNT_TORN_MAPPING, 1);
      return OP_NOT_FOUND;
    }
    if (pc < m->start)
      hi = mid;
    else if (pc >= m->end)
      lo = mid + 1;
    else
      return mid;
  }
  return OP_NOT_FOUND;
}

/* The rule for an ELF virtual address; OP_RULE_NONE when there is no row, OP_NOT_FOUND when the file has no table. */
__weak __attribute__((noinline)) __u32 find_rule(__u32 file, __u64 va) {
  void *table = bpf_map_lookup_elem(&tables, &file);
  if (!table) return OP_NOT_FOUND;

  __u32 key = 0;
  const struct op_row *entry = bpf_map_lookup_elem(table, &key);
  if (!entry) return OP_RULE_NONE;
  __u64 page = va >> OP_PAGE_SHIFT;
  if (page < entry->pc || page >= (__u64)entry->pc + entry->rule) return OP_RULE_NONE;

  key = 1 + (__u32)(page - entry->pc);
  entry = bpf_map_lookup_elem(table, &key);
  if (!entry) return OP_RULE_NONE;
  __u32 lo = entry->pc, hi = entry->rule;
  __u32 pc = (__u32)va, rule = OP_RULE_NONE;

  for (int i = 0; i < OP_ROW_SEARCH_STEPS && lo < hi; i++) {
    __u32 mid = lo + (hi - lo) / 2;
    entry = bpf_map_lookup_elem(table, &mid);
    if (!entry) return OP_RULE_NONE;
    if (entry->pc <= pc) {
      rule = entry->rule;
      lo = mid + 1;
    } else {
      hi = mid;
    }
  }
  return rule;
}
