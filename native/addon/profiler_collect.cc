// SPDX-License-Identifier: Apache-2.0
#include <ctime>

#include "proc_fs.h"
#include "profiler.h"
#include "runtimes/remote_memory.h"

namespace otelprof {
namespace {

// What is not read by then has names without lines in this block and is read for the next.
constexpr std::chrono::milliseconds kLinesLimit{2000};
constexpr size_t kMaxContextMaps = 4u << 20;
constexpr size_t kContextBudget = 256u << 10;

/// Adds the calling thread's CPU time between its construction and its end.
class CpuMeter {
 public:
  explicit CpuMeter(std::atomic<uint64_t>* total) : total_(total), start_(Now()) {}
  ~CpuMeter() { *total_ += Now() - start_; }

 private:
  static uint64_t Now() {
    timespec used{};
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used);
    return static_cast<uint64_t>(used.tv_sec) * 1000000000u + static_cast<uint64_t>(used.tv_nsec);
  }
  std::atomic<uint64_t>* total_;
  uint64_t start_;
};

}  // namespace

uint64_t UnixNs() {
  timespec now{};
  clock_gettime(CLOCK_REALTIME, &now);
  return static_cast<uint64_t>(now.tv_sec) * 1000000000u + static_cast<uint64_t>(now.tv_nsec);
}

/// One file after the other, each named before the next one's table may push its own out of memory.
void Profiler::ReadNames(const SampleWindow& window, std::chrono::steady_clock::time_point deadline) {
  blocks_.Forget();
  bool maySizesHaveGrown = false;
  for (const auto& [file, addresses] : blocks_.Unnamed(window)) {
    auto symbols = file->UseSymbols();
    if (!symbols) symbols = worker_->SymbolsOf(file, deadline);
    if (!symbols) continue;
    blocks_.Name(*file, *symbols, addresses);
    maySizesHaveGrown |= symbols->isGo();
  }
  if (maySizesHaveGrown) worker_->QueueTrim();
  worker_->RestSymbols();
  for (auto& [file, addresses] : blocks_.Unresolved(window)) lines_->Queue(file, std::move(addresses));
  lines_->WaitIdle(kLinesLimit);
}

void Profiler::ReadContexts(const SampleWindow& window) {
  if (!options_.processContext) return;
  const uint64_t now = BootTimeNs();
  for (const auto& process : window.processes()) {
    auto& context = process->context;
    if (process->path.empty() || (!context.isFound() && !context.IsDue(now))) continue;
    // The pid may be another process's, or another program's, by now.
    if (ReadLink("/proc/" + std::to_string(process->pid) + "/exe") != process->path) continue;
    if (context.IsDue(now))
      context.Looked(ReadSmallFile("/proc/" + std::to_string(process->pid) + "/maps", kMaxContextMaps), now);
    if (!context.isFound()) continue;
    RemoteMemory memory(process->pid, kContextBudget);
    contexts_[static_cast<size_t>(context.Read(memory))]++;
  }
}

std::vector<uint8_t> Profiler::Collect() {
  const std::lock_guard serial(collectMutex_);
  const CpuMeter meter(&collectCpuNs_);
  std::unique_ptr<SampleWindow> window;
  {
    std::unique_lock lock(mutex_);
    if (running_ && !handed_) {
      wanted_ = true;
      Wake();
      handedOver_.wait(lock, [this] { return handed_ != nullptr || !running_; });
    }
    window = std::move(handed_);
  }
  if (!window) window = std::make_unique<SampleWindow>(UnixNs());
  ReadContexts(*window);
  if (namer_) namer_->WaitIdle(kProfilerNamesLimit);
  if (worker_) {
    const auto deadline = std::chrono::steady_clock::now() + kProfilerNamesLimit;
    worker_->WaitIdle(kProfilerNamesLimit);
    ReadNames(*window, deadline);
  }
  for (const auto& process : window->processes()) RefreshCodeNames(*process, &codeNames_);
  return blocks_.Write(*window, UnixNs(), UnixNs() - BootTimeNs());
}

std::vector<std::string> Profiler::TakeBareFiles() {
  const std::lock_guard lock(resourcesMutex_);
  return worker_ ? worker_->TakeBareFiles() : std::vector<std::string>();
}

void Profiler::AddDebugFile(std::string buildId, std::string path) {
  const std::lock_guard lock(resourcesMutex_);
  if (worker_) worker_->QueueDebugFile(std::move(buildId), std::move(path));
}

}  // namespace otelprof
