// SPDX-License-Identifier: Apache-2.0
#include "line_table.h"

namespace otelprof::python {
namespace {

constexpr int kNoLine = -128;
constexpr uint32_t kUnitBytes = 2;

uint32_t Moved(uint32_t line, int64_t delta) { return static_cast<uint32_t>(static_cast<int64_t>(line) + delta); }

Place FromSignedPairs(std::span<const uint8_t> table, uint32_t line, uint32_t offset) {
  uint64_t address = 0;
  for (size_t i = 0; i + 1 < table.size(); i += 2) {
    address += table[i];
    if (address > offset) break;
    line = Moved(line, static_cast<int8_t>(table[i + 1]));
  }
  return {line, 0};
}

Place FromRangePairs(std::span<const uint8_t> table, uint32_t line, uint32_t offset) {
  uint64_t end = 0;
  for (size_t i = 0; i + 1 < table.size(); i += 2) {
    const int delta = static_cast<int8_t>(table[i + 1]);
    end += table[i];
    if (delta != kNoLine) line = Moved(line, delta);
    if (offset < end) return {delta == kNoLine ? 0 : line, 0};
  }
  return {line, 0};
}

/// The bytes behind an entry's first one.
class EntryReader {
 public:
  EntryReader(std::span<const uint8_t> table, size_t at) : table_(table), at_(at) {}

  uint8_t Byte() { return at_ < table_.size() ? table_[at_++] : 0; }
  uint32_t Unsigned() {
    uint32_t value = 0;
    for (uint32_t shift = 0; shift < 32; shift += 6) {
      const uint8_t byte = Byte();
      value |= static_cast<uint32_t>(byte & 63) << shift;
      if (!(byte & 64)) break;
    }
    return value;
  }
  int64_t Signed() {
    const uint32_t value = Unsigned();
    const int64_t magnitude = value >> 1;
    return value & 1 ? -magnitude : magnitude;
  }

 private:
  std::span<const uint8_t> table_;
  size_t at_;
};

enum EntryCode : uint32_t { kFirstOneLine = 10, kNoColumns = 13, kLong = 14, kNone = 15 };

Place FromLocations(std::span<const uint8_t> table, uint32_t line, uint32_t offset) {
  const uint64_t unit = offset / kUnitBytes;
  uint64_t end = 0;
  for (size_t i = 0; i < table.size();) {
    const uint32_t code = table[i] >> 3 & 15;
    end += (table[i] & 7u) + 1;
    EntryReader entry(table, i + 1);
    uint32_t column = 0;
    if (code < kFirstOneLine) {
      column = (code << 3 | (entry.Byte() >> 4 & 7u)) + 1;
    } else if (code < kNoColumns) {
      line = Moved(line, code - kFirstOneLine);
      column = entry.Byte() + 1u;
    } else if (code == kNoColumns) {
      line = Moved(line, entry.Signed());
    } else if (code == kLong) {
      line = Moved(line, entry.Signed());
      entry.Unsigned();             // end line
      column = entry.Unsigned();    // already counted from 1, 0 = none
    }
    if (unit < end) return code == kNone ? Place{} : Place{line, column};
    // Only the first byte of an entry has its highest bit set.
    for (i++; i < table.size() && !(table[i] & 0x80);) i++;
  }
  return {line, 0};
}

}  // namespace

Place FindPlace(LineFormat format, std::span<const uint8_t> table, uint32_t firstLine, uint32_t offset) {
  if (offset > INT32_MAX) return {firstLine, 0};
  switch (format) {
    case LineFormat::SignedPairs:
      return FromSignedPairs(table, firstLine, offset);
    case LineFormat::RangePairs:
      return FromRangePairs(table, firstLine, offset);
    case LineFormat::Locations:
      return FromLocations(table, firstLine, offset);
  }
  return {};
}

}  // namespace otelprof::python
