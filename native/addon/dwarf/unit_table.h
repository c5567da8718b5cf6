// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "unit.h"

namespace otelprof {

/// One function at an address. Views live as long as the UnitTable.
struct SourceFrame {
  std::string_view name;  // linker name if `linkage`, else as the source has it, scopes included
  bool linkage = false;
  std::string_view file;
  uint32_t line = 0;       // 0 = unknown
  uint32_t startLine = 0;  // of the function's declaration
};

/// Lines and inlined functions of one compilation unit, as sorted arrays: 12 bytes a line row, 8 an
/// inlined range, 20 an inlined call, and every text once. Immutable, so any thread may look up.
class UnitTable {
 public:
  /// Gives the unit of another DIE (LTO and dwz refer across units); nullptr if there is none.
  using UnitOf = std::function<const DwarfUnit*(uint64_t dieOffset)>;

  /// Never nullptr; what cannot be read is left out and counted.
  static std::unique_ptr<UnitTable> Build(DwarfReader* reader, const DwarfUnit& unit, const UnitOf& unitOf);

  /// Stands for a unit that cannot be read.
  static std::unique_ptr<UnitTable> Nothing() { return std::unique_ptr<UnitTable>(new UnitTable()); }

  /// Appends the frames at an address, innermost inlined function first; the last one is the function
  /// itself, with an empty name where only lines are known. False if the unit knows nothing.
  bool Lookup(uint64_t address, std::vector<SourceFrame>* out) const;
  size_t sizeBytes() const;

 private:
  friend class UnitTableBuilder;
  static constexpr uint32_t kNone = UINT32_MAX;
  struct Row {
    uint32_t delta;
    uint32_t file;  // offset in texts_, kNone = no code described
    uint32_t line;
  };
  struct Segment {
    uint32_t delta;
    uint32_t scope;  // kNone = outside of all functions
  };
  struct Scope {
    uint32_t caller;  // kNone: no inlined call
    uint32_t name;    // offset in texts_; the top bit tells linker names
    uint32_t callFile;
    uint32_t callLine;
    uint32_t startLine;
  };
  UnitTable() = default;
  std::string_view TextAt(uint32_t offset) const { return std::string_view(texts_.c_str() + offset); }

  uint64_t base_ = 0;
  std::vector<Row> rows_;
  std::vector<Segment> segments_;
  std::vector<Scope> scopes_;
  std::string texts_;  // zero-terminated
};

}  // namespace otelprof
