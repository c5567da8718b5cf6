// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "../unwind/table.h"

namespace otelprof {

/// A parsed CIE.
struct Cie {
  bool valid = false;
  uint64_t codeAlign = 1;
  int64_t dataAlign = 1;
  uint64_t returnRegister = 16;
  uint8_t pointerEncoding = 0;
  bool hasAugmentationData = false;
  bool signalFrame = false;
  std::span<const uint8_t> instructions;
};

struct CfiRowSink {
  std::vector<op_row>* rows;
  size_t* unsupported;
};

/// Runs the instructions of one FDE for [start, end) and appends its rows (x86_64 DWARF registers).
/// Rows with the same pc replace one another, equal neighbours merge. False if the program is malformed;
/// rows made before the fault stay.
bool RunCfiProgram(const Cie& cie, std::span<const uint8_t> instructions, uint64_t start, uint64_t end,
                   CfiRowSink sink);

}  // namespace otelprof
