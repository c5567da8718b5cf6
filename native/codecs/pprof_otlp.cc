// SPDX-License-Identifier: Apache-2.0
#include "pprof_otlp.h"

#include <array>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "pprof_file.h"
#include "wire_writer.h"

namespace otelcodecs {
namespace {

using otlp::Cursor;
using otlp::Len;
using otlp::Varint;
using otlp::WireWriter;
using pprof::EachOwnField;
using pprof::File;
using pprof::Label;
using pprof::Part;
using pprof::ValueType;

/// What OTLP may take: so many times the file, and this many bytes. Real files take one to two times as much.
constexpr size_t kBytesPerByte = 8;
constexpr size_t kFreeBytes = 1 << 20;
/// A sample with more labels is left to others.
constexpr size_t kMaxLabels = 64;

/// Tables of ProfilesDictionary, by their fields.
enum Table : uint32_t { kMappings = 1, kLocations, kFunctions, kLinks, kStrings, kAttributes, kStacks };

/// Numbers things by what they say, from 1 on: row 0 is the zero row.
class Rows {
 public:
  /// The row of `key`, and whether it is new.
  uint32_t RowOf(const ContentKey& key, bool* isNew) {
    const auto [at, isFirst] = rows_.try_emplace(key.a, Row{key.b, count_ + 1});
    *isNew = isFirst || at->second.b != key.b;
    if (!*isNew) return at->second.row;
    return ++count_;
  }

 private:
  struct Row {
    uint64_t b;
    uint32_t row;
  };
  std::unordered_map<uint64_t, Row> rows_;
  uint32_t count_ = 0;
};

class Transcoder {
 public:
  explicit Transcoder(const File& file) : file_(file) {}

  bool Write(size_t expectedBytes, size_t maxBytes) {
    if (file_.types().empty()) return false;
    maxBytes_ = maxBytes;
    out_.Reserve(expectedBytes);
    stacks_.Reserve(expectedBytes / 2);
    BeginTables();
    if (!WriteMappings() || !WriteFunctions() || !WriteLocations() || !ReadSamples()) return false;
    const size_t resource = out_.Begin(Len(1));
    const size_t scope = out_.Begin(Len(2));
    if (!WriteScope()) return false;
    out_.End(scope);
    out_.End(resource);
    const size_t dictionary = out_.Begin(Len(2));
    for (const WireWriter* table : {&mappings_, &locations_, &functions_}) out_.Raw(table->all());
    out_.Bytes(Len(kLinks), {});
    WriteStrings();
    out_.Raw(attributes_.all());
    out_.Raw(stacks_.all());
    out_.End(dictionary);
    return out_.size() <= maxBytes_;
  }

  Buffer<uint8_t> Take() { return out_.Take(); }

 private:
  /// Each table begins with its zero row.
  void BeginTables() {
    mappings_.Bytes(Len(kMappings), {});
    locations_.Bytes(Len(kLocations), {});
    functions_.Bytes(Len(kFunctions), {});
    attributes_.Bytes(Len(kAttributes), {});
    stacks_.Bytes(Len(kStacks), {});
  }

  /// A string of ours, behind those of the file.
  uint32_t Own(std::string_view text) {
    for (size_t i = 0; i < own_.size(); i++)
      if (own_[i] == text) return static_cast<uint32_t>(file_.strings().size() + i);
    own_.push_back(text);
    return static_cast<uint32_t>(file_.strings().size() + own_.size() - 1);
  }

  static void WriteText(WireWriter* w, uint32_t tag, std::string_view text) {
    w->Bytes(tag, {reinterpret_cast<const uint8_t*>(text.data()), text.size()});
  }

  /// The row of an attribute whose value `write` writes; `words` say which attribute it is.
  template <typename Write>
  uint32_t Attribute(uint32_t key, uint32_t unit, std::initializer_list<uint64_t> words, Write write) {
    KeyMixer mixer;
    mixer.Word(uint64_t{key} << 32 | unit);
    for (const uint64_t word : words) mixer.Word(word);
    bool isNew;
    const uint32_t row = attributeRows_.RowOf(mixer.key(), &isNew);
    if (!isNew) return row;
    const size_t begin = attributes_.Begin(Len(kAttributes));
    attributes_.FieldUnlessZero(Varint(1), key);
    const size_t value = attributes_.Begin(Len(2));
    write(&attributes_);
    attributes_.End(value);
    attributes_.FieldUnlessZero(Varint(3), unit);
    attributes_.End(begin);
    return row;
  }

