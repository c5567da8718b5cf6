// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "../unwind/table.h"
#include "elf_file.h"

namespace otelprof {

struct EhFrameStats {
  size_t fdes = 0;
  size_t rows = 0;
  size_t unsupportedRows = 0;  // CFA or return address in a form the kernel program does not know
  size_t badEntries = 0;       // CIEs and FDEs that could not be read
  size_t droppedRows = 0;      // addresses above 4 GiB, or too far apart
};

/// Compiles .eh_frame, .debug_frame where .eh_frame says nothing, and Go's own table into unwind rows.
/// x86_64 only: other machines and files without call frame information give an empty table.
UnwindTable CompileUnwindTable(const ElfFile& image, EhFrameStats* stats);

/// The rows before indexing, ascending by pc; for tests.
std::vector<op_row> CompileEhFrameRows(const ElfFile& image, EhFrameStats* stats);

}  // namespace otelprof
