// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
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
/// A function that is known without its name.
constexpr uint8_t kRankUnnamed = 16;

/// Sorted functions in 12 bytes each plus their names (16 when a file spans more than 4 GiB), as one run of
/// bytes that is the same in memory and in a file: header, starts, sizes, offsets of names, names. Immutable.
class SymbolTable {
 public:
  struct Hit {
    uint64_t start;
    uint64_t size;
    std::string_view name;
  };

  SymbolTable() = default;

  /// One symbol per address stays. Untyped and unnamed ones inside a sized function are labels and go. Names beyond
  /// `maxNameBytes` in total are left out with their symbols.
  static SymbolTable Build(std::span<const RawSymbol> raw, size_t maxNameBytes);

  /// A table over an `image` that lies at a multiple of 8 and lives as long as `owner`. nullopt where its parts
  /// do not fit into it. What they say may still be nonsense: `find` reads nothing outside of the image then.
  static std::optional<SymbolTable> Open(std::shared_ptr<const void> owner, std::span<const uint8_t> image);

  /// The innermost symbol that covers the address; its name may be empty. An address past the end of a sized symbol has none.
  bool find(uint64_t address, Hit* hit) const;

  size_t count() const { return sizes_.size(); }
  /// Empty for a table without symbols.
  std::span<const uint8_t> image() const { return image_; }

 private:
  uint64_t startAt(size_t i) const { return wide_.empty() ? base_ + narrow_[i] : wide_[i]; }

  std::shared_ptr<const void> owner_;
  std::span<const uint8_t> image_;
  uint64_t base_ = 0;
  std::span<const uint32_t> narrow_;  // start − base; empty if wide_ is in use
  std::span<const uint64_t> wide_;
  std::span<const uint32_t> sizes_;
  std::span<const uint32_t> nameOffsets_;
  std::string_view names_;  // each ended by a zero
};

}  // namespace otelprof