  uint32_t TextAttribute(uint32_t key, uint32_t text, uint32_t unit = 0) {
    return Attribute(key, unit, {1, text}, [&](WireWriter* w) { WriteText(w, Len(1), file_.text(text)); });
  }
  uint32_t FlagAttribute(std::string_view key, bool value) {
    return Attribute(Own(key), 0, {2, value}, [&](WireWriter* w) { w->Field(Varint(2), value); });
  }
  uint32_t LabelAttribute(const Label& label) {
    const uint32_t key = CanonicalKey(label.key);
    if (label.str != 0) return TextAttribute(key, label.str, label.unit);
    const auto number = static_cast<uint64_t>(label.num);
    return Attribute(key, label.unit, {3, number}, [&](WireWriter* w) { w->Field(Varint(3), number); });
  }

  /// The first string with the text of this one: keys of a sample that differ in their index only are the same.
  uint32_t CanonicalKey(uint32_t string) {
    if (string == lastKey_) return lastCanonical_;
    KeyMixer mixer;
    mixer.Bytes(file_.At(file_.strings()[string]));
    lastKey_ = string;
    lastCanonical_ = keys_.try_emplace(mixer.key().a, string).first->second;
    return lastCanonical_;
  }

  bool WriteMappings() {
    static constexpr std::array<std::string_view, 4> kFlags = {
        "pprof.mapping.has_functions", "pprof.mapping.has_filenames", "pprof.mapping.has_line_numbers",
        "pprof.mapping.has_inline_frames"};
    for (const Part mapping : file_.mappings()) {
      uint64_t fields[11] = {};
      const bool isSound = EachOwnField(file_.At(mapping), [&](Cursor& c, uint32_t tag) {
        return tag >> 3 > 10 ? otlp::Skip(c, tag) : otlp::ReadVarint(c, &fields[tag >> 3]);
      });
      if (!isSound) return false;
      attributesOfRow_.clear();
      if (fields[6] != 0)
        attributesOfRow_.push_back(
            TextAttribute(Own("process.executable.build_id.gnu"), static_cast<uint32_t>(fields[6])));
      const bool hasAny = fields[7] || fields[8] || fields[9] || fields[10];
      for (size_t i = 0; i < kFlags.size(); i++)
        if (fields[7 + i] != 0 || (i == 0 && !hasAny))
          attributesOfRow_.push_back(FlagAttribute(kFlags[i], fields[7 + i] != 0));
      const size_t begin = mappings_.Begin(Len(kMappings));
      for (uint32_t field = 2; field <= 5; field++) mappings_.FieldUnlessZero(Varint(field - 1), fields[field]);
      mappings_.PackedUnlessEmpty(Len(5), attributesOfRow_);
      mappings_.End(begin);
    }
    return true;
  }

  bool WriteFunctions() {
    for (const Part function : file_.functions()) {
      uint64_t fields[6] = {};
      const bool isSound = EachOwnField(file_.At(function), [&](Cursor& c, uint32_t tag) {
        return tag >> 3 > 5 ? otlp::Skip(c, tag) : otlp::ReadVarint(c, &fields[tag >> 3]);
      });
      if (!isSound) return false;
      const size_t begin = functions_.Begin(Len(kFunctions));
      for (uint32_t field = 2; field <= 5; field++) functions_.FieldUnlessZero(Varint(field - 1), fields[field]);
      functions_.End(begin);
    }
    return true;
  }

  bool WriteLocations() {
    for (const Part location : file_.locations()) {
      uint64_t fields[6] = {};
      uint32_t row = 0;
      const size_t begin = locations_.Begin(Len(kLocations));
      const bool isSound = EachOwnField(file_.At(location), [&](Cursor& c, uint32_t tag) {
        Cursor line;
        if (tag >> 3 > 5) return otlp::Skip(c, tag);
        if (tag >> 3 != 4) return otlp::ReadVarint(c, &fields[tag >> 3]);
        return otlp::Enter(c, &line) && WriteLine(line);
      });
      if (!isSound || (fields[2] != 0 && !file_.MappingOf(fields[2], &row))) return false;
      locations_.FieldUnlessZero(Varint(1), fields[2] == 0 ? 0 : row + 1);
      locations_.FieldUnlessZero(Varint(2), fields[3]);
      if (fields[5] != 0) {
        const uint32_t folded[] = {FlagAttribute("pprof.location.is_folded", true)};
        locations_.Packed(Len(4), folded);
      }
      locations_.End(begin);
    }
    return true;
  }

