// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "otlp.h"
#include "otlp_rows.h"

namespace otelcodecs::otlp {
namespace {

uint32_t OffsetIn(const Message& message, const uint8_t* at) {
  return static_cast<uint32_t>(at - message.all.data());
}

template <typename... Columns>
bool AreLong(size_t length, const Columns&... columns) {
  return ((columns.size() == length) && ...);
}

/// A column that is passed over where it has no room at all.
bool IsLongOrEmpty(size_t length, size_t columnLength) { return columnLength == length || columnLength == 0; }

template <typename T>
void SetIfAny(std::span<T> column, size_t row, uint64_t value) {
  if (!column.empty()) column[row] = static_cast<T>(value);
}

/// Calls `fill(row number, message)` in each row of a table; false unless there are exactly `rows`.
template <typename Fill>
bool FillRows(const Message& message, uint32_t field, size_t rows, Fill fill) {
  size_t row = 0;
  return EachRow(Open(message), field, [&](Cursor c) { return row < rows && fill(row++, c); }) && row == rows;
}

/// Where the id is absent, the column stays zero.
void CopyId(const Cursor& id, std::span<uint8_t> out) { std::copy(id.at, id.end, out.begin()); }

}  // namespace

bool FillStrings(Message message, const StringColumns& out) {
  const size_t rows = out.start.size();
  if (!AreLong(rows, out.end)) return false;
  return FillRows(message, kStrings, rows, [&](size_t row, Cursor c) {
    out.start[row] = OffsetIn(message, c.at);
    out.end[row] = OffsetIn(message, c.end);
    return true;
  });
}

bool FillFunctions(Message message, const FunctionColumns& out) {
  const size_t rows = out.name.size();
  if (!AreLong(rows, out.systemName, out.filename) || !IsLongOrEmpty(rows, out.startLine.size())) return false;
  return FillRows(message, kFunctions, rows, [&](size_t row, Cursor c) {
    FunctionRow function;
    if (!ReadFunction(c, kNoLimits, &function)) return false;
    out.name[row] = static_cast<int32_t>(function.name);
    out.systemName[row] = static_cast<int32_t>(function.systemName);
    out.filename[row] = static_cast<int32_t>(function.filename);
    SetIfAny(out.startLine, row, function.startLine.value);
    return true;
  });
}

bool FillMappings(Message message, const MappingColumns& out) {
  const size_t rows = out.filename.size();
  if (!AreLong(rows, out.memoryStart, out.memoryLimit, out.fileOffset) ||
      !IsLongOrEmpty(rows + 1, out.attributeStart.size()))
    return false;
  Writer attributes(out.attributes);
  return FillRows(message, kMappings, rows, [&](size_t row, Cursor c) {
    MappingRow mapping;
    if (!ReadMapping(c, kNoLimits, &mapping, attributes)) return false;
    out.memoryStart[row] = mapping.memoryStart;
    out.memoryLimit[row] = mapping.memoryLimit;
    out.fileOffset[row] = mapping.fileOffset;
    out.filename[row] = static_cast<int32_t>(mapping.filename);
    SetIfAny(out.attributeStart, row + 1, attributes.written());
    return true;
  }) && attributes.IsFull();
}

bool FillLocations(Message message, const LocationColumns& out) {
  const size_t rows = out.mapping.size();
  const size_t lines = out.lineFunction.size();
  if (!AreLong(rows, out.address)) return false;
  if (!IsLongOrEmpty(rows + 1, out.attributeStart.size()) || !IsLongOrEmpty(rows + 1, out.lineStart.size()) ||
      !IsLongOrEmpty(lines, out.lineLine.size()) || !IsLongOrEmpty(lines, out.lineColumn.size()))
    return false;
  Writer attributes(out.attributes);
  uint32_t line = 0;
  const auto addLine = [&](const LineRow& read) {
    if (line == lines) return false;
    out.lineFunction[line] = static_cast<int32_t>(read.function);
    SetIfAny(out.lineLine, line, read.line.value);
    SetIfAny(out.lineColumn, line, read.column.value);
    line++;
    return true;
  };
  return FillRows(message, kLocations, rows, [&](size_t row, Cursor c) {
    LocationRow location;
    if (!ReadLocation(c, kNoLimits, &location, attributes, addLine)) return false;
    out.mapping[row] = static_cast<int32_t>(location.mapping);
    out.address[row] = location.address;
    SetIfAny(out.attributeStart, row + 1, attributes.written());
    SetIfAny(out.lineStart, row + 1, line);
    return true;
  }) && line == lines && attributes.IsFull();
}

bool FillStacks(Message message, const StackColumns& out) {
  if (out.start.empty()) return false;
  Writer locations(out.locations);
  return FillRows(message, kStacks, out.start.size() - 1, [&](size_t row, Cursor c) {
    if (!ReadStack(c, kNoLimits, locations)) return false;
    out.start[row + 1] = locations.written();
    return true;
  }) && locations.IsFull();
}

bool FillLinks(Message message, const LinkColumns& out) {
  constexpr size_t kTraceId = 16, kSpanId = 8;
  const size_t rows = out.spanIds.size() / kSpanId;
  if (!AreLong(rows * kTraceId, out.traceIds) || !AreLong(rows * kSpanId, out.spanIds)) return false;
  return FillRows(message, kLinks, rows, [&](size_t row, Cursor c) {
    LinkRow link;
    if (!ReadLink(c, &link)) return false;
    CopyId(link.traceId, out.traceIds.subspan(row * kTraceId, kTraceId));
    CopyId(link.spanId, out.spanIds.subspan(row * kSpanId, kSpanId));
    return true;
  });
}

bool FillAttributes(Message message, const AttributeColumns& out) {
  const size_t rows = out.key.size();
  if (!AreLong(rows, out.unit, out.start, out.end)) return false;
  return FillRows(message, kAttributes, rows, [&](size_t row, Cursor c) {
    AttributeRow attribute;
    if (!ReadAttribute(c, kNoLimits, &attribute)) return false;
    out.key[row] = static_cast<int32_t>(attribute.key);
    out.unit[row] = static_cast<int32_t>(attribute.unit);
    const bool hasValue = attribute.value.at != nullptr;
    out.start[row] = hasValue ? OffsetIn(message, attribute.value.at) : 0;
    out.end[row] = hasValue ? OffsetIn(message, attribute.value.end) : 0;
    return true;
  });
}

namespace {

/// Number of `samples` in Profile, in every revision.
constexpr uint32_t kProfileSamples = 2;

template <typename Fields>
bool CountSamplesOf(Message message, std::span<uint32_t> out) {
  Counter attributes, values, timestamps;
  uint32_t samples = 0;
  bool links = false;
  bool oneValueEach = true;
  const bool ok = EachRow(Open(message), kProfileSamples, [&](Cursor c) {
    const uint64_t before = values.count;
    SampleRow row;
    if (!ReadSample<Fields>(c, kNoLimits, &row, attributes, values, timestamps)) return false;
    samples++;
    links |= row.hasLink;
    oneValueEach &= values.count - before == 1;
    return true;
  });
  namespace fact = samples_fact;
  out[fact::kSamples] = samples;
  out[fact::kAttributes] = static_cast<uint32_t>(attributes.count);
  out[fact::kValues] = static_cast<uint32_t>(values.count);
  out[fact::kTimestamps] = static_cast<uint32_t>(timestamps.count);
  out[fact::kLinks] = links;
  out[fact::kOneValueEach] = oneValueEach;
  return ok;
}

template <typename Fields>
bool FillSamplesOf(Message message, const SampleColumns& out) {
  const size_t rows = out.stack.size();
  if (!IsLongOrEmpty(rows, out.link.size()) || !IsLongOrEmpty(rows + 1, out.attributeStart.size()) ||
      !IsLongOrEmpty(rows + 1, out.valueStart.size()) || !IsLongOrEmpty(rows + 1, out.timestampStart.size()))
    return false;
  Writer attributes(out.attributes);
  Writer values(out.values);
  Writer timestamps(out.timestamps);
  return FillRows(message, kProfileSamples, rows, [&](size_t row, Cursor c) {
    SampleRow sample;
    if (!ReadSample<Fields>(c, kNoLimits, &sample, attributes, values, timestamps)) return false;
    out.stack[row] = static_cast<int32_t>(sample.stack);
    SetIfAny(out.link, row, sample.link);
    SetIfAny(out.attributeStart, row + 1, attributes.written());
    SetIfAny(out.valueStart, row + 1, values.written());
    SetIfAny(out.timestampStart, row + 1, timestamps.written());
    return true;
  }) && attributes.IsFull() && values.IsFull() && timestamps.IsFull();
}

}  // namespace

bool CountSamples(Message message, Revision revision, std::span<uint32_t> out) {
  if (out.size() < samples_fact::kSize) return false;
  std::ranges::fill(out, 0);
  return revision == Revision::k1x10 ? CountSamplesOf<NewerSample>(message, out)
                                     : CountSamplesOf<OlderSample>(message, out);
}

bool FillSamples(Message message, Revision revision, const SampleColumns& out) {
  return revision == Revision::k1x10 ? FillSamplesOf<NewerSample>(message, out)
                                     : FillSamplesOf<OlderSample>(message, out);
}

}  // namespace otelcodecs::otlp
