// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <linux/types.h>

#include <cstddef>
#include <cstdint>
#include <vector>

#include "../../bpf/counters.h"
#include "../../bpf/profile.h"

namespace otelprof {

/// The unwind table of one file in the layout of `native/bpf/profile.h`: header, page index, rows.
/// The kernel program and the user-space unwinder search the same array.
struct UnwindTable {
  std::vector<op_row> entries;

  uint64_t sizeBytes() const { return entries.size() * sizeof(op_row); }
  size_t rowCount() const { return entries.empty() ? 0 : entries.size() - 1 - entries[0].rule; }
};

/// Builds the page index over `rows`, which must ascend by pc. Rows that would need an index of more
/// than kMaxIndexPages pages are dropped and counted in *dropped.
UnwindTable IndexRows(const std::vector<op_row>& rows, size_t* dropped);

/// The rule that holds at `va`; OP_RULE_NONE where there is none.
uint32_t FindRule(const UnwindTable& table, uint64_t va);

}  // namespace otelprof
