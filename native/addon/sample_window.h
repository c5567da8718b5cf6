// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "process_info.h"
#include "profiled_file.h"
#include "user_frames.h"

namespace otelprof {

/// What was sampled between two collects. Stacks are kept once, found by a 64-bit hash and compared frame
/// by frame; samples once per (process, stack, thread, CPU, flags, labels, span).
class SampleWindow {
 public:
  struct Sample {
    uint32_t process;
    uint32_t stack;
    uint32_t tid;
    uint32_t cpu;
    uint8_t kind;
    uint8_t flags;  // bit 0 cut at the depth limit, bit 1 stopped early
    uint16_t probe;  // of kind OP_SAMPLE_PROBE
    uint32_t labels;  // of labelSets()
    uint32_t span;  // of spans()
    uint32_t reserved;
    char comm[OP_COMM_LEN];
  };
  struct Event {
    uint32_t sample;
    uint64_t timeNs;  // CLOCK_BOOTTIME
    uint64_t value;
  };

  /// Sample::flags of a record. A walk that user space was to go on with, and did not, stopped early.
  static uint8_t FlagsOf(const op_sample& head) {
    return static_cast<uint8_t>((head.flags & OP_SAMPLE_TRUNCATED ? 1 : 0) |
                                (head.flags & (OP_SAMPLE_ERROR | OP_SAMPLE_RESUME) ? 2 : 0));
  }

  explicit SampleWindow(uint64_t startUnixNs) : startUnixNs_(startUnixNs), stackStart_{0} {}

  /// False, and nothing kept, when the window holds all it may.
  bool Add(Sample sample, std::span<const op_frame> stack, uint64_t timeNs, uint64_t value);
  uint32_t ProcessIndex(const std::shared_ptr<const ProcessInfo>& process);
  /// Row of a label set; 0 is the empty one.
  uint32_t LabelsIndex(const LabelSet& labels);
  /// Row of a span context; 0 is the one of all zeroes, and of those without a trace id.
  uint32_t SpanIndex(const op_span_context& span);
  void KeepFile(const std::shared_ptr<ProfiledFile>& file) { files_.try_emplace(file->id(), file); }

  uint64_t startUnixNs() const { return startUnixNs_; }
  const std::vector<Sample>& samples() const { return samples_; }
  const std::vector<Event>& events() const { return events_; }
  const std::vector<std::shared_ptr<const ProcessInfo>>& processes() const { return processes_; }
  const std::vector<LabelSet>& labelSets() const { return labelSets_; }
  const std::unordered_map<uint32_t, std::shared_ptr<ProfiledFile>>& files() const { return files_; }
  /// Rows of op_span_context, packed.
  const std::vector<uint8_t>& spans() const { return spans_; }
  size_t stackCount() const { return stackStart_.size() - 1; }
  std::span<const op_frame> stack(size_t index) const {
    return std::span(frames_).subspan(stackStart_[index], stackStart_[index + 1] - stackStart_[index]);
  }

 private:
  uint32_t StackIndex(std::span<const op_frame> stack);

  uint64_t startUnixNs_;
  std::vector<op_frame> frames_;
  std::vector<uint32_t> stackStart_;
  std::unordered_multimap<uint64_t, uint32_t> stackByHash_;
  std::vector<Sample> samples_;
  std::unordered_multimap<uint64_t, uint32_t> sampleByHash_;
  std::vector<Event> events_;
  std::vector<std::shared_ptr<const ProcessInfo>> processes_;
  std::unordered_map<const ProcessInfo*, uint32_t> processIndex_;
  std::vector<LabelSet> labelSets_{{}};
  std::map<LabelSet, uint32_t> labelsIndex_;
  std::vector<uint8_t> spans_ = std::vector<uint8_t>(sizeof(op_span_context));
  std::map<std::array<uint8_t, sizeof(op_span_context)>, uint32_t> spanIndex_;
  std::unordered_map<uint32_t, std::shared_ptr<ProfiledFile>> files_;
};

}  // namespace otelprof
