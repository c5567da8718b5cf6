// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "../elf/elf_file.h"
#include "../elf/unpack.h"
#include "unpacked_sections.h"

namespace otelprof {

/// What was refused while DWARF was read, by reason. Shared by all files of a profiler.
struct DwarfErrors {
  std::atomic<uint64_t> malformed{0};   // out of bounds, unknown form, reference that leads nowhere
  std::atomic<uint64_t> overLimit{0};   // a unit, section, row or range count beyond ours
  std::atomic<uint64_t> compressed{0};  // a section that does not unpack to the size it declares
  std::atomic<uint64_t> alternate{0};   // files whose DWARF is in part in a dwz file (.gnu_debugaltlink)
};

/// The debug sections of one ELF file, read piece by piece: a span costs what it touches. Sections with
/// SHF_COMPRESSED (zlib, zstd) and .zdebug_… are unpacked whole when first touched, and kept in `kept`. Not for several threads at once.
class DwarfSections {
 public:
  enum Id : size_t { Info, Abbrev, Line, LineStr, Str, StrOffsets, Addr, Ranges, RngLists, Aranges, kCount };

  ~DwarfSections();
  /// nullptr if the file has no .debug_info, or one that is split over a dwz file (counted).
  static std::unique_ptr<DwarfSections> Open(const ElfFile& elf, DwarfErrors* errors,
                                             UnpackedSections* kept = nullptr);
  /// True if Open would have something to open.
  static bool Has(const ElfFile& elf);

  uint64_t Size(Id id) const { return sections_[id].packing.size; }
  /// Bytes at an offset; empty when out of range. Lives until Trim or the object's end.
  std::span<const uint8_t> Read(Id id, uint64_t offset, uint64_t length);
  /// Zero-terminated text at an offset, cut at 16 KiB; "" when out of range.
  std::string_view Text(Id id, uint64_t offset);
  /// Whether an address lies in an executable segment. Linkers leave garbage-collected code at 0 or −1.
  bool IsCode(uint64_t address) const;
  uint64_t codeStart() const { return codeStart_; }

  /// Gives back what Read copied once it exceeds `maxBytes`; all spans and texts die then.
  void Trim(size_t maxBytes);
  size_t residentBytes() const { return elf_->residentBytes() + unpackedBytes_; }
  DwarfErrors& errors() { return *errors_; }

 private:
  struct Entry {
    uint64_t offset = 0;
    uint64_t packedSize = 0;
    Packing packing;
    bool broken = false;
    std::vector<uint8_t> unpacked;   // where it could not be kept
    std::span<const uint8_t> bytes;  // empty until it is touched
  };
  DwarfSections() = default;
  bool UnpackEntry(Id id);

  std::unique_ptr<ElfFile> elf_;
  DwarfErrors* errors_ = nullptr;
  UnpackedSections* kept_ = nullptr;
  std::array<Entry, kCount> sections_;
  std::vector<std::pair<uint64_t, uint64_t>> code_;
  uint64_t codeStart_ = 0;
  size_t unpackedBytes_ = 0;
};

}  // namespace otelprof
