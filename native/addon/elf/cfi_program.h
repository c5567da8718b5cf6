// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "../unwind/machine.h"
#include "../unwind/table.h"

namespace otelprof {

/// Where a register of the caller is.
struct RegisterRule {
  enum class Kind : uint8_t { Same, AtCfa, AtFp, Undefined, Unsupported };
  Kind kind = Kind::Same;
  int64_t offset = 0;
};

/// What the instructions have said so far: the CFA, and the two registers that unwinding needs.
struct CfiState {
  enum class Cfa : uint8_t { Undefined, Register, Plt, SpDeref, FpDeref, Unsupported };
  Cfa cfa = Cfa::Undefined;
  uint64_t cfaRegister = 0;
  int64_t cfaOffset = 0;   // of the register
  int64_t cfaOperand = 0;  // of an expression: the register's offset outlives it
  RegisterRule fp;
  RegisterRule ra;
};

/// A parsed CIE.
struct Cie {
  bool valid = false;
  Machine machine = Machine::X86_64;
  uint64_t codeAlign = 1;
  int64_t dataAlign = 1;
  uint64_t returnRegister = 16;
  uint8_t pointerEncoding = 0;
  bool hasAugmentationData = false;
  bool signalFrame = false;
  /// What its instructions say: run once, for many FDEs may share long ones.
  CfiState initial;
};

struct CfiRowSink {
  std::vector<op_row>* rows;
  size_t* unsupported;
};

/// Runs a CIE's own instructions into its `initial`. False if they are malformed.
bool RunCieProgram(std::span<const uint8_t> instructions, Cie* cie);

/// Runs the instructions of one FDE for [start, end) and appends its rows, by the DWARF registers of the machine.
/// Rows with the same pc replace one another, equal neighbours merge. False if the program is malformed;
/// rows made before the fault stay.
bool RunCfiProgram(const Cie& cie, std::span<const uint8_t> instructions, uint64_t start, uint64_t end,
                   CfiRowSink sink);

}  // namespace otelprof