  bool WriteLine(Cursor line) {
    uint64_t fields[4] = {};
    uint32_t row;
    const bool isSound = EachOwnField(line, [&](Cursor& c, uint32_t tag) {
      return tag >> 3 > 3 ? otlp::Skip(c, tag) : otlp::ReadVarint(c, &fields[tag >> 3]);
    });
    if (!isSound || !file_.FunctionOf(fields[1], &row)) return false;
    const size_t begin = locations_.Begin(Len(3));
    locations_.Field(Varint(1), row + 1);
    for (uint32_t field = 2; field <= 3; field++) locations_.FieldUnlessZero(Varint(field), fields[field]);
    locations_.End(begin);
    return true;
  }

  /// What a sample is but for its value: the same for every type.
  bool ReadSamples() {
    const size_t types = file_.types().size();
    values_.resize(file_.samples().size() * types);
    sampleEnds_.reserve(file_.samples().size());
    for (size_t i = 0; i < file_.samples().size(); i++) {
      if (!ReadSample(i) || stacks_.size() + samples_.size() > maxBytes_) return false;
      sampleEnds_.push_back(samples_.size());
    }
    return true;
  }

  bool ReadSample(size_t i) {
    stack_.clear();
    packedStack_ = {};
    attributesOfRow_.clear();
    keysOfSample_.clear();
    int64_t* values = values_.data() + i * file_.types().size();
    const Part sample = file_.samples()[i];
    const bool hasPackedStack = file_.areLocationIdsRows() && FindPackedStack(sample);
    const size_t locations = file_.locations().size();
    const auto onLocation = [&](uint64_t id) {
      if (hasPackedStack) return id - 1 < locations;
      uint32_t row;
      if (!file_.LocationOf(id, &row)) return false;
      stack_.push_back(row + 1);
      return true;
    };
    const auto onLabel = [&](const Label& label) { return TakeLabel(label); };
    if (!file_.ReadSampleParts(sample, values, onLocation, onLabel)) return false;
    samples_.FieldUnlessZero(Varint(1), StackRow());
    samples_.PackedUnlessEmpty(Len(2), attributesOfRow_);
    return true;
  }

  /// Ids that are rows are what OTLP has, as they stand there; as most files have them, in one piece.
  bool FindPackedStack(Part sample) {
    size_t pieces = 0;
    otlp::EachField(file_.At(sample), [&](Cursor& c, uint32_t tag) {
      if (tag >> 3 != 1) return otlp::Skip(c, tag);
      return tag == Len(1) && ++pieces == 1 && otlp::Enter(c, &packedStack_);
    });
    return pieces == 1 && packedStack_.left() > 0;
  }

  /// False where the sample has its key already.
  bool TakeLabel(const Label& label) {
    const uint32_t key = CanonicalKey(label.key);
    for (const uint32_t other : keysOfSample_)
      if (other == key) return false;
    if (keysOfSample_.size() == kMaxLabels) return false;
    keysOfSample_.push_back(key);
    attributesOfRow_.push_back(LabelAttribute(label));
    return true;
  }

  uint32_t StackRow() {
    const bool isPacked = packedStack_.left() > 0;
    if (stack_.empty() && !isPacked) return 0;
    KeyMixer mixer;
    if (isPacked) mixer.Bytes(packedStack_);
    for (const uint32_t location : stack_) mixer.Word(uint64_t{1} << 63 | location);
    bool isNew;
    const uint32_t row = stackRows_.RowOf(mixer.key(), &isNew);
    if (!isNew) return row;
    const size_t begin = stacks_.Begin(Len(kStacks));
    if (isPacked) stacks_.Bytes(Len(1), {packedStack_.at, packedStack_.left()});
    else stacks_.Packed(Len(1), stack_);
    stacks_.End(begin);
    return row;
  }

  /// The default type comes first; without one the last, as pprof has it.
  bool WriteScope() {
    const auto types = file_.types();
    const uint32_t byDefault = file_.head().defaultSampleType;
    size_t named = types.size();
    for (size_t i = types.size(); byDefault != 0 && i-- > 0;)
      if (file_.text(types[i].type) == file_.text(byDefault)) named = i;
    const bool isNamed = named < types.size();
    const size_t first = isNamed ? named : types.size() - 1;
    std::vector<size_t> order = {first};
    for (size_t i = 0; i < types.size(); i++)
      if (i != first) order.push_back(i);
    const size_t scope = out_.Begin(Len(1));
    if (isNamed) {
      const auto text = [&](WireWriter* w) { WriteText(w, Len(1), file_.text(byDefault)); };
      WriteScopeAttribute("pprof.scope.default_sample_type", text);
    }
    if (first != 0) WriteScopeAttribute("pprof.scope.sample_type_order", [&](WireWriter* w) { WriteOrder(w, order); });
    out_.End(scope);
    const std::vector<uint32_t> attributes = ProfileAttributes();
    for (const size_t type : order) {
      WriteProfile(type, attributes);
      if (out_.size() > maxBytes_) return false;
    }
    return true;
  }

