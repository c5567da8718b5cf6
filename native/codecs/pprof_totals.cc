// SPDX-License-Identifier: Apache-2.0
#include "pprof_totals.h"

#include <algorithm>
#include <bit>
#include <cmath>

namespace otelcodecs::pprof {
namespace {

/// A total that is smaller than the last by no more than this share is noise of a producer that scales its values; more
/// of it is a counter that began anew.
constexpr double kNoise = 1e-3;

/// A file has fewer messages (File::kMaxMessages).
constexpr uint64_t kMaxColumns = 1 << 20;

bool IsLess(double now, double before) { return now < before - std::abs(before) * kNoise; }

std::vector<uint32_t> EmptySlots(size_t keys) { return std::vector<uint32_t>(std::bit_ceil(keys * 2 + 2), 0); }

/// Where the row with `key` stands in `slots`, or would.
template <typename KeyOfRow>
size_t SlotOf(std::span<const uint32_t> slots, const ContentKey& key, KeyOfRow keyOfRow) {
  const size_t mask = slots.size() - 1;
  for (size_t slot = key.a & mask;; slot = (slot + 1) & mask)
    if (slots[slot] == 0 || keyOfRow(slots[slot] - 1) == key) return slot;
}

}  // namespace

TotalsView::TotalsView(std::span<const uint64_t> words) {
  if (words.size() < Totals::kHeadWords) return;
  const uint64_t rows = words[3], columns = words[4];
  const size_t rest = words.size() - Totals::kHeadWords;
  // There may be no rows. No product is larger than 64 bits.
  if (columns == 0 || columns > kMaxColumns || rows > rest || rows * (2 + columns) != rest) return;
  words_ = words;
  rows_ = rows;
  columns_ = columns;
}

const uint64_t* TotalsView::At(size_t row) const {
  return words_.data() + Totals::kHeadWords + row * (2 + columns_);
}

Totals::Totals(ContentKey names, uint64_t timeNanos, size_t columns, size_t mostRows)
    : width_(2 + columns), slots_(EmptySlots(mostRows)) {
  words_.Reserve(kHeadWords + mostRows * width_);
  for (const uint64_t word : {names.a, names.b, timeNanos, uint64_t{0}, uint64_t{columns}})
    words_.Push(word);
}

uint32_t Totals::RowOf(const ContentKey& key) {
  const auto keyOf = [&](uint32_t row) {
    const uint64_t* at = words_.data() + kHeadWords + row * width_;
    return ContentKey{at[0], at[1]};
  };
  uint32_t& slot = slots_[SlotOf(slots_, key, keyOf)];
  if (slot == 0) {
    words_.Push(key.a);
    words_.Push(key.b);
    for (size_t i = 2; i < width_; i++) words_.Push(0);
    words_[3] = ++rows_;
    slot = static_cast<uint32_t>(rows_);
  }
  return slot - 1;
}

TotalsView Totals::view() const { return TotalsView(words_.all()); }

Buffer<uint64_t> Totals::Take() { return std::move(words_); }

std::vector<int32_t> Totals::RowsIn(const TotalsView& last) const {
  const TotalsView now = view();
  std::vector<int32_t> found(rows_, -1);
  std::vector<uint32_t> slots;
  size_t guess = 0;
  for (size_t row = 0; row < rows_; row++) {
    const ContentKey key = now.key(row);
    // Most profiles list what they had in the order in which they had it.
    if (guess < last.rows() && last.key(guess) == key) {
      found[row] = static_cast<int32_t>(guess++);
      continue;
    }
    const auto keyOf = [&](uint32_t other) { return last.key(other); };
    if (slots.empty()) {
      slots = EmptySlots(last.rows());
      for (uint32_t other = 0; other < last.rows(); other++) slots[SlotOf(slots, keyOf(other), keyOf)] = other + 1;
    }
    const uint32_t there = slots[SlotOf(slots, key, keyOf)];
    if (there == 0) continue;
    found[row] = static_cast<int32_t>(there - 1);
    guess = there;
  }
  return found;
}

bool Totals::IsReset(const TotalsView& last, std::span<const int32_t> rowsInLast) const {
  const size_t columns = width_ - 2;
  bool isAnyThere = false;
  for (size_t column = 0; column < columns; column++) {
    double sum = 0, before = 0;
    for (size_t row = 0; row < rows_; row++) {
      const auto now = static_cast<double>(value(row, column));
      sum += now;
      if (rowsInLast[row] < 0) continue;
      isAnyThere = true;
      if (IsLess(now, static_cast<double>(last.value(static_cast<size_t>(rowsInLast[row]), column)))) return true;
    }
    for (size_t row = 0; row < last.rows(); row++) before += static_cast<double>(last.value(row, column));
    if (IsLess(sum, before)) return true;
  }
  return !isAnyThere && last.rows() > 0;
}

std::vector<int64_t> Totals::Increase(const TotalsView& last, std::span<const int32_t> rowsInLast) {
  const size_t columns = width_ - 2;
  std::vector<int64_t> increase(rows_ * columns);
  for (size_t row = 0; row < rows_; row++) {
    for (size_t column = 0; column < columns; column++) {
      uint64_t& now = words_[kHeadWords + row * width_ + 2 + column];
      int64_t* out = &increase[row * columns + column];
      *out = static_cast<int64_t>(now);
      if (!last.isThere() || rowsInLast[row] < 0) continue;
      const auto was = static_cast<uint64_t>(last.value(static_cast<size_t>(rowsInLast[row]), column));
      *out = static_cast<int64_t>(now - was);
      if (*out >= 0) continue;
      *out = 0;
      now = was;
    }
  }
  return increase;
}

}  // namespace otelcodecs::pprof
