// SPDX-License-Identifier: Apache-2.0
#include "sample_window.h"

#include <cstring>

namespace otelprof {
namespace {

// Bounds for a window nobody collects: 24 B an event, 16 B a frame.
constexpr size_t kMaxEvents = 2u << 20;
constexpr size_t kMaxFrames = 4u << 20;
constexpr size_t kMaxLabelSets = 64u << 10;
constexpr size_t kMaxSpans = 64u << 10;

uint64_t HashBytes(const void* data, size_t size) {
  const auto* bytes = static_cast<const uint8_t*>(data);
  uint64_t hash = size * 0x9e3779b97f4a7c15u;
  for (; size >= 8; bytes += 8, size -= 8) {
    uint64_t word;
    std::memcpy(&word, bytes, sizeof(word));
    hash = (hash ^ word) * 0xff51afd7ed558ccdu;
    hash ^= hash >> 32;
  }
  return hash;
}

static_assert(sizeof(op_frame) % 8 == 0 && sizeof(SampleWindow::Sample) % 8 == 0);

}  // namespace

uint32_t SampleWindow::ProcessIndex(const std::shared_ptr<const ProcessInfo>& process) {
  const auto [it, isNew] = processIndex_.try_emplace(process.get(), static_cast<uint32_t>(processes_.size()));
  if (isNew) processes_.push_back(process);
  return it->second;
}

uint32_t SampleWindow::LabelsIndex(const LabelSet& labels) {
  // A program may set another value with each sample.
  if (labels.empty() || labelSets_.size() >= kMaxLabelSets) return 0;
  const auto [it, isNew] = labelsIndex_.try_emplace(labels, static_cast<uint32_t>(labelSets_.size()));
  if (isNew) labelSets_.push_back(labels);
  return it->second;
}

uint32_t SampleWindow::SpanIndex(const op_span_context& span) {
  std::array<uint8_t, sizeof(span)> bytes;
  std::memcpy(bytes.data(), &span, sizeof(span));
  if (!HasTrace(span)) return 0;
  const auto known = spanIndex_.find(bytes);
  if (known != spanIndex_.end()) return known->second;
  const size_t row = spans_.size() / sizeof(span);
  // A server may begin another span with each sample.
  if (row > kMaxSpans) return 0;
  spans_.insert(spans_.end(), bytes.begin(), bytes.end());
  spanIndex_.emplace(bytes, static_cast<uint32_t>(row));
  return static_cast<uint32_t>(row);
}

uint32_t SampleWindow::StackIndex(std::span<const op_frame> stack) {
  const uint64_t hash = HashBytes(stack.data(), stack.size_bytes());
  const auto [first, last] = stackByHash_.equal_range(hash);
  for (auto it = first; it != last; ++it) {
    const auto known = this->stack(it->second);
    if (known.size() == stack.size() && std::memcmp(known.data(), stack.data(), stack.size_bytes()) == 0)
      return it->second;
  }
  const uint32_t index = static_cast<uint32_t>(stackCount());
  frames_.insert(frames_.end(), stack.begin(), stack.end());
  stackStart_.push_back(static_cast<uint32_t>(frames_.size()));
  stackByHash_.emplace(hash, index);
  return index;
}

bool SampleWindow::Add(Sample sample, std::span<const op_frame> stack, uint64_t timeNs, uint64_t value) {
  if (events_.size() >= kMaxEvents || frames_.size() + stack.size() > kMaxFrames) return false;
  sample.stack = StackIndex(stack);
  const uint64_t hash = HashBytes(&sample, sizeof(sample));
  const auto [first, last] = sampleByHash_.equal_range(hash);
  uint32_t index = static_cast<uint32_t>(samples_.size());
  for (auto it = first; it != last; ++it)
    if (std::memcmp(&samples_[it->second], &sample, sizeof(sample)) == 0) index = it->second;
  if (index == samples_.size()) {
    samples_.push_back(sample);
    sampleByHash_.emplace(hash, index);
  }
  events_.push_back({index, timeNs, value});
  return true;
}

}  // namespace otelprof
