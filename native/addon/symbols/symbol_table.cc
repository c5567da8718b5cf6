// SPDX-License-Identifier: Apache-2.0
#include "symbol_table.h"

#include <algorithm>

namespace otelprof {
namespace {

constexpr size_t kMaxNesting = 16;  // symbols to step back over to find an enclosing function

size_t leadingUnderscores(std::string_view name) {
  size_t n = name.find_first_not_of('_');
  return n == std::string_view::npos ? name.size() : n;
}

bool better(const RawSymbol& a, const RawSymbol& b) {
  if (a.rank != b.rank) return a.rank < b.rank;
  if (a.size != b.size) return a.size > b.size;
  size_t ua = leadingUnderscores(a.name);
  size_t ub = leadingUnderscores(b.name);
  if (ua != ub) return ua < ub;
  bool va = a.name.find('@') != std::string_view::npos;
  bool vb = b.name.find('@') != std::string_view::npos;
  if (va != vb) return vb;
  if (a.name.size() != b.name.size()) return a.name.size() < b.name.size();
  return a.name < b.name;
}

}  // namespace

void SymbolTable::append(const RawSymbol& symbol, uint64_t size) {
  if (wide_.empty()) {
    delta_.push_back(static_cast<uint32_t>(symbol.start - base_));
  } else {
    wide_.push_back(symbol.start);
  }
  size_.push_back(static_cast<uint32_t>(std::min<uint64_t>(size, UINT32_MAX)));
  name_.push_back(static_cast<uint32_t>(names_.size()));
  names_.append(symbol.name);
  names_ += '\0';
}

void SymbolTable::build(std::vector<RawSymbol> raw, size_t maxNameBytes) {
  if (raw.empty()) return;
  // Small keys sort faster than the symbols. Names are compared only within one address.
  struct Key {
    uint64_t start;
    uint32_t index;
  };
  std::vector<Key> keys(raw.size());
  for (size_t i = 0; i < raw.size(); i++) keys[i] = {raw[i].start, static_cast<uint32_t>(i)};
  std::sort(keys.begin(), keys.end(), [](const Key& a, const Key& b) { return a.start < b.start; });
  size_t kept = 0;
  for (size_t i = 0; i < keys.size();) {
    uint32_t best = keys[i].index;
    size_t next = i + 1;
    for (; next < keys.size() && keys[next].start == keys[i].start; next++) {
      if (better(raw[keys[next].index], raw[best])) best = keys[next].index;
    }
    keys[kept++] = {keys[i].start, best};
    i = next;
  }
  keys.resize(kept);

  maxNameBytes = std::min<size_t>(maxNameBytes, UINT32_MAX - 1);
  size_t nameBytes = 0;
  for (const Key& key : keys) nameBytes += raw[key.index].name.size() + 1;
  names_.reserve(std::min(nameBytes, maxNameBytes));
  base_ = keys.front().start;
  bool wide = keys.back().start - base_ > UINT32_MAX;
  size_.reserve(kept);
  name_.reserve(kept);
  if (wide) {
    wide_.reserve(kept);
    wide_.push_back(0);  // append() tells the two layouts apart by this; removed below
  } else {
    delta_.reserve(kept);
  }
  uint64_t functionEnd = 0;
  for (size_t i = 0; i < kept; i++) {
    const RawSymbol& s = raw[keys[i].index];
    if ((s.rank & kRankUntyped) != 0 && s.start < functionEnd) continue;
    uint64_t size = s.size;
    if (size == 0) {
      uint64_t limit = s.limit > s.start ? s.limit : s.start;
      if (i + 1 < kept) limit = std::min(limit, keys[i + 1].start);
      size = limit - s.start;
    }
    if ((s.rank & (kRankUntyped | kRankUnsized)) == 0 && s.size <= UINT64_MAX - s.start) {
      functionEnd = std::max(functionEnd, s.start + s.size);
    }
    if (size == 0 || names_.size() + s.name.size() + 1 > maxNameBytes) continue;
    append(s, size);
  }
  if (wide) wide_.erase(wide_.begin());
}

bool SymbolTable::find(uint64_t address, Hit* hit) const {
  size_t count = size_.size();
  size_t after;  // first symbol that starts beyond the address
  if (wide_.empty()) {
    if (count == 0 || address < base_) return false;
    uint64_t delta = address - base_;
    after = delta > UINT32_MAX ? count
                               : static_cast<size_t>(std::upper_bound(delta_.begin(), delta_.end(), delta) -
                                                     delta_.begin());
  } else {
    after = static_cast<size_t>(std::upper_bound(wide_.begin(), wide_.end(), address) - wide_.begin());
  }
  for (size_t step = 0; step < kMaxNesting && after > step; step++) {
    size_t i = after - step - 1;
    uint64_t start = startAt(i);
    if (address - start >= size_[i]) continue;
    *hit = {start, size_[i], std::string_view(names_.data() + name_[i])};
    return true;
  }
  return false;
}

size_t SymbolTable::sizeBytes() const {
  return delta_.capacity() * 4 + wide_.capacity() * 8 + size_.capacity() * 4 + name_.capacity() * 4 +
         names_.capacity();
}

}  // namespace otelprof
