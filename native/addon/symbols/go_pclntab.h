// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "../elf/elf_file.h"
#include "symbols.h"

namespace otelprof {

/// Go's own function table, `.gopclntab`, of Go 1.2 to 1.26 on 64-bit little-endian machines: names,
/// files, lines, the inline tree (Go ≥ 1.18) and start lines (Go ≥ 1.20). Present in stripped binaries.
/// Layouts: src/debug/gosym/pclntab.go, src/runtime/symtab.go, src/runtime/symtabinl.go.
/// Reads the file lazily through its own ElfFile: of a 30 MB table only the touched chunks are held.
class GoPclntab {
 public:
  /// nullptr if the file has no table we understand.
  static std::unique_ptr<GoPclntab> Load(const ElfFile& image);
  ~GoPclntab();

  bool lookup(uint64_t pc, std::vector<ResolvedFrame>* out) const;
  /// Entry and size of the function at `pc`; false if the table has none.
  bool range(uint64_t pc, uint64_t* start, uint64_t* size) const;

  size_t functionCount() const;
  size_t sizeBytes() const;

 private:
  GoPclntab();
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace otelprof
