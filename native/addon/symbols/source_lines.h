// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <vector>

#include "../dwarf/dwarf_file.h"
#include "symbols.h"

namespace otelprof {

/// Adds what DWARF knows to the frames of an address that FileSymbols::Lookup gave (one, or none): file
/// and line, and a frame before it for every inlined function. The symbol table keeps the last word on the
/// name of the function itself, as in llvm-symbolizer. False if the unit is not loaded: ask again.
bool AddSourceLines(const DwarfFile& dwarf, uint64_t elfVa, DemangleMode mode, std::vector<ResolvedFrame>* frames);

}  // namespace otelprof
