// SPDX-License-Identifier: Apache-2.0
#include "symbol_table.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include "symbols.h"

namespace otelprof {
namespace {

constexpr size_t kMaxNesting = 16;  // symbols to step back over to find an enclosing function

struct ImageHeader {
  uint64_t base;
  uint64_t nameBytes;
  uint32_t count;
  uint32_t startBytes;  // 4: from `base`; 8: whole
};
static_assert(sizeof(ImageHeader) == 24);

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

/// Small keys sort faster than the symbols.
struct Key {
  uint64_t start;
  uint32_t size;
  uint32_t index;
};

uint32_t clipped(uint64_t size) { return static_cast<uint32_t>(std::min<uint64_t>(size, UINT32_MAX)); }

/// By digits, for the time of a comparing sort is most of what indexing a large binary takes.
void sortByStart(std::vector<Key>* keys) {
  constexpr unsigned kDigitBits = 11;
  constexpr size_t kDigits = 1u << kDigitBits;
  const auto [low, high] = std::minmax_element(keys->begin(), keys->end(),
                                               [](const Key& a, const Key& b) { return a.start < b.start; });
  const uint64_t first = low->start;
  const uint64_t span = high->start - first;
  std::vector<Key> sorted(keys->size());
  for (unsigned shift = 0; shift < 64 && span >> shift != 0; shift += kDigitBits) {
    std::array<size_t, kDigits> place{};
    const auto digit = [&](const Key& key) { return (key.start - first) >> shift & (kDigits - 1); };
    for (const Key& key : *keys) place[digit(key)]++;
    size_t before = 0;
    for (size_t& count : place) count = std::exchange(before, before + count);
    for (const Key& key : *keys) sorted[place[digit(key)]++] = key;
    keys->swap(sorted);
  }
}

/// Keys of the symbols that stay, ascending, with their sizes.
std::vector<Key> selectSymbols(std::span<const RawSymbol> raw) {
  std::vector<Key> keys(raw.size());
  for (size_t i = 0; i < raw.size(); i++) keys[i] = {raw[i].start, clipped(raw[i].size), static_cast<uint32_t>(i)};
  sortByStart(&keys);
  // Names are compared only within one address.
  size_t kept = 0;
  for (size_t i = 0, next; i < keys.size(); i = next) {
    Key best = keys[i];
    for (next = i + 1; next < keys.size() && keys[next].start == best.start; next++)
      if (better(raw[keys[next].index], raw[best.index])) best = keys[next];
    keys[kept++] = best;
  }
  keys.resize(kept);
  size_t out = 0;
  uint64_t functionEnd = 0;
  for (size_t i = 0; i < kept; i++) {
    Key key = keys[i];
    const RawSymbol& s = raw[key.index];
    if ((s.rank & (kRankUntyped | kRankUnnamed)) != 0 && s.start < functionEnd) continue;
    if (key.size == 0) {
      uint64_t limit = s.limit > s.start ? s.limit : s.start;
      if (i + 1 < kept) limit = std::min(limit, keys[i + 1].start);
      key.size = clipped(limit - s.start);
    }
    if ((s.rank & (kRankUntyped | kRankUnsized | kRankUnnamed)) == 0 && s.size <= UINT64_MAX - s.start)
      functionEnd = std::max(functionEnd, s.start + s.size);
    // Writes behind what was read: `out` never passes `i`.
    if (key.size != 0) keys[out++] = key;
  }
  keys.resize(out);
  return keys;
}

size_t imageBytes(const ImageHeader& header) {
  return sizeof(header) + size_t{header.count} * (header.startBytes + 8) + header.nameBytes;
}

}  // namespace

SymbolTable SymbolTable::Build(std::span<const RawSymbol> raw, size_t maxNameBytes) {
  if (raw.empty()) return {};
  std::vector<Key> keys = selectSymbols(raw);
  maxNameBytes = std::min<size_t>(maxNameBytes, UINT32_MAX - 1);
  ImageHeader header{};
  std::erase_if(keys, [&](const Key& key) {
    const size_t bytes = raw[key.index].name.size() + 1;
    if (header.nameBytes + bytes > maxNameBytes) return true;
    header.nameBytes += bytes;
    return false;
  });
  if (keys.empty()) return {};
  header.base = keys.front().start;
  header.count = static_cast<uint32_t>(keys.size());
  header.startBytes = keys.back().start - header.base > UINT32_MAX ? 8 : 4;
  const size_t bytes = imageBytes(header);
  const std::shared_ptr<uint8_t[]> image(new uint8_t[bytes]);
  uint8_t* starts = image.get() + sizeof(header);
  uint8_t* sizes = starts + keys.size() * header.startBytes;
  uint8_t* offsets = sizes + keys.size() * 4;
  uint8_t* names = offsets + keys.size() * 4;
  std::memcpy(image.get(), &header, sizeof(header));
  uint32_t nameAt = 0;
  for (const Key& key : keys) {
    const std::string_view name = raw[key.index].name;
    const uint64_t start = header.startBytes == 8 ? key.start : key.start - header.base;
    std::memcpy(starts, &start, header.startBytes);  // little-endian, as every file read here
    std::memcpy(sizes, &key.size, 4);
    std::memcpy(offsets, &nameAt, 4);
    std::copy(name.begin(), name.end(), names);
    names[name.size()] = '\0';
    starts += header.startBytes;
    sizes += 4;
    offsets += 4;
    names += name.size() + 1;
    nameAt += static_cast<uint32_t>(name.size() + 1);
  }
  return Open(image, {image.get(), bytes}).value_or(SymbolTable());
}

std::optional<SymbolTable> SymbolTable::Open(std::shared_ptr<const void> owner, std::span<const uint8_t> image) {
  ImageHeader header;
  if (image.size() < sizeof(header) || reinterpret_cast<uintptr_t>(image.data()) % 8 != 0) return std::nullopt;
  std::memcpy(&header, image.data(), sizeof(header));
  if ((header.startBytes != 4 && header.startBytes != 8) || header.nameBytes > image.size() || header.count == 0 ||
      imageBytes(header) != image.size())
    return std::nullopt;
  SymbolTable table;
  table.owner_ = std::move(owner);
  table.image_ = image;
  table.base_ = header.base;
  const size_t count = header.count;
  const uint8_t* at = image.data() + sizeof(header);
  if (header.startBytes == 8)
    table.wide_ = {reinterpret_cast<const uint64_t*>(at), count};
  else
    table.narrow_ = {reinterpret_cast<const uint32_t*>(at), count};
  at += count * header.startBytes;
  table.sizes_ = {reinterpret_cast<const uint32_t*>(at), count};
  at += count * 4;
  table.nameOffsets_ = {reinterpret_cast<const uint32_t*>(at), count};
  at += count * 4;
  table.names_ = {reinterpret_cast<const char*>(at), header.nameBytes};
  return table;
}

bool SymbolTable::find(uint64_t address, Hit* hit) const {
  const size_t count = sizes_.size();
  if (count == 0) return false;
  size_t after;  // first symbol that starts beyond the address
  if (wide_.empty()) {
    if (address < base_) return false;
    const uint64_t delta = address - base_;
    after = static_cast<size_t>(std::upper_bound(narrow_.begin(), narrow_.end(), delta) - narrow_.begin());
  } else {
    after = static_cast<size_t>(std::upper_bound(wide_.begin(), wide_.end(), address) - wide_.begin());
  }
  for (size_t step = 0; step < kMaxNesting && after > step; step++) {
    const size_t i = after - step - 1;
    const uint64_t start = startAt(i);
    if (address - start >= sizes_[i]) continue;
    if (nameOffsets_[i] >= names_.size()) return false;
    const std::string_view rest = names_.substr(nameOffsets_[i], kMaxMangledBytes + 1);
    *hit = {start, sizes_[i], rest.substr(0, strnlen(rest.data(), rest.size()))};
    return true;
  }
  return false;
}

}  // namespace otelprof
