// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "runtime.h"

namespace otelprof {

struct CodeNameStats;
struct ProcessInfo;

/// The thread that reads names from living processes. It does nothing else: a process may end any moment, and
/// must not wait for a binary to be parsed.
class Namer {
 public:
  struct Stats {
    std::array<std::atomic<uint64_t>, 5> outcomes{};  // by ReadOutcome
    std::atomic<uint64_t> droppedQueueFull{0};
  };

  /// `codeNames` counts for as long as this lives.
  explicit Namer(CodeNameStats* codeNames);
  ~Namer();
  Namer(const Namer&) = delete;
  Namer& operator=(const Namer&) = delete;

  /// Cheap; what exceeds the queue is dropped and counted, and asked for again by a later sample.
  void Queue(std::shared_ptr<const ProcessInfo> process, std::shared_ptr<const RuntimeFile> file, FunctionKey key);
  /// Looks for what names the process's generated code, and reads it; wakes the thread.
  void QueueGeneratedCode(std::shared_ptr<const ProcessInfo> process);
  /// Wakes the thread; once for what was queued together.
  void Wake();
  /// Waits until the queue was empty once, or the deadline.
  void WaitIdle(std::chrono::milliseconds limit);

  const Stats& stats() const { return stats_; }
  uint64_t cpuNs() const;

 private:
  struct Job {
    std::shared_ptr<const ProcessInfo> process;
    std::shared_ptr<const RuntimeFile> file;  // nullptr: generated code
    FunctionKey key;
  };

  void Run();
  void Name(const Job& job);

  CodeNameStats* const codeNames_;
  Stats stats_;
  mutable std::mutex mutex_;
  std::condition_variable wake_;
  std::condition_variable idle_;
  std::vector<Job> jobs_;
  bool busy_ = false;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace otelprof
