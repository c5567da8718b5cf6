// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <span>

namespace otelcodecs::otlp {

// The contract of everything here is src/native/otlp-functions.ts, which has the same names and numbers.

enum class Revision : uint8_t { k1x8, k1x9, k1x10 };

/// Field numbers of the tables in ProfilesDictionary, and how many there are with 0.
enum TableField : uint32_t {
  kMappings = 1,
  kLocations,
  kFunctions,
  kLinks,
  kStrings,
  kAttributes,
  kStacks,
  kTableFields,
};

namespace dictionary_fact {
enum : size_t {
  kRows = 0,
  kFirst = 8,
  kLast = 16,
  kApart = 24,
  kMappingAttributes = 32,
  kLocationAttributes,
  kLines,
  kFrames,
  kNestedValues,
  kRefers,
  kStartLines,
  kColumns,
  kLineNumbers,
  kUnknownFields,
  kSize = 48,
};
}

namespace profiles_fact {
enum : size_t {
  kPerResource = 4,
  kScopes = 0,
  kProfiles,
  kSamples,
  kAttributes,
  kSampleAttributes,
  kValues,
  kTimestamps,
  kProfileAttributes,
  kSize,
};
}

namespace samples_fact {
enum : size_t { kSamples, kAttributes, kValues, kTimestamps, kLinks, kOneValueEach, kSize = 8 };
}

/// `all[from .. to]`; the caller has checked that this is a range of `all`, and that offsets fit 32 bits.
struct Message {
  std::span<const uint8_t> all;
  uint32_t from;
  uint32_t to;
};

bool ScanDictionary(Message message, std::span<uint32_t> out);
bool ScanProfiles(Message message, Revision revision, std::span<const uint32_t> rows,
                  std::span<uint32_t> out);

struct StringColumns {
  std::span<uint32_t> start, end;
};
struct FunctionColumns {
  std::span<int32_t> name, systemName, filename;
  std::span<int64_t> startLine;
};
struct MappingColumns {
  std::span<uint64_t> memoryStart, memoryLimit, fileOffset;
  std::span<int32_t> filename;
  std::span<uint32_t> attributeStart;
  std::span<int32_t> attributes;
};
struct LocationColumns {
  std::span<int32_t> mapping;
  std::span<uint64_t> address;
  std::span<uint32_t> attributeStart;
  std::span<int32_t> attributes;
  std::span<uint32_t> lineStart;
  std::span<int32_t> lineFunction;
  std::span<int64_t> lineLine, lineColumn;
};
struct StackColumns {
  std::span<uint32_t> start;
  std::span<int32_t> locations;
};
struct LinkColumns {
  std::span<uint8_t> traceIds, spanIds;
};
struct AttributeColumns {
  std::span<int32_t> key, unit;
  std::span<uint32_t> start, end;
};
struct SampleColumns {
  std::span<int32_t> stack, link;
  std::span<uint32_t> attributeStart;
  std::span<int32_t> attributes;
  std::span<uint32_t> valueStart;
  std::span<int64_t> values;
  std::span<uint32_t> timestampStart;
  std::span<uint64_t> timestamps;
};

bool FillStrings(Message message, const StringColumns& out);
bool FillFunctions(Message message, const FunctionColumns& out);
bool FillMappings(Message message, const MappingColumns& out);
bool FillLocations(Message message, const LocationColumns& out);
bool FillStacks(Message message, const StackColumns& out);
bool FillLinks(Message message, const LinkColumns& out);
bool FillAttributes(Message message, const AttributeColumns& out);

bool CountSamples(Message message, Revision revision, std::span<uint32_t> out);
bool FillSamples(Message message, Revision revision, const SampleColumns& out);

}  // namespace otelcodecs::otlp
