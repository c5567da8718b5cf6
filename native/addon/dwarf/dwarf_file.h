// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <vector>

#include "sections.h"
#include "unit_table.h"

namespace otelprof {

/// The DWARF of one ELF file (or of its separate debug file), read unit by unit as addresses ask for it.
/// `Find` may be called by any thread; all else belongs to the one thread that loads.
class DwarfFile {
 public:
  enum class Answer : uint8_t { Found, None, NotLoaded };

  /// nullptr if neither file has DWARF that can be read. `scratch`: where unpacked sections are kept, if anywhere.
  static std::shared_ptr<DwarfFile> Open(const ElfFile& image, const ElfFile* debug, DwarfErrors* errors,
                                         ScratchFile scratch = nullptr);
  ~DwarfFile();
  DwarfFile(const DwarfFile&) = delete;
  DwarfFile& operator=(const DwarfFile&) = delete;

  /// Frames at an ELF address from what is loaded. `table` keeps the texts of `out` alive.
  Answer Find(uint64_t address, std::vector<SourceFrame>* out, std::shared_ptr<const UnitTable>* table) const;

  /// Reads the unit that `address` falls into (and the index before, if it is not there). One step of
  /// bounded work: at most one unit. Afterwards Find answers Found or None for the address.
  void Load(uint64_t address);
  /// Gives back the bytes of the file itself; what was read from them stays.
  void Rest();

  size_t sizeBytes() const;
  size_t unitCount() const;
  /// The unit unused for longest, by `Find`s of the whole process; UINT64_MAX if none is loaded.
  uint64_t oldestUse() const;
  /// Forgets that unit; the index too when it was the last one. Returns the bytes freed.
  size_t EvictOldest();

 private:
  struct Impl;
  DwarfFile();
  std::unique_ptr<Impl> impl_;
};

}  // namespace otelprof
