// SPDX-License-Identifier: Apache-2.0
#include "table_worker.h"

#include <malloc.h>
#include <pthread.h>
#include <sys/resource.h>

#include <algorithm>
#include <ctime>

#include "elf/eh_frame.h"
#include "runtimes/registry.h"

namespace otelprof {
namespace {

// A table used this recently is not worth evicting for another: both would come back at once.
constexpr uint64_t kKeepUsedNs = 2'000'000'000;
constexpr uint64_t kReloadGapNs = 10'000'000'000;
constexpr uint32_t kMaxReloadDoublings = 6;
// Each commit waits for an RCU grace period (about 10 ms), whatever its size.
constexpr size_t kMaxPending = 32;
// Copies in user space serve samples that met a file before its table was there: seconds after a start.
constexpr uint64_t kKeepCopyNs = 5'000'000'000;
constexpr std::chrono::seconds kLookAtCopies{2};

}  // namespace

uint64_t BootTimeNs() {
  timespec now{};
  clock_gettime(CLOCK_BOOTTIME, &now);
  return static_cast<uint64_t>(now.tv_sec) * 1000000000u + static_cast<uint64_t>(now.tv_nsec);
}

uint64_t ThreadCpuNs(const std::thread& thread) {
  clockid_t clock{};
  timespec used{};
  if (!thread.joinable() || pthread_getcpuclockid(const_cast<std::thread&>(thread).native_handle(), &clock) != 0 ||
      clock_gettime(clock, &used) != 0)
    return 0;
  return static_cast<uint64_t>(used.tv_sec) * 1000000000u + static_cast<uint64_t>(used.tv_nsec);
}

TableWorker::TableWorker(BpfSession* session, const Options& options, std::unique_ptr<SymbolCache> cache)
    : session_(session), maxTableBytes_(options.maxTableBytes), disabledRuntimes_(options.disabledRuntimes),
      cache_(std::move(cache)), symbols_(options.maxSymbolBytes, options.demangle, cache_.get(), options.reportBareFiles),
      thread_([this] { Run(); }) {
  pthread_setname_np(thread_.native_handle(), "profiler-tables");
}

TableWorker::~TableWorker() { Stop(); }

void TableWorker::Stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  if (thread_.joinable()) thread_.join();
}

uint64_t TableWorker::cpuNs() const { return ThreadCpuNs(thread_); }

size_t TableWorker::queued() const {
  const std::lock_guard lock(mutex_);
  return tableJobs_.size() + nameJobs_.size() + (busy_ ? 1 : 0);
}

void TableWorker::Push(std::deque<Job>* queue, Job job) {
  {
    const std::lock_guard lock(mutex_);
    if (stopping_) return;
    queue->push_back(std::move(job));
  }
  wake_.notify_one();
}

/// A sample waits for this table: it is the next one made.
void TableWorker::Hurry(uint32_t file) {
  const std::lock_guard lock(mutex_);
  const auto it = std::find_if(tableJobs_.begin(), tableJobs_.end(), [&](const Job& job) { return job.file == file; });
  if (it != tableJobs_.end()) std::rotate(tableJobs_.begin(), it, it + 1);
}

/// Samples wait for tables. Refused without CAP_SYS_NICE, which is fine.
void TableWorker::SetUrgent(bool urgent) {
  if (urgent == urgent_) return;
  urgent_ = urgent;
  setpriority(PRIO_PROCESS, 0, urgent ? -10 : 0);
}

void TableWorker::Run() {
  std::unique_lock lock(mutex_);
  while (true) {
    const auto hasWork = [this] { return stopping_ || !tableJobs_.empty() || !nameJobs_.empty(); };
    if (copies_.empty()) {
      wake_.wait(lock, hasWork);
    } else if (!wake_.wait_for(lock, kLookAtCopies, hasWork)) {
      lock.unlock();
      DropCopies();
      lock.lock();
      continue;
    }
    if (stopping_) break;
    auto& queue = tableJobs_.empty() ? nameJobs_ : tableJobs_;
    SetUrgent(!tableJobs_.empty());
    Job job = std::move(queue.front());
    queue.pop_front();
    busy_ = true;
    const bool lastTable = tableJobs_.empty();
    lock.unlock();
    job.run();
    job.run = nullptr;  // releases what it holds outside the lock
    if (lastTable && !pending_.empty()) Commit();
    lock.lock();
    busy_ = false;
    if (tableJobs_.empty() && nameJobs_.empty()) {
      idle_.notify_all();
      SetUrgent(false);
      lock.unlock();
      malloc_trim(0);  // compiling leaves megabytes of free heap behind
      lock.lock();
    }
  }
  idle_.notify_all();
}

