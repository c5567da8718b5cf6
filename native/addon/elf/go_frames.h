// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vector>

#include "../unwind/table.h"
#include "elf_file.h"

namespace otelprof {

/// Unwind rows of Go code (1.18 to 1.26, x86_64), from the stack-size table in .gopclntab: it is exact
/// where frame pointers are not — in prologues and in the many leaf functions without a frame. Functions
/// that switch stacks get OP_RULE_NONE (frame-pointer step), those marked as top of a stack OP_RULE_END.
/// Empty for files without Go code. Format: src/runtime/symtab.go, "Go 1.2 Runtime Symbol Information".
std::vector<op_row> CompileGoRows(const ElfFile& image);

/// `base` with every row inside the range of `overlay` replaced by it.
std::vector<op_row> OverlayRows(const std::vector<op_row>& base, const std::vector<op_row>& overlay);

}  // namespace otelprof