  template <typename Write>
  void WriteScopeAttribute(std::string_view key, Write write) {
    const size_t begin = out_.Begin(Len(3));
    WriteText(&out_, Len(1), key);
    const size_t value = out_.Begin(Len(2));
    write(&out_);
    out_.End(value);
    out_.End(begin);
  }

  static void WriteOrder(WireWriter* w, const std::vector<size_t>& order) {
    const size_t array = w->Begin(Len(5));
    for (const size_t i : order) {
      const size_t entry = w->Begin(Len(1));
      w->Field(Varint(3), i);
      w->End(entry);
    }
    w->End(array);
  }

  std::vector<uint32_t> ProfileAttributes() {
    const pprof::Head& head = file_.head();
    std::vector<uint32_t> rows;
    const auto add = [&](std::string_view key, uint32_t text) {
      if (text != 0) rows.push_back(TextAttribute(Own(key), text));
    };
    add("pprof.profile.drop_frames", head.dropFrames);
    add("pprof.profile.keep_frames", head.keepFrames);
    add("pprof.profile.doc_url", head.docUrl);
    if (head.comments.empty()) return rows;
    rows.push_back(Attribute(Own("pprof.profile.comment"), 0, {4}, [&](WireWriter* w) {
      const size_t array = w->Begin(Len(5));
      for (const uint32_t comment : head.comments) {
        const size_t entry = w->Begin(Len(1));
        WriteText(w, Len(1), file_.text(comment));
        w->End(entry);
      }
      w->End(array);
    }));
    return rows;
  }

  void WriteType(uint32_t field, ValueType type) {
    if (type.type == 0 && type.unit == 0) return;
    const size_t begin = out_.Begin(Len(field));
    out_.FieldUnlessZero(Varint(1), type.type);
    out_.FieldUnlessZero(Varint(2), type.unit);
    out_.End(begin);
  }

  void WriteProfile(size_t type, const std::vector<uint32_t>& attributes) {
    const pprof::Head& head = file_.head();
    const size_t types = file_.types().size();
    const size_t profile = out_.Begin(Len(2));
    WriteType(1, file_.types()[type]);
    const std::span<const uint8_t> all = samples_.all();
    size_t from = 0;
    for (size_t i = 0; i < sampleEnds_.size(); i++) {
      const size_t to = sampleEnds_[i];
      const auto value = static_cast<uint64_t>(values_[i * types + type]);
      const size_t valueSize = otlp::VarintSize(value);
      out_.Field(Len(2), to - from + 2 + valueSize);
      out_.Raw(all.subspan(from, to - from));
      out_.Field(Len(4), valueSize);
      out_.Varint(value);
      from = to;
    }
    if (head.timeNanos != 0) out_.Fixed64(otlp::I64(3), head.timeNanos);
    out_.FieldUnlessZero(Varint(4), head.durationNanos);
    WriteType(5, head.periodType);
    out_.FieldUnlessZero(Varint(6), head.period);
    out_.PackedUnlessEmpty(Len(11), attributes);
    out_.End(profile);
  }

  void WriteStrings() {
    for (const Part string : file_.strings()) {
      const Cursor c = file_.At(string);
      out_.Bytes(Len(kStrings), {c.at, c.left()});
    }
    for (const std::string_view text : own_) WriteText(&out_, Len(kStrings), text);
  }

  const File& file_;
  size_t maxBytes_ = 0;
  WireWriter out_, mappings_, locations_, functions_, attributes_, stacks_, samples_;
  std::vector<std::string_view> own_;
  Rows attributeRows_, stackRows_;
  std::unordered_map<uint64_t, uint32_t> keys_;
  uint32_t lastKey_ = 0, lastCanonical_ = 0;
  std::vector<uint32_t> stack_, attributesOfRow_, keysOfSample_;
  Cursor packedStack_{nullptr, nullptr};
  std::vector<int64_t> values_;
  std::vector<size_t> sampleEnds_;
};

}  // namespace

std::optional<Buffer<uint8_t>> PprofToOtlp(Input profile) {
  /// Values of all samples are held beside the file.
  constexpr size_t kMaxValues = 1 << 22;
  File file;
  if (!file.Read(profile, false) || file.samples().size() * file.types().size() > kMaxValues) return std::nullopt;
  Transcoder transcoder(file);
  if (!transcoder.Write(profile.size + profile.size / 4, profile.size * kBytesPerByte + kFreeBytes)) return std::nullopt;
  return transcoder.Take();
}

}  // namespace otelcodecs