void TableWorker::WaitIdle(std::chrono::milliseconds limit) {
  std::unique_lock lock(mutex_);
  idle_.wait_for(lock, limit, [this] { return stopping_ || (!busy_ && tableJobs_.empty() && nameJobs_.empty()); });
}

void TableWorker::QueueTable(std::shared_ptr<ProfiledFile> file) {
  file->tableState = TableState::Queued;
  const uint32_t id = file->id();
  Push(&tableJobs_, {[this, file = std::move(file)] { LoadTable(file); }, id});
}

void TableWorker::QueueCopy(const std::shared_ptr<ProfiledFile>& file) {
  file->copyUsedNs = BootTimeNs();
  const bool isFirst = !file->copyQueued.exchange(true);
  if (file->tableState == TableState::Queued) {
    if (isFirst) Hurry(file->id());
    return;
  }
  if (!isFirst) return;
  Push(&tableJobs_, {[this, file] {
    if (const auto image = file->OpenImage()) {
      EhFrameStats compiled;
      KeepCopy(file, std::make_shared<UnwindTable>(CompileUnwindTable(*image, &compiled)));
    } else {
      Finish(file, false);
      file->copyQueued = false;
    }
  }});
}

void TableWorker::KeepCopy(const std::shared_ptr<ProfiledFile>& file, std::shared_ptr<const UnwindTable> table) {
  file->SetTable(std::move(table));
  file->copyUsedNs = BootTimeNs();
  file->copyQueued = false;
  std::erase_if(copies_, [&](const auto& weak) { return weak.lock() == file; });
  copies_.push_back(file);
}

void TableWorker::DropCopies() {
  const uint64_t now = BootTimeNs();
  const size_t before = copies_.size();
  std::erase_if(copies_, [&](const std::weak_ptr<ProfiledFile>& weak) {
    const auto file = weak.lock();
    if (file && file->copyUsedNs + kKeepCopyNs > now) return false;
    if (file) file->SetTable(nullptr);
    return true;
  });
  if (copies_.size() < before) malloc_trim(0);
}

void TableWorker::QueueSymbols(std::shared_ptr<ProfiledFile> file) {
  file->symbolState = SymbolState::Queued;
  Push(&nameJobs_, {[this, file = std::move(file)] { symbols_.Load(file, &stats_.dwarfErrors); }});
}

std::shared_ptr<const FileSymbols> TableWorker::SymbolsOf(const std::shared_ptr<ProfiledFile>& file,
                                                          std::chrono::steady_clock::time_point deadline) {
  struct Answer {
    std::mutex mutex;
    std::condition_variable there;
    bool isThere = false;
    std::shared_ptr<const FileSymbols> symbols;
  };
  const auto answer = std::make_shared<Answer>();
  Push(&nameJobs_, {[this, file, answer] {
    auto symbols = symbols_.Load(file, &stats_.dwarfErrors);
    const std::lock_guard lock(answer->mutex);
    answer->symbols = std::move(symbols);
    answer->isThere = true;
    answer->there.notify_all();
  }});
  std::unique_lock lock(answer->mutex);
  answer->there.wait_until(lock, deadline, [&] { return answer->isThere; });
  return answer->symbols;
}

void TableWorker::QueueDebugFile(std::string buildId, std::string path) {
  Push(&nameJobs_, {[this, buildId = std::move(buildId), path = std::move(path)] {
    symbols_.UseDebugFile(buildId, path, &stats_.dwarfErrors);
  }});
}

void TableWorker::QueueTrim() {
  Push(&nameJobs_, {[this] { symbols_.Trim(); }});
}

void TableWorker::QueueRemoval(uint32_t file) {
  if (!session_) return;
  Push(&nameJobs_, {[this, file] {
    session_->RemoveTable(file);
    session_->RemoveRuntime(file);
  }});
}

