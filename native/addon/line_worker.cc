// SPDX-License-Identifier: Apache-2.0
#include "line_worker.h"

#include <malloc.h>
#include <pthread.h>
#include <sys/resource.h>

#include <algorithm>

#include "dwarf/dwarf_file.h"
#include "table_worker.h"

namespace otelprof {
namespace {

constexpr size_t kMaxWaiting = 200'000;
// Names matter less than samples: others go first when CPUs are short.
constexpr int kNice = 5;

}  // namespace

LineWorker::LineWorker(uint64_t maxBytes) : maxBytes_(maxBytes), thread_([this] { Run(); }) {
  pthread_setname_np(thread_.native_handle(), "profiler-lines");
}

LineWorker::~LineWorker() { Stop(); }

void LineWorker::Stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  if (thread_.joinable()) thread_.join();
}

uint64_t LineWorker::cpuNs() const { return ThreadCpuNs(thread_); }

size_t LineWorker::queued() const {
  const std::lock_guard lock(mutex_);
  return waiting_ + (busy_ ? 1 : 0);
}

void LineWorker::Queue(std::shared_ptr<ProfiledFile> file, std::vector<uint64_t> addresses) {
  if (addresses.empty()) return;
  // Neighbours share a unit: sorted, most addresses find theirs loaded.
  std::sort(addresses.begin(), addresses.end(), std::greater<>());
  {
    const std::lock_guard lock(mutex_);
    if (stopping_) return;
    // A file that is still being read from the last window gets no second job beside the first.
    const bool known = std::any_of(jobs_.begin(), jobs_.end(), [&](const Job& job) { return job.file == file; });
    if (known || waiting_ + addresses.size() > kMaxWaiting) {
      stats_.addressesRefused += addresses.size();
      return;
    }
    waiting_ += addresses.size();
    jobs_.push_back({std::move(file), std::move(addresses)});
  }
  wake_.notify_one();
}

/// Reads at most one unit; true if addresses are left.
bool LineWorker::Step(Job* job) {
  const auto dwarf = job->file->dwarf();
  if (!dwarf) return false;
  while (!job->addresses.empty()) {
    const uint64_t address = job->addresses.back();
    job->addresses.pop_back();
    std::vector<SourceFrame> frames;
    std::shared_ptr<const UnitTable> table;
    if (dwarf->Find(address, &frames, &table) != DwarfFile::Answer::NotLoaded) continue;
    const size_t before = dwarf->unitCount();
    dwarf->Load(address);
    if (dwarf->unitCount() > before) stats_.unitsLoaded++;
    MakeRoom(job->file);
    break;
  }
  if (job->addresses.empty()) dwarf->Rest();
  return !job->addresses.empty();
}

void LineWorker::MakeRoom(const std::shared_ptr<ProfiledFile>& used) {
  const auto dwarf = used->dwarf();
  const auto same = [&](const std::weak_ptr<DwarfFile>& weak) { return weak.lock() == dwarf; };
  if (std::none_of(files_.begin(), files_.end(), same)) files_.push_back(dwarf);
  uint64_t total = 0;
  std::erase_if(files_, [](const auto& weak) { return weak.expired(); });
  for (const auto& weak : files_)
    if (const auto file = weak.lock()) total += file->sizeBytes();
  while (total > maxBytes_) {
    std::shared_ptr<DwarfFile> oldest;
    for (const auto& weak : files_) {
      auto file = weak.lock();
      if (file && (!oldest || file->oldestUse() < oldest->oldestUse())) oldest = std::move(file);
    }
    if (!oldest) break;
    const size_t freed = oldest->EvictOldest();
    if (freed == 0) break;
    total -= std::min<uint64_t>(total, freed);
    stats_.evictions++;
  }
  stats_.bytes = total;
}

void LineWorker::Run() {
  setpriority(PRIO_PROCESS, 0, kNice);
  std::unique_lock lock(mutex_);
  while (true) {
    wake_.wait(lock, [this] { return stopping_ || !jobs_.empty(); });
    if (stopping_) break;
    Job job = std::move(jobs_.front());
    jobs_.pop_front();
    waiting_ -= job.addresses.size();
    busy_ = true;
    lock.unlock();
    const bool more = Step(&job);
    lock.lock();
    busy_ = false;
    if (more) {
      waiting_ += job.addresses.size();
      jobs_.push_back(std::move(job));
    }
    if (!jobs_.empty()) continue;
    idle_.notify_all();
    lock.unlock();
    job = {};
    malloc_trim(0);  // reading a unit leaves megabytes of free heap behind
    lock.lock();
  }
  idle_.notify_all();
}

void LineWorker::WaitIdle(std::chrono::milliseconds limit) {
  std::unique_lock lock(mutex_);
  idle_.wait_for(lock, limit, [this] { return stopping_ || (!busy_ && jobs_.empty()); });
}

}  // namespace otelprof
