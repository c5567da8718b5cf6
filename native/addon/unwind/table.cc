// SPDX-License-Identifier: Apache-2.0
#include "table.h"

#include <algorithm>

namespace otelprof {
namespace {

// 1 GiB of code. A hostile file with two far-apart rows must not buy more index than that.
constexpr uint64_t kMaxIndexPages = 1u << 18;

}  // namespace

UnwindTable IndexRows(const std::vector<op_row>& rows, size_t* dropped) {
  UnwindTable table;
  if (dropped) *dropped = 0;
  if (rows.empty()) return table;

  const uint64_t firstPage = rows.front().pc >> OP_PAGE_SHIFT;
  const uint64_t limitPc = (firstPage + kMaxIndexPages) << OP_PAGE_SHIFT;
  const auto end = std::lower_bound(rows.begin(), rows.end(), limitPc,
                                    [](const op_row& row, uint64_t pc) { return row.pc < pc; });
  if (dropped) *dropped = static_cast<size_t>(rows.end() - end);
  const uint64_t pages = (std::prev(end)->pc >> OP_PAGE_SHIFT) - firstPage + 1;
  const uint32_t base = static_cast<uint32_t>(1 + pages);

  table.entries.reserve(base + static_cast<size_t>(end - rows.begin()));
  table.entries.push_back({static_cast<uint32_t>(firstPage), static_cast<uint32_t>(pages)});
  size_t next = 0;  // first row at or behind the start of the page
  const size_t count = static_cast<size_t>(end - rows.begin());
  for (uint64_t page = firstPage; page < firstPage + pages; page++) {
    const uint64_t pageStart = page << OP_PAGE_SHIFT;
    const uint64_t pageEnd = pageStart + (1u << OP_PAGE_SHIFT);
    const bool startsHere = next < count && rows[next].pc == pageStart;
    const size_t lo = next > 0 && !startsHere ? next - 1 : next;
    while (next < count && rows[next].pc < pageEnd) next++;
    table.entries.push_back({base + static_cast<uint32_t>(lo), base + static_cast<uint32_t>(next)});
  }
  table.entries.insert(table.entries.end(), rows.begin(), end);
  return table;
}

uint32_t FindRule(const UnwindTable& table, uint64_t va) {
  if (table.entries.empty()) return OP_RULE_NONE;
  const op_row& header = table.entries[0];
  const uint64_t page = va >> OP_PAGE_SHIFT;
  if (page < header.pc || page >= uint64_t{header.pc} + header.rule) return OP_RULE_NONE;
  const op_row& range = table.entries[1 + (page - header.pc)];
  const auto first = table.entries.begin() + range.pc;
  const auto last = table.entries.begin() + range.rule;
  const auto after = std::upper_bound(first, last, static_cast<uint32_t>(va),
                                      [](uint32_t pc, const op_row& row) { return pc < row.pc; });
  return after == first ? static_cast<uint32_t>(OP_RULE_NONE) : std::prev(after)->rule;
}

}  // namespace otelprof
