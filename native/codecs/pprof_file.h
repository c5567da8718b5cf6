// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "compression.h"
#include "content_key.h"
#include "otlp_wire.h"

namespace otelcodecs::pprof {

using otlp::Cursor;

/// A message of a file, or a field with its tag, by offsets.
struct Part {
  uint32_t from;
  uint32_t to;
};

/// Fields of Profile. Source: https://github.com/google/pprof/blob/main/proto/profile.proto
enum Field : uint32_t {
  kSampleType = 1,
  kSample = 2,
  kMapping = 3,
  kLocation = 4,
  kFunction = 5,
  kString = 6,
  kDropFrames = 7,
  kKeepFrames = 8,
  kTimeNanos = 9,
  kDurationNanos = 10,
  kPeriodType = 11,
  kPeriod = 12,
  kComment = 13,
  kDefaultSampleType = 14,
  kDocUrl = 15,
};

/// Leads from ids, which files choose freely, to rows. Ids that are spread widely are refused.
class IdRows {
 public:
  void Begin(size_t rows);
  /// False for 0, for an id that is there, and for one far beyond the number of rows.
  bool Add(uint64_t id, uint32_t row);
  bool Find(uint64_t id, uint32_t* row) const {
    if (id >= rowPlusOne_.size() || rowPlusOne_[id] == 0) return false;
    *row = rowPlusOne_[id] - 1;
    return true;
  }

 private:
  std::vector<uint32_t> rowPlusOne_;
};

struct ValueType {
  uint32_t type = 0;
  uint32_t unit = 0;
};

/// What the fields behind the tables say.
struct Head {
  uint32_t dropFrames = 0;
  uint32_t keepFrames = 0;
  uint32_t docUrl = 0;
  uint32_t defaultSampleType = 0;
  uint64_t timeNanos = 0;
  uint64_t durationNanos = 0;
  uint64_t period = 0;
  ValueType periodType;
  std::vector<uint32_t> comments;
};

struct Label {
  uint32_t key = 0;
  uint32_t str = 0;
  uint32_t unit = 0;
  int64_t num = 0;
};

/// Calls `field(c, tag)` for each field of a message; false as soon as one is wrong, or its tag is longer than it need be.
template <typename OnField>
OTLP_INLINE bool EachOwnField(Cursor c, OnField field) {
  return otlp::EachPlacedField(c, [&](Cursor& at, uint32_t tag, const uint8_t* start) {
    return (tag >= 0x80 || at.at - start == 1) && field(at, tag);
  });
}

/// Calls `take` with each number of a repeated field, packed or not; false where it is none, or `take` says so.
template <typename Take>
OTLP_INLINE bool EachNumber(Cursor& c, uint32_t tag, Take take) {
  uint64_t number;
  if ((tag & 7) == 0) return otlp::ReadVarint(c, &number) && take(number);
  Cursor inner;
  if ((tag & 7) != 2 || !otlp::Enter(c, &inner)) return false;
  while (inner.at < inner.end)
    if (!otlp::ReadVarint(inner, &number) || !take(number)) return false;
  return true;
}

/// A pprof file without gzip: where its messages are, and keys of what they say. Holds the file, which must outlive it.
class File {
 public:
  /// Of a file with more messages the keys would take too much memory.
  static constexpr size_t kMaxMessages = 1 << 20;

  /// False where any rule of the format is broken, or anything is unusual; then nothing else may be asked. What it
  /// accepts src/codecs/pprof/decode.ts accepts. Without `keys` no key may be asked for.
  bool Read(Input file, bool keys);

  std::span<const Part> samples() const { return samples_; }
  std::span<const Part> mappings() const { return mappings_; }
  std::span<const Part> locations() const { return locations_; }
  std::span<const Part> functions() const { return functions_; }
  std::span<const Part> strings() const { return strings_; }
  /// Fields behind these, with their tags, but for sample types and the duration.
  std::span<const Part> rest() const { return rest_; }
  std::span<const ValueType> types() const { return types_; }
  const Head& head() const { return head_; }
  /// Strings of mappings.
  std::span<const uint32_t> mappingStrings() const { return mappingStrings_; }

  Cursor At(Part part) const { return {base_ + part.from, base_ + part.to}; }
  std::string_view text(uint32_t string) const;
  const ContentKey& stringKey(uint32_t string) const { return stringKeys_[string]; }

  /// Rows of the tables, by id. Where ids of locations are rows, id 1 is row 0, and so on.
  bool MappingOf(uint64_t id, uint32_t* row) const { return mappingIds_.Find(id, row); }
  bool areLocationIdsRows() const { return areLocationIdsRows_; }
  bool LocationOf(uint64_t id, uint32_t* row) const { return locationIds_.Find(id, row); }
  bool FunctionOf(uint64_t id, uint32_t* row) const { return functionIds_.Find(id, row); }

  /// Reads a sample: as many values as there are types. `key` says what its stack and its labels say; the order of labels
  /// means nothing.
  bool ReadSample(Part sample, int64_t* values, ContentKey* key) const;
  /// The same for whoever wants to know of each location (by its id, which need not exist) and each label, and may refuse it.
  template <typename OnLocation, typename OnLabel>
  bool ReadSampleParts(Part sample, int64_t* values, OnLocation onLocation, OnLabel onLabel) const;
  bool ReadLabel(Cursor c, Label* label) const;

 private:
  bool ReadLayout();
  bool ReadRest(Cursor& c, uint32_t tag, const uint8_t* start);
  bool ReadStrings();
  bool ReadTypes();
  bool ReadMappings();
  bool ReadFunctions();
  bool ReadLocations();
  bool ReadLocation(uint32_t row);
  bool ReadLine(Cursor c, KeyMixer* mixer) const;
  bool ReadIndex(Cursor& c, uint32_t tag, uint32_t* index) const;
  bool ReadValueType(Part part, ValueType* type) const;

  bool hasKeys_ = false;
  bool areLocationIdsRows_ = true;
  const uint8_t* base_ = nullptr;
  size_t size_ = 0;
  std::vector<Part> sampleTypes_, samples_, mappings_, locations_, functions_, strings_, rest_;
  std::vector<ValueType> types_;
  std::vector<uint32_t> mappingStrings_, mappingFiles_;
  std::vector<ContentKey> stringKeys_, functionKeys_, locationKeys_;
  IdRows mappingIds_, functionIds_, locationIds_;
  Part periodType_{0, 0};
  Head head_;
};

template <typename OnLocation, typename OnLabel>
OTLP_INLINE bool File::ReadSampleParts(Part sample, int64_t* values, OnLocation onLocation, OnLabel onLabel) const {
  size_t count = 0;
  const bool isSound = EachOwnField(At(sample), [&](Cursor& c, uint32_t tag) {
    Cursor inner;
    Label label;
    switch (tag >> 3) {
      case 1:
        return EachNumber(c, tag, onLocation);
      case 2:
        return EachNumber(c, tag, [&](uint64_t value) {
          if (count == types_.size()) return false;
          values[count++] = static_cast<int64_t>(value);
          return true;
        });
      case 3:
        return (tag & 7) == 2 && otlp::Enter(c, &inner) && ReadLabel(inner, &label) && onLabel(label);
      default: return otlp::Skip(c, tag);
    }
  });
  return isSound && count == types_.size();
}

}  // namespace otelcodecs::pprof
