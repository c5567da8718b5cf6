// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "dwarf/sections.h"
#include "profiled_file.h"

namespace otelprof {

/// The thread that reads DWARF for the addresses of a window, one unit of one file at a time and files in
/// turn, so that a huge binary delays neither unwind tables (another thread's) nor other binaries. What is
/// held stays under a byte budget; the unit unused for longest goes first.
class LineWorker {
 public:
  struct Stats {
    std::atomic<uint64_t> unitsLoaded{0};
    std::atomic<uint64_t> evictions{0};
    std::atomic<uint64_t> bytes{0};
    std::atomic<uint64_t> addressesRefused{0};
  };
  /// Lines and inlined functions of all files together.
  static constexpr uint64_t kMaxBytes = 48u << 20;

  explicit LineWorker(uint64_t maxBytes = kMaxBytes);
  ~LineWorker();
  LineWorker(const LineWorker&) = delete;
  LineWorker& operator=(const LineWorker&) = delete;

  /// Files without DWARF are passed over. Beyond a bound on waiting addresses the rest is refused and
  /// counted; the next window may ask again.
  void Queue(std::shared_ptr<ProfiledFile> file, std::vector<uint64_t> addresses);
  /// Waits until nothing is queued, or the deadline.
  void WaitIdle(std::chrono::milliseconds limit);
  void Stop();

  const Stats& stats() const { return stats_; }
  size_t queued() const;
  uint64_t cpuNs() const;

 private:
  struct Job {
    std::shared_ptr<ProfiledFile> file;
    std::vector<uint64_t> addresses;  // the last one is next
  };
  void Run();
  bool Step(Job* job);
  void MakeRoom(const std::shared_ptr<ProfiledFile>& used);

  const uint64_t maxBytes_;
  Stats stats_;
  std::vector<std::weak_ptr<DwarfFile>> files_;  // worker thread only

  mutable std::mutex mutex_;
  std::condition_variable wake_;
  std::condition_variable idle_;
  std::deque<Job> jobs_;
  size_t waiting_ = 0;  // addresses in jobs_
  bool busy_ = false;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace otelprof
