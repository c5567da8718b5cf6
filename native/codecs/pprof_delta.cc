// SPDX-License-Identifier: Apache-2.0
#include "pprof_delta.h"

#include <algorithm>
#include <string_view>
#include <vector>

#include "pprof_file.h"
#include "pprof_totals.h"
#include "wire_writer.h"

namespace otelcodecs {
namespace {

using otlp::Cursor;
using otlp::Len;
using otlp::Varint;
using otlp::WireWriter;
using pprof::File;
using pprof::Part;
using pprof::Totals;
using pprof::TotalsView;
using pprof::ValueType;

/// Values of a file are held besides it: its numbers, and no more than so many of them.
constexpr size_t kMaxValues = 1 << 22;

bool HoldsTotals(std::string_view type) {
  return type == "alloc_objects" || type == "alloc_space" || type == "contentions" || type == "delay";
}

/// Values sample by sample, with what of them is written.
struct Values {
  size_t width = 0;
  std::vector<int64_t> all;
  /// Columns that hold totals, and those that are written.
  std::vector<uint32_t> totals, written;

  int64_t* Of(size_t sample) { return all.data() + sample * width; }
  bool IsWritten(size_t sample) {
    return std::any_of(written.begin(), written.end(), [&](uint32_t column) { return Of(sample)[column] != 0; });
  }
};

/// Writes a file with other values, and without what only samples that are left out referred to.
class DeltaWriter {
 public:
  DeltaWriter(const File& file, Values* values) : file_(file), values_(*values) {}

  /// False where a field is not as `File` has read it, which cannot be.
  bool Write(uint64_t durationNanos) {
    strings_.assign(file_.strings().size(), false);
    locations_.assign(file_.locations().size(), false);
    functions_.assign(file_.functions().size(), false);
    MarkHead();
    WriteTypes();
    for (size_t i = 0; i < file_.samples().size(); i++)
      if (values_.IsWritten(i) && !WriteSample(i)) return false;
    for (const Part mapping : file_.mappings()) WriteMessage(pprof::kMapping, mapping);
    if (!WriteLocations() || !WriteFunctions()) return false;
    for (const Part part : file_.rest()) {
      const Cursor c = file_.At(part);
      out_.Raw(c.at, c.end);
    }
    out_.FieldUnlessZero(Varint(pprof::kDurationNanos), durationNanos);
    WriteStrings();
    return true;
  }

  uint32_t samples() const { return samples_; }
  Buffer<uint8_t> Take() { return out_.Take(); }

 private:
  void WriteMessage(uint32_t field, Part part) {
    const Cursor c = file_.At(part);
    out_.Bytes(Len(field), {c.at, c.left()});
  }

  void MarkHead() {
    const pprof::Head& head = file_.head();
    for (const uint32_t string :
         {head.dropFrames, head.keepFrames, head.docUrl, head.periodType.type, head.periodType.unit})
      strings_[string] = true;
    for (const uint32_t string : head.comments) strings_[string] = true;
    for (const uint32_t string : file_.mappingStrings()) strings_[string] = true;
  }

  void WriteTypes() {
    const uint32_t byDefault = file_.head().defaultSampleType;
    bool isThere = false;
    for (const uint32_t column : values_.written) {
      const ValueType type = file_.types()[column];
      isThere |= file_.text(type.type) == file_.text(byDefault);
      strings_[type.type] = strings_[type.unit] = true;
      const size_t begin = out_.Begin(Len(pprof::kSampleType));
      out_.FieldUnlessZero(Varint(1), type.type);
      out_.FieldUnlessZero(Varint(2), type.unit);
      out_.End(begin);
    }
    // Of a type that is left out it says nothing any more.
    if (byDefault == 0 || !isThere) return;
    strings_[byDefault] = true;
    out_.Field(Varint(pprof::kDefaultSampleType), byDefault);
  }

  bool WriteSample(size_t i) {
    samples_++;
    const size_t begin = out_.Begin(Len(pprof::kSample));
    const bool isSound = otlp::EachPlacedField(
        file_.At(file_.samples()[i]), [&](Cursor& c, uint32_t tag, const uint8_t* start) {
          if (!TakeSampleField(c, tag)) return false;
          if (tag >> 3 != 2) out_.Raw(start, c.at);
          return true;
        });
    const size_t packed = out_.Begin(Len(2));
    for (const uint32_t column : values_.written) out_.Varint(static_cast<uint64_t>(values_.Of(i)[column]));
    out_.End(packed);
    out_.End(begin);
    return isSound;
  }

  /// Passes over a field of a sample, and notes what it refers to.
  bool TakeSampleField(Cursor& c, uint32_t tag) {
    if (tag >> 3 == 1)
      return pprof::EachNumber(c, tag, [&](uint64_t id) {
        uint32_t row;
        if (!file_.LocationOf(id, &row)) return false;
        locations_[row] = true;
        return true;
      });
    Cursor inner;
    if (tag >> 3 != 3) return otlp::Skip(c, tag);
    pprof::Label label;
    if (!otlp::Enter(c, &inner) || !file_.ReadLabel(inner, &label)) return false;
    strings_[label.key] = strings_[label.str] = strings_[label.unit] = true;
    return true;
  }

  bool WriteLocations() {
    for (size_t row = 0; row < locations_.size(); row++) {
      if (!locations_[row]) continue;
      const Part part = file_.locations()[row];
      WriteMessage(pprof::kLocation, part);
      const bool isSound = otlp::EachField(file_.At(part), [&](Cursor& c, uint32_t tag) {
        Cursor line;
        if (tag != Len(4)) return otlp::Skip(c, tag);
        return otlp::Enter(c, &line) && MarkFunction(line);
      });
      if (!isSound) return false;
    }
    return true;
  }