void TableWorker::LoadTable(const std::shared_ptr<ProfiledFile>& file) {
  const auto image = file->OpenImage();
  if (!image) return Finish(file, false);
  LoadRuntime(*file, *image);
  EhFrameStats compiled;
  auto table = std::make_shared<UnwindTable>(CompileUnwindTable(*image, &compiled));
  stats_.rowsUnsupported += compiled.unsupportedRows;
  // A file without rows gets a table too: "no row" and "no table yet" are different answers.
  if (table->entries.empty()) table->entries.push_back({0, 0});
  if (file->details().htlHash.empty())
    file->SetDetails({image->gnuBuildId(), image->goBuildId(), image->htlHash()});
  file->tableBytes = table->sizeBytes();
  if (!session_) {
    file->SetTable(std::move(table));
    return Finish(file, true);
  }
  UniqueFd inner;
  if (BpfSession::MakeTable(*table, &inner) < 0) return Finish(file, false);
  KeepCopy(file, std::move(table));
  pending_.push_back({file, std::move(inner)});
  if (pending_.size() >= kMaxPending) Commit();
}

void TableWorker::LoadRuntime(ProfiledFile& file, const ElfFile& image) {
  if (!session_ || file.runtime()) return;
  bool unknown = false;
  auto runtime = DetectRuntime(image, disabledRuntimes_, &unknown);
  if (unknown) stats_.runtimesUnknown++;
  if (!runtime) return;
  if (session_->SetRuntime(file.id(), runtime->kernel()) < 0) {
    stats_.runtimesFull++;
    return;
  }
  stats_.runtimeFiles++;
  file.SetRuntime(std::move(runtime));
}

void TableWorker::Commit() {
  std::vector<std::pair<uint32_t, int>> rows;
  for (const auto& [file, inner] : pending_) rows.emplace_back(file->id(), inner.get());
  const size_t added = session_->AddTables(rows);
  for (size_t i = 0; i < pending_.size(); i++) Finish(pending_[i].first, i < added);
  pending_.clear();
}

void TableWorker::Finish(const std::shared_ptr<ProfiledFile>& file, bool loaded) {
  if (!loaded) {
    file->tableBytes = 0;
    file->tableState = TableState::Failed;
    stats_.tablesFailed++;
    return;
  }
  file->tableState = TableState::Loaded;
  file->lastUsedNs = std::max(file->lastUsedNs.load(), BootTimeNs());
  stats_.tablesLoaded++;
  loaded_.push_back(file);
  MakeRoom(file.get());
}

void TableWorker::MakeRoom(const ProfiledFile* keep) {
  uint64_t total = 0;
  std::erase_if(loaded_, [&](const std::weak_ptr<ProfiledFile>& weak) {
    const auto file = weak.lock();
    if (file) total += file->tableBytes;
    return !file;
  });
  const uint64_t now = BootTimeNs();
  while (total > maxTableBytes_) {
    std::shared_ptr<ProfiledFile> victim;
    for (const auto& weak : loaded_) {
      auto file = weak.lock();
      if (!file || file.get() == keep) continue;
      if (!victim || file->lastUsedNs < victim->lastUsedNs) victim = std::move(file);
    }
    if (!victim) break;
    if (victim->lastUsedNs + kKeepUsedNs > now && total - victim->tableBytes > maxTableBytes_ / 2) {
      // Everything is in use: the newcomer waits for its next sample.
      for (const auto& weak : loaded_)
        if (auto file = weak.lock(); file.get() == keep) victim = std::move(file);
    }
    if (session_) session_->RemoveTable(victim->id());
    victim->SetTable(nullptr);
    // Under a budget too small for what runs, tables would take turns for ever.
    const uint32_t doublings = std::min<uint32_t>(victim->evictions++, kMaxReloadDoublings);
    victim->reloadAfterNs = now + (kReloadGapNs << doublings);
    victim->tableState = TableState::Evicted;
    total -= victim->tableBytes.exchange(0);
    stats_.tablesEvicted++;
    std::erase_if(loaded_, [&](const std::weak_ptr<ProfiledFile>& weak) { return weak.lock() == victim; });
  }
  stats_.tableBytes = total;
}

}  // namespace otelprof
