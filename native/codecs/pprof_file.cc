// SPDX-License-Identifier: Apache-2.0
#include "pprof_file.h"

namespace otelcodecs::pprof {
namespace {

using otlp::Enter;
using otlp::ReadVarint;

/// Ids up to so many times the number of rows, and this many more, are looked up in an array.
constexpr size_t kSpread = 4;
constexpr size_t kSpareIds = 1024;

OTLP_INLINE bool ReadNumber(Cursor& c, uint32_t tag, uint64_t* number) {
  return (tag & 7) == 0 && ReadVarint(c, number);
}

}  // namespace

void IdRows::Begin(size_t rows) { rowPlusOne_.assign(rows * kSpread + kSpareIds, 0); }

bool IdRows::Add(uint64_t id, uint32_t row) {
  if (id == 0 || id >= rowPlusOne_.size() || rowPlusOne_[id] != 0) return false;
  rowPlusOne_[id] = row + 1;
  return true;
}

bool File::Read(Input file, bool keys) {
  hasKeys_ = keys;
  base_ = file.data;
  size_ = file.size;
  return size_ <= UINT32_MAX && ReadLayout() && ReadStrings() && ReadTypes() && ReadMappings() && ReadFunctions() &&
         ReadLocations();
}

bool File::ReadLayout() {
  size_t messages = 0;
  const auto place = [&](const uint8_t* at) { return static_cast<uint32_t>(at - base_); };
  return otlp::EachPlacedField({base_, base_ + size_}, [&](Cursor& c, uint32_t tag, const uint8_t* start) {
    if (++messages > kMaxMessages) return false;
    const uint32_t field = tag >> 3;
    if (field > kString) return ReadRest(c, tag, start);
    Cursor inner;
    if ((tag & 7) != 2 || !Enter(c, &inner)) return false;
    std::vector<Part>* const lists[] = {&sampleTypes_, &samples_,   &mappings_,
                                        &locations_,   &functions_, &strings_};
    lists[field - 1]->push_back({place(inner.at), place(inner.end)});
    return true;
  });
}

bool File::ReadRest(Cursor& c, uint32_t tag, const uint8_t* start) {
  const auto place = [&](const uint8_t* at) { return static_cast<uint32_t>(at - base_); };
  const auto index = [&](uint32_t* out) { return (tag & 7) == 0 && otlp::ReadUint32(c, out) && *out <= INT32_MAX; };
  Cursor inner;
  bool isSound = true;
  switch (tag >> 3) {
    case kDropFrames: isSound = index(&head_.dropFrames); break;
    case kKeepFrames: isSound = index(&head_.keepFrames); break;
    case kDocUrl: isSound = index(&head_.docUrl); break;
    case kDefaultSampleType: return index(&head_.defaultSampleType);  // written anew, and the next but one too
    case kTimeNanos: isSound = ReadNumber(c, tag, &head_.timeNanos); break;
    case kDurationNanos: return ReadNumber(c, tag, &head_.durationNanos);
    case kPeriod: isSound = ReadNumber(c, tag, &head_.period); break;
    case kPeriodType:
      // A second one would be merged with the first.
      isSound = (tag & 7) == 2 && periodType_.to == 0 && Enter(c, &inner);
      if (isSound) periodType_ = {place(inner.at), place(inner.end)};
      break;
    case kComment:
      isSound = EachNumber(c, tag, [&](uint64_t string) {
        if (string > INT32_MAX || head_.comments.size() == kMaxMessages) return false;
        head_.comments.push_back(static_cast<uint32_t>(string));
        return true;
      });
      break;
    default: isSound = otlp::Skip(c, tag);
  }
  if (isSound) rest_.push_back({place(start), place(c.at)});
  return isSound;
}

bool File::ReadStrings() {
  // The first is always "".
  if (strings_.empty() || strings_[0].from != strings_[0].to) return false;
  stringKeys_.resize(hasKeys_ ? strings_.size() : 0);
  for (size_t row = 0; row < strings_.size(); row++) {
    const Cursor text = At(strings_[row]);
    if (!otlp::IsUtf8(text)) return false;
    if (!hasKeys_) continue;
    KeyMixer mixer;
    mixer.Bytes(text);
    stringKeys_[row] = mixer.key();
  }
  for (const uint32_t string : {head_.dropFrames, head_.keepFrames, head_.docUrl, head_.defaultSampleType})
    if (string >= strings_.size()) return false;
  for (const uint32_t string : head_.comments)
    if (string >= strings_.size()) return false;
  return true;
}

std::string_view File::text(uint32_t string) const {
  const Part part = strings_[string];
  return {reinterpret_cast<const char*>(base_ + part.from), part.to - part.from};
}

bool File::ReadIndex(Cursor& c, uint32_t tag, uint32_t* index) const {
  uint64_t number;
  if (!ReadNumber(c, tag, &number) || number >= strings_.size()) return false;
  *index = static_cast<uint32_t>(number);
  return true;
}

bool File::ReadValueType(Part part, ValueType* type) const {
  return EachOwnField(At(part), [&](Cursor& c, uint32_t tag) {
    if (tag >> 3 > 2) return otlp::Skip(c, tag);
    return ReadIndex(c, tag, tag >> 3 == 1 ? &type->type : &type->unit);
  });
}

bool File::ReadTypes() {
  types_.resize(sampleTypes_.size());
  for (size_t i = 0; i < sampleTypes_.size(); i++)
    if (!ReadValueType(sampleTypes_[i], &types_[i])) return false;
  return ReadValueType(periodType_, &head_.periodType);
}

bool File::ReadMappings() {
  mappingIds_.Begin(mappings_.size());
  mappingFiles_.assign(mappings_.size(), 0);
  for (uint32_t row = 0; row < mappings_.size(); row++) {
    uint64_t id = 0;
    const bool isSound = EachOwnField(At(mappings_[row]), [&](Cursor& c, uint32_t tag) {
      uint64_t number;
      uint32_t buildId = 0;
      switch (tag >> 3) {
        case 1: return ReadNumber(c, tag, &id);
        case 5: return ReadIndex(c, tag, &mappingFiles_[row]);
        case 6: {
          if (!ReadIndex(c, tag, &buildId)) return false;
          mappingStrings_.push_back(buildId);
          return true;
        }
        default: return tag >> 3 > 10 ? otlp::Skip(c, tag) : ReadNumber(c, tag, &number);
      }
    });
    if (!isSound || !mappingIds_.Add(id, row)) return false;
    mappingStrings_.push_back(mappingFiles_[row]);
  }
  return true;
}

bool File::ReadFunctions() {
  functionIds_.Begin(functions_.size());
  functionKeys_.resize(hasKeys_ ? functions_.size() : 0);
  for (uint32_t row = 0; row < functions_.size(); row++) {
    uint64_t id = 0, line = 0;
    uint32_t texts[3] = {0, 0, 0};
    const bool isSound = EachOwnField(At(functions_[row]), [&](Cursor& c, uint32_t tag) {
      const uint32_t field = tag >> 3;
      if (field == 1) return ReadNumber(c, tag, &id);
      if (field <= 4) return ReadIndex(c, tag, &texts[field - 2]);
      return field == 5 ? ReadNumber(c, tag, &line) : otlp::Skip(c, tag);
    });
    if (!isSound || !functionIds_.Add(id, row)) return false;
    if (!hasKeys_) continue;
    KeyMixer mixer;
    for (const uint32_t text : texts) mixer.Key(stringKeys_[text]);
    mixer.Word(line);
    functionKeys_[row] = mixer.key();
  }
  return true;
}

bool File::ReadLocations() {
  locationIds_.Begin(locations_.size());
  locationKeys_.resize(hasKeys_ ? locations_.size() : 0);
  for (uint32_t row = 0; row < locations_.size(); row++)
    if (!ReadLocation(row)) return false;
  return true;
}

bool File::ReadLocation(uint32_t row) {
  uint64_t id = 0, mapping = 0, address = 0;
  KeyMixer mixer;
  const bool isSound = EachOwnField(At(locations_[row]), [&](Cursor& c, uint32_t tag) {
    uint64_t number;
    Cursor inner;
    switch (tag >> 3) {
      case 1: return ReadNumber(c, tag, &id);
      case 2: return ReadNumber(c, tag, &mapping);
      case 3: return ReadNumber(c, tag, &address);
      case 4: return (tag & 7) == 2 && Enter(c, &inner) && ReadLine(inner, &mixer);
      case 5: return ReadNumber(c, tag, &number);
      default: return otlp::Skip(c, tag);
    }
  });
  if (!isSound || !locationIds_.Add(id, row)) return false;
  uint32_t mappingRow = 0;
  if (mapping != 0 && !mappingIds_.Find(mapping, &mappingRow)) return false;
  areLocationIdsRows_ &= id == row + 1;
  if (!hasKeys_) return true;
  mixer.Word(address);
  mixer.Key(stringKeys_[mapping == 0 ? 0 : mappingFiles_[mappingRow]]);
  locationKeys_[row] = mixer.key();
  return true;
}

bool File::ReadLine(Cursor c, KeyMixer* mixer) const {
  uint64_t function = 0, line = 0, column = 0;
  const bool isSound = EachOwnField(c, [&](Cursor& at, uint32_t tag) {
    switch (tag >> 3) {
      case 1: return ReadNumber(at, tag, &function);
      case 2: return ReadNumber(at, tag, &line);
      case 3: return ReadNumber(at, tag, &column);
      default: return otlp::Skip(at, tag);
    }
  });
  uint32_t row;
  if (!isSound || !functionIds_.Find(function, &row)) return false;
  if (!hasKeys_) return true;
  mixer->Key(functionKeys_[row]);
  mixer->Word(line);
  return true;
}

bool File::ReadLabel(Cursor c, Label* label) const {
  *label = {};
  const bool isSound = EachOwnField(c, [&](Cursor& at, uint32_t tag) {
    uint64_t number;
    switch (tag >> 3) {
      case 1: return ReadIndex(at, tag, &label->key);
      case 2: return ReadIndex(at, tag, &label->str);
      case 3:
        if (!ReadNumber(at, tag, &number)) return false;
        label->num = static_cast<int64_t>(number);
        return true;
      case 4: return ReadIndex(at, tag, &label->unit);
      default: return otlp::Skip(at, tag);
    }
  });
  return isSound && (label->str == 0 || label->num == 0);
}

bool File::ReadSample(Part sample, int64_t* values, ContentKey* key) const {
  KeyMixer stack;
  ContentKey labels;
  const auto onLocation = [&](uint64_t id) {
    uint32_t row;
    if (!LocationOf(id, &row)) return false;
    stack.Key(locationKeys_[row]);
    return true;
  };
  const auto onLabel = [&](const Label& label) {
    KeyMixer mixer;
    for (const uint32_t text : {label.key, label.str, label.unit}) mixer.Key(stringKeys_[text]);
    mixer.Word(static_cast<uint64_t>(label.num));
    const ContentKey one = mixer.key();
    // A sum: the order of labels means nothing.
    labels.a += one.a;
    labels.b += one.b;
    return true;
  };
  const bool isSound = ReadSampleParts(sample, values, onLocation, onLabel);
  stack.Key(labels);
  *key = stack.key();
  return isSound;
}

}  // namespace otelcodecs::pprof
