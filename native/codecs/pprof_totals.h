// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "buffer.h"
#include "content_key.h"

namespace otelcodecs::pprof {

/// Totals by key, in one block of words that is all that is kept of a profile until the next: a head, then for each row
/// two words of key and one for each column. src/codecs/pprof/delta/totals.ts is the same in TypeScript.
class TotalsView {
 public:
  TotalsView() = default;
  /// `words` that are no such block are as none.
  explicit TotalsView(std::span<const uint64_t> words);

  bool isThere() const { return !words_.empty(); }
  size_t rows() const { return rows_; }
  size_t columns() const { return columns_; }
  ContentKey names() const { return {words_[0], words_[1]}; }
  uint64_t timeNanos() const { return words_[2]; }
  ContentKey key(size_t row) const { return {At(row)[0], At(row)[1]}; }
  int64_t value(size_t row, size_t column) const { return static_cast<int64_t>(At(row)[2 + column]); }

 private:
  const uint64_t* At(size_t row) const;

  std::span<const uint64_t> words_;
  size_t rows_ = 0;
  size_t columns_ = 0;
};

/// Totals as they are added up.
class Totals {
 public:
  static constexpr size_t kHeadWords = 5;

  /// `names` says which columns these are: others cannot be compared.
  Totals(ContentKey names, uint64_t timeNanos, size_t columns, size_t mostRows);

  /// The row of `key`, with zeros where it is new.
  uint32_t RowOf(const ContentKey& key);
  void Add(uint32_t row, size_t column, int64_t value) {
    words_[kHeadWords + row * width_ + 2 + column] += static_cast<uint64_t>(value);
  }
  size_t rows() const { return rows_; }

  /// For each row the one of `last` with its key, or -1.
  std::vector<int32_t> RowsIn(const TotalsView& last) const;
  /// Whether the program began anew since `last`: a total is smaller than it was, or so is the sum of a column, or nothing
  /// is left of what there was.
  bool IsReset(const TotalsView& last, std::span<const int32_t> rowsInLast) const;
  /// Row by row and column by column. With `last` what was added since, never less than 0: a total that is less by noise
  /// only becomes what it was, so that it is not counted when it comes back.
  std::vector<int64_t> Increase(const TotalsView& last, std::span<const int32_t> rowsInLast);

  TotalsView view() const;
  Buffer<uint64_t> Take();

 private:
  int64_t value(size_t row, size_t column) const {
    return static_cast<int64_t>(words_[kHeadWords + row * width_ + 2 + column]);
  }

  Buffer<uint64_t> words_;
  size_t width_;
  size_t rows_ = 0;
  std::vector<uint32_t> slots_;
};

}  // namespace otelcodecs::pprof
