// SPDX-License-Identifier: Apache-2.0
#include "namer.h"

#include <pthread.h>
#include <sys/resource.h>

#include "../code_names.h"
#include "../process_info.h"
#include "../table_worker.h"
#include "remote_memory.h"

namespace otelprof {
namespace {

constexpr size_t kMaxJobs = 16384;
// One function: a name, a path, a line table.
constexpr size_t kFunctionBudgetBytes = 128u << 10;

}  // namespace

Namer::Namer(CodeNameStats* codeNames) : codeNames_(codeNames), thread_([this] { Run(); }) {
  pthread_setname_np(thread_.native_handle(), "profiler-names");
}

Namer::~Namer() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  thread_.join();
}

uint64_t Namer::cpuNs() const { return ThreadCpuNs(thread_); }

void Namer::Queue(std::shared_ptr<const ProcessInfo> process, std::shared_ptr<const RuntimeFile> file,
                  FunctionKey key) {
  const std::lock_guard lock(mutex_);
  if (jobs_.size() >= kMaxJobs) {
    stats_.droppedQueueFull++;
    return;
  }
  jobs_.push_back({std::move(process), std::move(file), key});
}

void Namer::QueueGeneratedCode(std::shared_ptr<const ProcessInfo> process) {
  Queue(std::move(process), nullptr, {});
  Wake();
}

void Namer::Wake() {
  {
    const std::lock_guard lock(mutex_);
    if (jobs_.empty()) return;
  }
  wake_.notify_one();
}

void Namer::WaitIdle(std::chrono::milliseconds limit) {
  std::unique_lock lock(mutex_);
  wake_.notify_one();
  idle_.wait_for(lock, limit, [this] { return stopping_ || (!busy_ && jobs_.empty()); });
}

void Namer::Run() {
  // Short work that a process's end does not wait for. Refused without CAP_SYS_NICE, which is fine.
  setpriority(PRIO_PROCESS, 0, -10);
  std::unique_lock lock(mutex_);
  while (true) {
    wake_.wait(lock, [this] { return stopping_ || !jobs_.empty(); });
    if (stopping_) break;
    std::vector<Job> jobs = std::move(jobs_);
    jobs_.clear();
    busy_ = true;
    lock.unlock();
    for (const Job& job : jobs) Name(job);
    jobs.clear();
    lock.lock();
    busy_ = false;
    if (jobs_.empty()) idle_.notify_all();
  }
  idle_.notify_all();
}

void Namer::Name(const Job& job) {
  if (!job.file) return FindCodeNames(*job.process, codeNames_);
  RemoteMemory memory(job.process->pid, kFunctionBudgetBytes);
  std::shared_ptr<const RuntimeFunction> function;
  ReadOutcome outcome = job.file->ReadFunction(memory, job.key, &function);
  if (outcome == ReadOutcome::Named && !job.process->functions.Keep(job.key, std::move(function)))
    outcome = ReadOutcome::Budget;
  stats_.outcomes[static_cast<size_t>(outcome)]++;
}

}  // namespace otelprof
