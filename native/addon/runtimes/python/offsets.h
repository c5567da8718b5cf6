// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include "../../unwind/table.h"

namespace otelprof::python {

enum class LineFormat : uint8_t {
  SignedPairs,  // 3.8, 3.9: co_lnotab
  RangePairs,   // 3.10: co_linetable
  Locations,    // 3.11 and later
};

/// Where things are in one minor version of CPython, x86_64, release build, with a GIL.
struct Layout {
  op_python kernel;         // without thread_slot
  uint32_t keyRecord;       // _PyRuntime → {initialised, key}; 0: the thread state is in thread-local storage
  uint8_t codeFile;
  uint8_t codeLines;
  uint8_t asciiData;        // of a str: compact ASCII text
  uint8_t compactData;      // of a str: other compact text
  LineFormat lines;
};

/// A row of the table: `version` is major << 8 | minor.
std::optional<Layout> LayoutOf(uint32_t version);

/// The minor version of an interpreter without Py_Version (before 3.11), by the size of its _PyRuntime; 0 if unknown.
uint32_t VersionOfRuntimeSize(uint64_t size);

/// The layout that the interpreter itself states at the start of _PyRuntime (3.13 and later). nullopt where the
/// bytes are no such table, are of a free-threaded build, or are out of reason.
std::optional<Layout> LayoutFromDebugOffsets(std::span<const uint8_t> table);

/// Bytes to read for LayoutFromDebugOffsets.
inline constexpr size_t kDebugOffsetBytes = 8 + 64 * 8;

}  // namespace otelprof::python
