// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "sample_window.h"

namespace otelprof {

/// Threads that are off the CPU, with the stack they left with. Bounded in entries and in frames: the one
/// that is away longest goes first, counted. Belongs to the profiler thread.
class OffCpuThreads {
 public:
  /// Thread id and start time: ids are used again.
  using Key = std::pair<uint32_t, uint64_t>;
  struct Away {
    SampleWindow::Sample sample{};
    std::shared_ptr<const ProcessInfo> process;
    std::vector<op_frame> stack;
    LabelSet labels;
    op_span_context span{};
    /// What the frames name, kept from being forgotten meanwhile.
    std::vector<std::shared_ptr<ProfiledFile>> files;
    uint64_t sinceNs = 0;
  };

  OffCpuThreads(size_t maxThreads, size_t maxFrames) : maxThreads_(maxThreads), maxFrames_(maxFrames) {}

  void Left(const Key& key, Away away);
  /// What the thread left with; nothing if that was not seen, or is gone.
  std::optional<Away> CameBack(const Key& key);
  /// Nobody will come back any more: counts all as abandoned.
  void Abandon();

  size_t size() const { return byKey_.size(); }
  uint64_t evicted() const { return evicted_; }
  /// Left again without having come back: the end was lost.
  uint64_t replaced() const { return replaced_; }
  uint64_t abandoned() const { return abandoned_; }

 private:
  using Entry = std::pair<Key, Away>;
  void Remove(std::list<Entry>::iterator entry);

  size_t maxThreads_;
  size_t maxFrames_;
  size_t frames_ = 0;
  std::list<Entry> order_;  // longest away first
  std::map<Key, std::list<Entry>::iterator> byKey_;
  uint64_t evicted_ = 0;
  uint64_t replaced_ = 0;
  uint64_t abandoned_ = 0;
};

}  // namespace otelprof
