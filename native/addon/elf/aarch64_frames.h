// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vector>

#include "../unwind/table.h"
#include "elf_file.h"

namespace otelprof {

/// Rows for what aarch64 binaries have no call frame information of; none for other machines.

/// The linker's stubs, which change neither the stack nor the link register.
std::vector<op_row> CompileAarch64PltRows(const ElfFile& image);

/// The vDSO's signal trampoline, found by its two instructions; kernels since 5.8 describe it no longer.
std::vector<op_row> CompileAarch64SignalRows(const ElfFile& image);

}  // namespace otelprof
