// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace otelprof {

/// Section ids of docs/specs/profile-block.md.
enum class BlockSection : uint32_t {
  StringOffsets = 1,
  StringBytes = 2,
  ProcessPid = 10,
  ProcessName = 11,
  ProcessPath = 12,
  ProcessContainer = 13,
  ProcessEnvStart = 14,
  EnvKey = 15,
  EnvValue = 16,
  ProcessStartNs = 17,
  ProcessCgroup = 18,
  MappingStart = 20,
  MappingLimit = 21,
  MappingOffset = 22,
  MappingFile = 23,
  MappingBuildId = 24,
  MappingGoBuildId = 25,
  MappingHtlHash = 26,
  FunctionName = 30,
  FunctionSystemName = 31,
  FunctionFile = 32,
  FunctionStartLine = 33,
  LocationMapping = 40,
  LocationAddress = 41,
  LocationFrameType = 42,
  LocationLineStart = 43,
  LineFunction = 44,
  LineLine = 45,
  LineColumn = 46,
  StackStart = 50,
  StackLocation = 51,
  SampleProcess = 60,
  SampleKind = 61,
  SampleStack = 62,
  SampleTid = 63,
  SampleCpu = 64,
  SampleComm = 65,
  SampleFlags = 66,
  SampleTimeStart = 67,
  TimeNs = 68,
  TimeValue = 69,
  SampleProbe = 70,
  SampleLabels = 71,
  LabelsStart = 72,
  LabelKey = 73,
  LabelValue = 74,
  SampleSpan = 75,
  SpanContexts = 76,
  AttributeStart = 80,
  AttributeKey = 81,
  AttributeValue = 82,
  AttributeKind = 83,
};

/// Puts columns behind one another. The columns must stay as they are until Finish.
class BlockAssembler {
 public:
  template <typename T>
  void Add(BlockSection id, const std::vector<T>& column) {
    parts_.push_back({static_cast<uint32_t>(id), static_cast<uint32_t>(column.size()),
                      reinterpret_cast<const uint8_t*>(column.data()), column.size() * sizeof(T)});
  }

  std::vector<uint8_t> Finish(uint64_t startUnixNs, uint64_t endUnixNs) const {
    constexpr uint32_t kMagic = 0x4b42504f;
    constexpr uint32_t kVersion = 1;
    constexpr size_t kHeaderBytes = 32, kEntryBytes = 16;
    const auto aligned = [](size_t size) { return (size + 7) & ~size_t{7}; };
    size_t size = kHeaderBytes + parts_.size() * kEntryBytes;
    for (const Part& part : parts_) size += aligned(part.bytes);

    std::vector<uint8_t> out(size);
    const uint32_t head[] = {kMagic, kVersion, static_cast<uint32_t>(size), static_cast<uint32_t>(parts_.size())};
    std::memcpy(out.data(), head, sizeof(head));
    std::memcpy(out.data() + 16, &startUnixNs, sizeof(startUnixNs));
    std::memcpy(out.data() + 24, &endUnixNs, sizeof(endUnixNs));
    size_t entry = kHeaderBytes;
    size_t at = kHeaderBytes + parts_.size() * kEntryBytes;
    for (const Part& part : parts_) {
      const uint32_t row[] = {part.id, part.count, static_cast<uint32_t>(at), static_cast<uint32_t>(part.bytes)};
      std::memcpy(out.data() + entry, row, sizeof(row));
      if (part.bytes) std::memcpy(out.data() + at, part.data, part.bytes);
      entry += kEntryBytes;
      at += aligned(part.bytes);
    }
    return out;
  }

 private:
  struct Part {
    uint32_t id;
    uint32_t count;
    const uint8_t* data;
    size_t bytes;
  };
  std::vector<Part> parts_;
};

/// Strings once each; row 0 is "".
class StringColumn {
 public:
  StringColumn() { Add(""); }

  int32_t Add(std::string_view text) {
    const auto found = index_.find(text);
    if (found != index_.end()) return found->second;
    const int32_t row = static_cast<int32_t>(offsets_.size()) - 1;
    bytes_.insert(bytes_.end(), text.begin(), text.end());
    offsets_.push_back(static_cast<uint32_t>(bytes_.size()));
    index_.emplace(std::string(text), row);
    return row;
  }

  const std::vector<uint32_t>& offsets() const { return offsets_; }
  const std::vector<uint8_t>& bytes() const { return bytes_; }

 private:
  struct Hash {
    using is_transparent = void;
    size_t operator()(std::string_view text) const { return std::hash<std::string_view>()(text); }
  };
  std::vector<uint32_t> offsets_{0};
  std::vector<uint8_t> bytes_;
  std::unordered_map<std::string, int32_t, Hash, std::equal_to<>> index_;
};

}  // namespace otelprof
