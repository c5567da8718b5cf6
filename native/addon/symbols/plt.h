// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "../elf/elf_file.h"
#include "symbol_table.h"

namespace otelprof {

inline constexpr size_t kMaxPltNameBytes = 4u << 20;

/// Appends a `name@plt` symbol for each stub of .plt, .plt.sec and .plt.got that jumps through a
/// relocated slot (x86-64 and arm64). The names live in `names`, which must not be changed afterwards.
void AppendPltSymbols(const ElfFile& elf, std::vector<RawSymbol>* symbols,
                      std::vector<std::string>* names);

}  // namespace otelprof
