// SPDX-License-Identifier: Apache-2.0
#include "offsets.h"

#include <cstring>

namespace otelprof::python {
namespace {

constexpr uint32_t Version(uint32_t minor) { return 3u << 8 | minor; }

/// The frame of 3.10 and older: {back, code, index of the last instruction}.
constexpr op_python HeapFrames(uint8_t lastInstruction, uint8_t unit) {
  op_python p{};
  p.thread_source = OP_THREAD_PTHREAD_KEY;
  p.segment = OP_PYTHON_ONE_FRAME;
  p.thread_frame = 24;
  p.frame_bytes = static_cast<uint8_t>(lastInstruction + 4);
  p.frame_previous = 24;
  p.frame_code = 32;
  p.frame_instruction = lastInstruction;
  p.code_first_line = 40;
  p.code_name = 112;
  p.instruction_unit = unit;
  return p;
}

constexpr op_python Frames311() {
  op_python p{};
  p.thread_source = OP_THREAD_PTHREAD_KEY;
  p.segment = OP_PYTHON_IS_ENTRY;
  p.thread_frame = 56;
  p.has_cframe = 1;
  p.cframe_frame = 8;
  p.cframe_previous = 16;
  p.frame_bytes = 72;
  p.frame_previous = 48;
  p.frame_code = 32;
  p.frame_instruction = 56;
  p.frame_mark = 68;
  p.code_first_line = 72;
  p.code_name = 128;
  p.code_bytecode = 184;
  return p;
}

constexpr op_python Frames312() {
  op_python p{};
  p.segment = OP_PYTHON_SHIM;
  p.thread_frame = 56;
  p.has_cframe = 1;
  p.frame_bytes = 72;
  p.frame_previous = 8;
  p.frame_code = 0;
  p.frame_instruction = 56;
  p.frame_mark = 70;
  p.shim_owner = 3;
  p.code_first_line = 68;
  p.code_name = 128;
  p.code_bytecode = 192;
  return p;
}

struct Row {
  uint32_t version;
  uint64_t runtimeBytes;  // size of _PyRuntime; 0 where Py_Version tells the version
  Layout layout;
};

// Read from DWARF of the release builds; see native/README.md for how a row is added.
constexpr Row kRows[] = {
    {Version(8), 1464, {HeapFrames(104, 1), 1392, 104, 120, 48, 72, LineFormat::SignedPairs}},
    {Version(9), 656, {HeapFrames(104, 1), 584, 104, 120, 48, 72, LineFormat::SignedPairs}},
    {Version(10), 672, {HeapFrames(96, 2), 584, 104, 120, 48, 72, LineFormat::RangePairs}},
    {Version(11), 0, {Frames311(), 592, 112, 136, 48, 72, LineFormat::Locations}},
    {Version(12), 0, {Frames312(), 0, 112, 136, 40, 56, LineFormat::Locations}},
};

/// Places of the fields in the debug-offset table, counted in words behind the cookie. Fields are only ever
/// inserted, so each minor version has its own places.
struct Places {
  uint32_t version;
  uint8_t threadFrame;
  uint8_t framePrevious, frameCode, frameInstruction, frameOwner;
  uint8_t codeFile, codeQualname, codeLines, codeFirstLine, codeBytecode;
};

constexpr Places kPlaces[] = {
    {Version(13), 22, 28, 29, 30, 32, 34, 36, 37, 38, 42},
    {Version(14), 25, 31, 32, 33, 35, 39, 41, 42, 43, 47},
};
constexpr size_t kFreeThreadedPlace = 1;

}  // namespace

std::optional<Layout> LayoutOf(uint32_t version) {
  for (const Row& row : kRows)
    if (row.version == version) return row.layout;
  return std::nullopt;
}

uint32_t VersionOfRuntimeSize(uint64_t size) {
  for (const Row& row : kRows)
    if (row.runtimeBytes && row.runtimeBytes == size) return row.version;
  return 0;
}

std::optional<Layout> LayoutFromDebugOffsets(std::span<const uint8_t> table) {
  if (table.size() < kDebugOffsetBytes || std::memcmp(table.data(), "xdebugpy", 8) != 0) return std::nullopt;
  const auto word = [&](size_t place) {
    uint64_t value;
    std::memcpy(&value, table.data() + 8 + place * 8, sizeof(value));
    return value;
  };
  const Places* places = nullptr;
  for (const Places& known : kPlaces)
    if (word(0) >> 16 == known.version) places = &known;
  if (!places || word(kFreeThreadedPlace) != 0) return std::nullopt;

  Layout out{};
  bool isReasonable = true;
  const auto read = [&](uint8_t place, uint64_t limit) {
    const uint64_t value = word(place);
    if (value > limit) isReasonable = false;
    return static_cast<uint8_t>(value);
  };
  constexpr uint64_t kFrameLimit = 112, kCodeLimit = 248;
  op_python& p = out.kernel;
  p.segment = OP_PYTHON_SHIM;
  p.thread_frame = read(places->threadFrame, kCodeLimit);
  p.frame_previous = read(places->framePrevious, kFrameLimit);
  p.frame_code = read(places->frameCode, kFrameLimit);
  p.frame_instruction = read(places->frameInstruction, kFrameLimit);
  p.frame_mark = read(places->frameOwner, kFrameLimit);
  p.frame_bytes = 0;
  for (const uint8_t offset : {p.frame_previous, p.frame_code, p.frame_instruction, p.frame_mark})
    p.frame_bytes = std::max<uint8_t>(p.frame_bytes, static_cast<uint8_t>(offset + 8));
  p.shim_owner = 3;
  out.codeFile = read(places->codeFile, kCodeLimit);
  p.code_name = read(places->codeQualname, kCodeLimit);
  out.codeLines = read(places->codeLines, kCodeLimit);
  p.code_first_line = read(places->codeFirstLine, kCodeLimit);
  p.code_bytecode = read(places->codeBytecode, kCodeLimit);
  out.asciiData = 40;
  out.compactData = 56;
  out.lines = LineFormat::Locations;
  return isReasonable ? std::optional(out) : std::nullopt;
}

}  // namespace otelprof::python
