// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "unit.h"

namespace otelprof {

/// What one unit's line-number program says (DWARF 5, section 6.2), in the order of addresses.
struct LineProgram {
  static constexpr uint32_t kNoFile = UINT32_MAX;
  /// Holds up to the next row. `file` is an index into `files`, or kNoFile where no code is described.
  struct Row {
    uint64_t address;
    uint32_t file;
    uint32_t line;
  };
  std::vector<Row> rows;
  std::vector<std::string> files;  // full paths; by the numbers that DIEs use

  /// False, counted in the sections' errors, if the header makes no sense. A program that breaks off keeps
  /// the sequences before.
  bool Read(DwarfReader* reader, const DwarfUnit& unit);
};

}  // namespace otelprof
