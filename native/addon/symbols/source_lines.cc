// SPDX-License-Identifier: Apache-2.0
#include "source_lines.h"

#include <iterator>
#include <utility>

namespace otelprof {
namespace {

void SetName(const SourceFrame& from, DemangleMode mode, ResolvedFrame* frame) {
  frame->name = from.linkage ? Demangle(from.name, mode) : ValidUtf8(from.name);
  std::string linkerName = from.linkage ? ValidUtf8(from.name) : std::string();
  if (linkerName != frame->name) frame->systemName = std::move(linkerName);
}

}  // namespace

bool AddSourceLines(const DwarfFile& dwarf, uint64_t elfVa, DemangleMode mode, std::vector<ResolvedFrame>* frames) {
  std::vector<SourceFrame> found;
  std::shared_ptr<const UnitTable> table;
  const auto answer = dwarf.Find(elfVa, &found, &table);
  if (answer != DwarfFile::Answer::Found) return answer == DwarfFile::Answer::None;
  if (frames->empty() && found.back().name.empty()) return true;
  ResolvedFrame function;
  if (frames->empty()) {
    SetName(found.back(), mode, &function);
  } else {
    function = std::move(frames->back());
  }
  frames->clear();
  for (const SourceFrame& source : found) {
    ResolvedFrame frame;
    if (&source == &found.back()) {
      frame = std::move(function);
    } else {
      SetName(source, mode, &frame);
    }
    frame.file = ValidUtf8(source.file);
    frame.line = source.line;
    frame.startLine = source.startLine;
    frames->push_back(std::move(frame));
  }
  return true;
}

}  // namespace otelprof
