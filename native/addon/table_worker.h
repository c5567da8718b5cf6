// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "bpf_session.h"
#include "options.h"
#include "process_info.h"
#include "profiled_file.h"
#include "symbol_store.h"

namespace otelprof {

/// The thread that parses binaries: unwind tables first, then names. Updating a map of maps waits for an
/// RCU grace period, so nobody else does it. Unwind tables stay under a byte budget; the one unused for longest
/// goes first.
class TableWorker {
 public:
  struct Stats {
    std::atomic<uint64_t> tablesLoaded{0};
    std::atomic<uint64_t> tablesEvicted{0};
    std::atomic<uint64_t> tablesFailed{0};
    std::atomic<uint64_t> tableBytes{0};
    std::atomic<uint64_t> rowsUnsupported{0};
    DwarfErrors dwarfErrors;  // of files as they are opened here and of units as others read them
    std::atomic<uint64_t> runtimeFiles{0};
    std::atomic<uint64_t> runtimesUnknown{0};
    std::atomic<uint64_t> runtimesFull{0};
  };

  /// `session` may be nullptr (perf mode): tables then stay with their file.
  TableWorker(BpfSession* session, const Options& options, std::unique_ptr<SymbolCache> cache = nullptr);
  ~TableWorker();
  TableWorker(const TableWorker&) = delete;
  TableWorker& operator=(const TableWorker&) = delete;

  void QueueTable(std::shared_ptr<ProfiledFile> file);
  /// Asks for a copy of the table in user space; does nothing while one is there or on its way.
  void QueueCopy(const std::shared_ptr<ProfiledFile>& file);
  void QueueSymbols(std::shared_ptr<ProfiledFile> file);
  /// The symbols of a file, loaded by the worker thread while the caller waits; nullptr after the deadline, or
  /// where the file cannot be read.
  std::shared_ptr<const FileSymbols> SymbolsOf(const std::shared_ptr<ProfiledFile>& file,
                                               std::chrono::steady_clock::time_point deadline);
  void QueueTrim();
  /// After a batch of look-ups: gives back what they took of the page cache.
  void RestSymbols() const {
    if (cache_) cache_->Rest();
  }
  void QueueDebugFile(std::string buildId, std::string path);
  std::vector<std::string> TakeBareFiles() { return symbols_.TakeBare(); }
  void QueueRemoval(uint32_t file);
  /// Waits until the queue was empty once, or the deadline.
  void WaitIdle(std::chrono::milliseconds limit);
  void Stop();

  /// Files keep a pointer to the counters of DWARF: they go before this object.
  const Stats& stats() const { return stats_; }
  const SymbolStore::Stats& symbolStats() const { return symbols_.stats(); }
  /// nullptr where there is no cache.
  const SymbolCache::Stats* cacheStats() const { return cache_ ? &cache_->stats() : nullptr; }
  size_t queued() const;
  uint64_t cpuNs() const;

 private:
  struct Job {
    std::function<void()> run;
    uint32_t file = 0;  // of tables only
  };
  void Push(std::deque<Job>* queue, Job job);
  void Hurry(uint32_t file);
  void SetUrgent(bool urgent);
  void Run();
  void LoadTable(const std::shared_ptr<ProfiledFile>& file);
  void LoadRuntime(ProfiledFile& file, const ElfFile& image);
  void Commit();
  void Finish(const std::shared_ptr<ProfiledFile>& file, bool loaded);
  void MakeRoom(const ProfiledFile* keep);
  void KeepCopy(const std::shared_ptr<ProfiledFile>& file, std::shared_ptr<const UnwindTable> table);
  void DropCopies();

  BpfSession* session_;
  const uint64_t maxTableBytes_;
  const std::vector<std::string> disabledRuntimes_;
  Stats stats_;
  const std::unique_ptr<SymbolCache> cache_;
  SymbolStore symbols_;  // worker thread only, but for its statistics
  std::vector<std::weak_ptr<ProfiledFile>> loaded_;  // worker thread only
  std::vector<std::weak_ptr<ProfiledFile>> copies_;  // worker thread only; with a session
  std::vector<std::pair<std::shared_ptr<ProfiledFile>, UniqueFd>> pending_;  // worker thread only

  mutable std::mutex mutex_;
  std::condition_variable wake_;
  std::condition_variable idle_;
  std::deque<Job> tableJobs_;
  std::deque<Job> nameJobs_;
  bool urgent_ = false;  // worker thread only
  bool busy_ = false;
  bool stopping_ = false;
  std::thread thread_;
};

/// CLOCK_BOOTTIME, the clock of samples and side-band events.
uint64_t BootTimeNs();
/// CPU time a thread has used; 0 once it ended.
uint64_t ThreadCpuNs(const std::thread& thread);

}  // namespace otelprof
