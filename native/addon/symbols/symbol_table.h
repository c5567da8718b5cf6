// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace otelprof {

/// A symbol as a reader of one ELF table sees it. `name` points into the ElfFile.
struct RawSymbol {
  uint64_t start;
  uint64_t size;  // 0 = up to the next symbol or `limit`
  uint64_t limit;  // end of the section it lies in
  std::string_view name;
  uint8_t rank;  // lower is better: see SymbolRank
};

/// Tie rule for symbols at one address, first difference decides:
/// function before untyped, sized before unsized, global before weak before local, larger size, fewer
/// leading underscores, no `@` (a version or a PLT stub), shorter name, smaller name.
constexpr uint8_t kRankUntyped = 8;
constexpr uint8_t kRankUnsized = 4;
constexpr uint8_t kRankGlobal = 0;
constexpr uint8_t kRankWeak = 1;
constexpr uint8_t kRankLocal = 2;

/// Sorted functions in 12 bytes each plus their names (16 when a file spans more than 4 GiB).
class SymbolTable {
 public:
  struct Hit {
    uint64_t start;
    uint64_t size;
    std::string_view name;
  };

  /// Consumes `raw`. One symbol per address stays. Untyped symbols inside a sized function are labels
  /// and go. Names beyond `maxNameBytes` in total are left out with their symbols.
  void build(std::vector<RawSymbol> raw, size_t maxNameBytes);

  /// The innermost symbol that covers the address. An address past the end of a sized symbol has none.
  bool find(uint64_t address, Hit* hit) const;

  size_t count() const { return size_.size(); }
  size_t sizeBytes() const;

 private:
  uint64_t startAt(size_t i) const { return wide_.empty() ? base_ + delta_[i] : wide_[i]; }
  void append(const RawSymbol& symbol, uint64_t size);

  uint64_t base_ = 0;
  std::vector<uint32_t> delta_;  // start − base; empty if wide_ is in use
  std::vector<uint64_t> wide_;
  std::vector<uint32_t> size_;
  std::vector<uint32_t> name_;  // offset into names_
  std::string names_;           // zero-terminated
};

}  // namespace otelprof
