// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
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
/// For x86_64 and aarch64, where Go has none: other machines and files without call frame information give an empty table.
UnwindTable CompileUnwindTable(const ElfFile& image, EhFrameStats* stats);

/// Functions as .eh_frame tells them, in its order: also those that a stripped file has no names of.
void ForEachFunction(const ElfFile& image, const std::function<void(uint64_t start, uint64_t end)>& take);

/// The rows before indexing, ascending by pc; for tests.
std::vector<op_row> CompileEhFrameRows(const ElfFile& image, EhFrameStats* stats);

struct CodeRange {
  uint64_t start = 0;
  uint64_t end = 0;
};

/// Where the compiler put the other parts of a function (GCC's `.cold`), also in a stripped file: ranges with call
/// frame information of their own that no call could have entered, to which the function jumps. x86_64 only.
std::vector<CodeRange> FindSplitParts(const ElfFile& image, CodeRange function);

}  // namespace otelprof