  bool MarkFunction(Cursor line) {
    uint64_t id = 0;
    uint32_t row;
    const bool isSound = otlp::EachField(line, [&](Cursor& c, uint32_t tag) {
      return tag == Varint(1) ? otlp::ReadVarint(c, &id) : otlp::Skip(c, tag);
    });
    if (!isSound || !file_.FunctionOf(id, &row)) return false;
    functions_[row] = true;
    return true;
  }

  bool WriteFunctions() {
    for (size_t row = 0; row < functions_.size(); row++) {
      if (!functions_[row]) continue;
      const Part part = file_.functions()[row];
      WriteMessage(pprof::kFunction, part);
      const bool isSound = otlp::EachField(file_.At(part), [&](Cursor& c, uint32_t tag) {
        uint64_t number;
        if ((tag & 7) != 0) return otlp::Skip(c, tag);
        if (!otlp::ReadVarint(c, &number)) return false;
        if (tag >= Varint(2) && tag <= Varint(4)) strings_[number] = true;
        return true;
      });
      if (!isSound) return false;
    }
    return true;
  }

  /// Indices stay what they are: a string that nobody names becomes empty, those behind the last one go.
  void WriteStrings() {
    size_t count = strings_.size();
    while (count > 1 && !strings_[count - 1]) count--;
    for (size_t i = 0; i < count; i++) {
      const Part part = file_.strings()[i];
      WriteMessage(pprof::kString, strings_[i] ? part : Part{part.from, part.from});
    }
  }

  const File& file_;
  Values& values_;
  WireWriter out_;
  std::vector<bool> strings_, locations_, functions_;
  uint32_t samples_ = 0;
};

/// Says which columns hold totals; equal where their names and units are.
ContentKey NamesOf(const File& file, const Values& values) {
  KeyMixer mixer;
  for (const uint32_t column : values.totals) {
    const ValueType type = file.types()[column];
    mixer.Key(file.stringKey(type.type));
    mixer.Key(file.stringKey(type.unit));
  }
  return mixer.key();
}

/// Puts what belongs to a row of the totals to the first sample that has it, zeros to others.
void PutAtFirst(std::span<const int64_t> byRow, std::span<const uint32_t> rows, Values* values) {
  const size_t columns = values->totals.size();
  uint32_t next = 0;
  for (size_t i = 0; i < rows.size(); i++) {
    // Rows are numbered in the order of their first samples.
    const bool isFirst = rows[i] == next;
    for (size_t c = 0; c < columns; c++)
      values->Of(i)[values->totals[c]] = isFirst ? byRow[rows[i] * columns + c] : 0;
    if (isFirst) next++;
  }
}

/// The time between two files, where both say theirs; else what the file says.
uint64_t DurationOf(const File& file, const TotalsView& last) {
  const pprof::Head& head = file.head();
  if (!last.isThere() || last.timeNanos() == 0 || head.timeNanos <= last.timeNanos()) return head.durationNanos;
  return head.timeNanos - last.timeNanos();
}

}  // namespace

std::optional<PprofDelta> DeltaPprof(Input profile, std::span<const uint64_t> last, bool sendsFirst) {
  File file;
  if (!file.Read(profile, true)) return std::nullopt;
  PprofDelta delta;
  Values values;
  values.width = file.types().size();
  for (uint32_t column = 0; column < values.width; column++)
    if (HoldsTotals(file.text(file.types()[column].type))) values.totals.push_back(column);
  const size_t samples = file.samples().size();
  if (samples * values.width > kMaxValues || (values.width == 0 && samples > 0)) return std::nullopt;
  delta.samplesBefore = static_cast<uint32_t>(samples);
  if (values.totals.empty()) return delta;
  values.all.resize(samples * values.width);
  Totals totals(NamesOf(file, values), file.head().timeNanos, values.totals.size(), samples);
  std::vector<uint32_t> rows(samples);
  for (size_t i = 0; i < samples; i++) {
    ContentKey key;
    if (!file.ReadSample(file.samples()[i], values.Of(i), &key)) return std::nullopt;
    rows[i] = totals.RowOf(key);
    for (size_t c = 0; c < values.totals.size(); c++) totals.Add(rows[i], c, values.Of(i)[values.totals[c]]);
  }
  TotalsView before(last);
  if (before.isThere() && before.names() != totals.view().names()) before = {};
  const bool leavesTotalsOut = !before.isThere() && !sendsFirst;
  for (uint32_t column = 0; column < values.width; column++)
    if (!leavesTotalsOut || !HoldsTotals(file.text(file.types()[column].type))) values.written.push_back(column);
  delta.outcome = PprofDelta::Outcome::kFirst;
  if (!leavesTotalsOut) {
    const std::vector<int32_t> rowsBefore = before.isThere() ? totals.RowsIn(before) : std::vector<int32_t>();
    const bool isReset = before.isThere() && totals.IsReset(before, rowsBefore);
    if (before.isThere()) delta.outcome = isReset ? PprofDelta::Outcome::kReset : PprofDelta::Outcome::kDelta;
    PutAtFirst(totals.Increase(isReset ? TotalsView() : before, rowsBefore), rows, &values);
  }
  DeltaWriter writer(file, &values);
  if (!writer.Write(DurationOf(file, before))) return std::nullopt;
  delta.sampleTypes = static_cast<uint32_t>(values.written.size());
  delta.samples = writer.samples();
  delta.totals = totals.Take();
  if (delta.samples > 0) delta.file = writer.Take();
  return delta;
}

}  // namespace otelcodecs
