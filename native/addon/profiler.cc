// SPDX-License-Identifier: Apache-2.0
#include "profiler.h"

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/utsname.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <ctime>

namespace otelprof {
namespace {

constexpr uint64_t kDrainNs = 100'000'000;
// On a host where nothing happens: each wake-up costs more than what it finds.
constexpr uint64_t kQuietDrainNs = 500'000'000;
constexpr uint64_t kForgetEveryNs = 10'000'000'000;
constexpr uint64_t kRescanEveryNs = 1'000'000'000;
constexpr uint64_t kMinPrimeGapNs = 200'000'000;
constexpr uint64_t kForgetIdleNs = 60'000'000'000;
// After a wake-up further events gather for this long: bounds wake-ups to about a thousand a second.
constexpr long kGatherNs = 500'000;
constexpr std::chrono::milliseconds kTablesLimit{1000};
// Threads that wait, with their stacks: 16 B a frame.
constexpr size_t kOffCpuThreads = 8192;
constexpr size_t kOffCpuFrames = 512u << 10;
// How often a program without names for its generated code is looked at for them.
constexpr uint64_t kFirstJitGapNs = 1'000'000'000;
constexpr uint64_t kMaxJitGapNs = 60'000'000'000;
/// Ring buffers came with 5.8, inner maps of different sizes with 5.10.
Failure CheckKernelVersion() {
  utsname name{};
  unsigned major = 0, minor = 0;
  if (uname(&name) != 0 || sscanf(name.release, "%u.%u", &major, &minor) != 2) return {};
  if (major > 5 || (major == 5 && minor >= 10)) return {};
  return {ENOSYS, "uname",
          std::string("kernel ") + name.release +
              " is older than 5.10, the first that can run the profiler (no_kernel_version_check tries anyway)"};
}

}  // namespace

Profiler::Profiler(Options options)
    : options_(std::move(options)),
      filter_(options_.filter),
      offCpu_(kOffCpuThreads << options_.mapScaleFactor, kOffCpuFrames << options_.mapScaleFactor),
      blocks_(options_.demangle, options_.nameCacheSize, options_.groupUnnamedFunctions, options_.frameKinds) {}

Profiler::~Profiler() { Stop(); }

Failure Profiler::Start() {
  if (thread_.joinable() || stopping_) return {EALREADY, "", "the profiler was started before"};
  wakeFd_ = UniqueFd(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!wakeFd_) return SystemFailure(errno, "eventfd", "cannot start the profiler");
  if (const Failure failure = options_.mode == ProfilerMode::Ebpf ? StartEbpf() : StartPerf()) return failure;
  worker_ = std::make_unique<TableWorker>(session_.get(), options_, OpenSymbolCache());
  lines_ = std::make_unique<LineWorker>(options_.maxLineBytes);
  namer_ = std::make_unique<Namer>(&codeNames_);
  if (session_) store_ = std::make_unique<MappingStore>(session_.get());
  files_ = std::make_unique<FileTable>(
      [this](const std::shared_ptr<ProfiledFile>& file) { worker_->QueueTable(file); });
  late_ = std::make_unique<LateUnwinder>([this](const auto& file) { worker_->QueueCopy(file); });
  processes_ = std::make_unique<ProcessTable>(files_.get(), store_.get(), &filter_, options_.includeEnvVars);
  window_ = std::make_unique<SampleWindow>(UnixNs());
  running_ = true;
  thread_ = std::thread([this] { Run(); });
  pthread_setname_np(thread_.native_handle(), "profiler-drain");
  return {};
}

std::unique_ptr<SymbolCache> Profiler::OpenSymbolCache() {
  if (options_.symbolCacheDirectory.empty() || options_.symbolCacheBytes == 0) return nullptr;
  std::string error;
  auto cache = SymbolCache::Open(options_.symbolCacheDirectory, options_.symbolCacheBytes, &error);
  symbolCacheRefused_ = !cache;  // its tables stay in memory then
  return cache;
}

Failure Profiler::StartEbpf() {
  Failure failure;
  if (!options_.noKernelVersionCheck && (failure = CheckKernelVersion())) return failure;
  session_ = BpfSession::Load(
      options_, [this](std::span<const uint8_t> record) { OnRecord(record); }, &failure);
  if (!session_) return failure;
  const auto online = OnlineCpus();
  sideband_ = Sideband::Open(online, &failure);
  if (!sideband_) return failure;
  if ((failure = StartFeatures())) return failure;
  return session_->Attach(options_.pinCpuIds.empty() ? online : options_.pinCpuIds, options_.samplesPerSecond);
}

Failure Profiler::StartFeatures() {
  Failure failure;
  if (options_.offCpuProbability > 0) {
    features_.push_back(BpfFeature::OpenOffCpu(*session_, options_, &failure));
    if (failure) return failure;
    switchSymbols_ = std::make_unique<KernelSymbols>();
    if (!switchSymbols_->Load()) switchSymbols_.reset();  // then the tracepoint's own frames stay
  }
  for (uint32_t i = 0; i < options_.probes.size(); i++) {
    features_.push_back(BpfFeature::OpenProbe(*session_, options_, options_.probes[i], i, &failure));
    if (failure) return failure;
  }
  return {};
}

void Profiler::SetSampling(bool on) {
  const std::lock_guard lock(resourcesMutex_);
  if (session_) session_->SetSampling(on);
}

void Profiler::SetFraction(double fraction) {
  const std::lock_guard lock(resourcesMutex_);
  if (session_) session_->SetFraction(fraction);
}

Failure Profiler::StartPerf() {
  Failure failure;
  perf_ = PerfSession::Open(options_, &failure);
  return failure;
}

void Profiler::Wake() {
  const uint64_t one = 1;
  if (wakeFd_ && write(wakeFd_.get(), &one, sizeof(one)) < 0) return;  // full means: already awake
}

void Profiler::Stop() {
  stopping_ = true;
  Wake();
  const std::lock_guard serial(collectMutex_);
  if (thread_.joinable()) thread_.join();
  if (!worker_) return;
  if (namer_) namer_->WaitIdle(kProfilerNamesLimit);  // names for the last window
  worker_->WaitIdle(kProfilerNamesLimit);
  // The thread that would replace it has ended.
  if (handed_) ReadNames(*handed_, std::chrono::steady_clock::now() + kProfilerNamesLimit);
  const std::lock_guard lock(resourcesMutex_);
  finalStats_ = CountAll();
  namer_.reset();
  lines_.reset();
  worker_.reset();
  processes_.reset();
  files_.reset();
  window_.reset();
  store_.reset();
  perf_.reset();
  sideband_.reset();
  features_.clear();
  session_.reset();
}

void Profiler::WatchAll(int poll) const {
  const auto watch = [&](int fd) {
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.fd = fd;
    epoll_ctl(poll, EPOLL_CTL_ADD, fd, &event);
  };
  for (const int fd : perf_ ? perf_->fds() : sideband_->fds()) watch(fd);
  if (session_) watch(session_->sampleFd());
  watch(wakeFd_.get());
}

void Profiler::Run() {
  // Mappings of a new process must arrive before its first samples, on busy hosts too. Refused without
  // CAP_SYS_NICE, which is fine.
  setpriority(PRIO_PROCESS, 0, -10);
  const UniqueFd poll(epoll_create1(EPOLL_CLOEXEC));
  WatchAll(poll.get());
  processes_->Prime(BootTimeNs());
  uint64_t nextDrainNs = 0;
  uint64_t gapNs = kDrainNs;
  for (bool stopping = false; !stopping;) {
    uint64_t now = BootTimeNs();
    const int waitMs = now >= nextDrainNs ? 0 : static_cast<int>((nextDrainNs - now + 999'999) / 1'000'000);
    epoll_event ready[16];
    const int count = epoll_wait(poll.get(), ready, 16, waitMs);
    bool drainNow = perf_ != nullptr;  // its samples share the ring with the events
    for (int i = 0; i < count; i++) {
      if (session_ && ready[i].data.fd == session_->sampleFd()) drainNow = true;
      uint64_t ignored;
      if (ready[i].data.fd == wakeFd_.get() && read(wakeFd_.get(), &ignored, sizeof(ignored)) > 0) drainNow = true;
    }
    stopping = stopping_;
    if (stopping && session_) session_->Detach();
    if (stopping)
      for (const auto& feature : features_) feature->Detach();
    if (stopping && perf_) perf_->Close();
    const bool wanted = IsWanted();
    DrainEvents();
    now = BootTimeNs();
    if (count > 0) nextDrainNs = std::min(nextDrainNs, now + kDrainNs);
    if (drainNow || stopping || wanted || now >= nextDrainNs) {
      const bool isQuiet = !DrainSamples() && count == 0 && late_->size() == 0;
      gapNs = isQuiet ? std::min(gapNs * 2, kQuietDrainNs) : kDrainNs;
      if (stopping && late_->size() > 0) worker_->WaitIdle(kTablesLimit);
      ResolveLate(stopping);
      if (stopping) offCpu_.Abandon();
      nextDrainNs = now + gapNs;
      if (!stopping) Maintain(now);  // a scan would find every thread unsampled, and open events anew
    }
    TakeSnapshot();
    if (wanted || stopping) HandOver(stopping);
    if (count > 0 && !stopping) {
      const timespec gather = {0, kGatherNs};
      nanosleep(&gather, nullptr);
    }
  }
}

void Profiler::Maintain(uint64_t nowNs) {
  processes_->Reap(nowNs);
  if (store_) store_->Settle(nowNs);
  if (nowNs >= nextForgetNs_) {
    nextForgetNs_ = nowNs + kForgetEveryNs;
    files_->Forget(nowNs - std::min(nowNs, kForgetIdleNs), [this](uint32_t id) { worker_->QueueRemoval(id); });
  }
  if (perf_ && nowNs >= nextRescanNs_) {
    nextRescanNs_ = nowNs + kRescanEveryNs;
    perf_->Rescan();
  }
}

bool Profiler::IsWanted() const {
  const std::lock_guard lock(mutex_);
  return wanted_;
}

void Profiler::HandOver(bool stopping) {
  const std::lock_guard lock(mutex_);
  handed_ = std::move(window_);
  window_ = std::make_unique<SampleWindow>(UnixNs());
  wanted_ = false;
  running_ = !stopping;
  handedOver_.notify_all();
}

void Profiler::DrainEvents() {
  events_.clear();
  const bool lost = perf_ ? perf_->Drain(&events_) : sideband_->Drain(&events_);
  for (const auto& event : events_) processes_->Apply(event);
  ApplyChoices();
  processes_->Flush();
  eventsLost_ |= lost;
  const uint64_t now = eventsLost_ ? BootTimeNs() : 0;
  if (!eventsLost_ || now < nextPrimeNs_) return;
  eventsLost_ = false;
  processes_->Prime(now);
  // Reading all of /proc takes the time in which more is lost: never for more than a tenth of it.
  const uint64_t end = BootTimeNs();
  nextPrimeNs_ = end + std::max(kMinPrimeGapNs, (end - now) * 9);
}

/// True if there may have been any.
bool Profiler::DrainSamples() {
  bool any = true;
  if (perf_)
    perf_->Unwind(*processes_, [this](std::span<const uint8_t> record) { OnRecord(record); });
  else
    any = session_->Drain();
  if (namer_) namer_->Wake();
  processes_->Flush();
  return any;
}

void Profiler::UseFile(const std::shared_ptr<ProfiledFile>& file, uint64_t timeNs) {
  file->lastUsedNs = timeNs;
  stackFiles_.push_back(file);
  window_->KeepFile(file);
  if (file->tableState == TableState::Evicted && timeNs > file->reloadAfterNs) worker_->QueueTable(file);
  if (file->symbolState == SymbolState::Unasked) worker_->QueueSymbols(file);
}

void Profiler::AddUserFrame(op_frame frame, int pid, uint64_t timeNs,
                            const std::shared_ptr<const ProcessInfo>& info) {
  std::shared_ptr<ProfiledFile> file;
  if (frame.kind == OP_FRAME_FILE) {
    file = files_->ById(frame.file);
  } else if (frame.kind == OP_FRAME_PC) {
    const auto* mapping = processes_->MappingAt(pid, frame.addr - (frame.flags & OP_FRAME_RETURN_ADDRESS));
    if (mapping && mapping->file) {
      file = mapping->file;
      frame.addr -= mapping->bias;
      frame.file = file->id();
      frame.kind = OP_FRAME_FILE;
    } else if (mapping) {
      frame.kind = OP_FRAME_JIT;
    }
  }
  if (file) {
    UseFile(file, timeNs);
  } else {
    // Process addresses mean nothing without their process: it is part of the frame's identity.
    frame.file = info->serial;
    if (frame.kind == OP_FRAME_FILE) frame.kind = OP_FRAME_PC;
    if (frame.kind == OP_FRAME_JIT && timeNs >= info->jitAskAgainNs) {
      info->jitAskGapNs = std::clamp(info->jitAskGapNs * 2, kFirstJitGapNs, kMaxJitGapNs);
      info->jitAskAgainNs = timeNs + info->jitAskGapNs;
      if (namer_) namer_->QueueGeneratedCode(info);
    }
  }
  stack_.push_back(frame);
}

void Profiler::AddRuntimeFrame(op_frame frame, const op_frame_detail& detail, uint64_t timeNs,
                               const std::shared_ptr<const ProcessInfo>& info) {
  const auto file = files_->ById(frame.file);
  const auto runtime = file ? file->runtime() : nullptr;
  const FunctionKey key{frame.addr, detail.cookie, detail.cookie2};
  if (runtime && namer_ && info->functions.Ask(key, timeNs)) namer_->Queue(info, runtime, key);
  // Objects mean nothing without their process.
  frame.file = info->serial;
  op_frame second;
  static_assert(sizeof(second) == sizeof(detail));
  std::memcpy(&second, &detail, sizeof(second));
  stack_.push_back(frame);
  stack_.push_back(second);
}

void Profiler::OnRecord(std::span<const uint8_t> bytes) {
  auto record = SampleRecord::Decode(bytes);
  if (!record) {
    droppedMalformed_++;
    return;
  }
  const op_sample& head = record->head();
  if (head.kind == OP_SAMPLE_OFF_CPU_END) return OnOffCpuEnd(head);
  if (head.kind == OP_SAMPLE_STACK) {
    if (!late_->AddStack(head, bytes.subspan(sizeof(head)))) stacksMalformed_++;
    return;
  }
  const int pid = static_cast<int>(head.tgid);
  if (head.flags & (OP_SAMPLE_UNKNOWN_PROCESS | OP_SAMPLE_UNKNOWN_MAPPING)) processes_->NoteUnknown(pid, head.time_ns);
  const auto info = processes_->InfoAt(pid, head.time_ns, head.comm);
  if (!KeepsSample(head, *info)) return;
  if (!WaitsForTables(&*record, info)) Deliver(*record, info);
}

void Profiler::Deliver(const SampleRecord& record, const std::shared_ptr<const ProcessInfo>& info) {
  const op_sample& head = record.head();
  ReadStack(record, info);

  const LabelSet labels = ReadLabels(head, record.labels());
  SampleWindow::Sample sample{};
  sample.tid = head.tid;
  sample.cpu = head.cpu;
  sample.kind = head.kind;
  sample.flags = SampleWindow::FlagsOf(head);
  if (head.kind == OP_SAMPLE_PROBE) sample.probe = static_cast<uint16_t>(head.value);
  // What follows the terminator is whatever the task had there before.
  std::memcpy(sample.comm, head.comm, strnlen(head.comm, OP_COMM_LEN - 1));
  if (head.kind == OP_SAMPLE_OFF_CPU) {
    offCpu_.Left({head.tid, head.value}, {sample, info, stack_, labels, head.span, stackFiles_, head.time_ns});
    return;
  }
  sample.process = window_->ProcessIndex(info);
  SetContext(labels, head.span, &sample);
  if (!window_->Add(sample, stack_, head.time_ns, 0)) droppedWindowFull_++;
}

/// Keeps a sample whose walk the kernel program could not end.
bool Profiler::WaitsForTables(SampleRecord* record, const std::shared_ptr<const ProcessInfo>& info) {
  return record->head().flags & OP_SAMPLE_RESUME &&
         late_->Add(record, info, processes_->Mappings(static_cast<int>(record->head().tgid)));
}

void Profiler::ResolveLate(bool all) {
  late_->Resolve(BootTimeNs(), all, [this](const SampleRecord& record, const auto& info) { Deliver(record, info); });
}

/// What the thread said that it works for.
void Profiler::SetContext(const LabelSet& labels, const op_span_context& span, SampleWindow::Sample* sample) {
  sample->labels = window_->LabelsIndex(labels);
  if (!labels.empty() && sample->labels == 0) labelSetsRefused_++;
  if (!HasTrace(span)) return;
  sample->span = window_->SpanIndex(span);
  (sample->span ? spansLinked_ : spansRefused_)++;
}

/// How many frames the tracepoint and its program put above the scheduler: the same for every switch.
size_t Profiler::TracepointFrames(const SampleRecord& record) {
  if (record.head().kind != OP_SAMPLE_OFF_CPU) return 0;
  if (!switchSymbols_) return switchFrames_;
  for (uint32_t i = 0; i < record.head().kernel_count; i++) {
    std::string_view name, module;
    if (!switchSymbols_->Lookup(record.kernelAddress(i) - 1, &name, &module, nullptr) || name != "__schedule") continue;
    switchFrames_ = i;
    switchSymbols_.reset();
    break;
  }
  return switchFrames_;
}

void Profiler::OnOffCpuEnd(const op_sample& head) {
  auto away = offCpu_.CameBack({head.tid, head.value});
  if (!away) return;
  for (const auto& file : away->files) UseFile(file, head.time_ns);
  auto& sample = away->sample;
  sample.process = window_->ProcessIndex(away->process);
  SetContext(away->labels, away->span, &sample);
  const uint64_t timeNs = head.time_ns;
  if (!window_->Add(sample, away->stack, timeNs, timeNs - std::min(timeNs, away->sinceNs))) droppedWindowFull_++;
}

/// What the kernel program could not decide: processes it did not know, and sampling without it.
bool Profiler::KeepsSample(const op_sample& head, const ProcessInfo& process) {
  const uint64_t timeNs = head.time_ns;
  if (perf_ && timeNs < process.startNs + options_.minProcessAgeNs) {
    filteredAge_++;
    return false;
  }
  if (filter_.empty() || filter_.Keeps(process.filterRules, head.comm)) return true;
  filteredRule_++;
  return false;
}

void Profiler::ReadStack(const SampleRecord& record, const std::shared_ptr<const ProcessInfo>& info) {
  stack_.clear();
  stackFiles_.clear();
  const op_sample& head = record.head();
  for (size_t i = TracepointFrames(record); i < head.kernel_count; i++) {
    op_frame frame{};
    frame.addr = record.kernelAddress(i);
    if (frame.addr == 0) break;
    frame.kind = OP_FRAME_KERNEL;
    frame.flags = i ? OP_FRAME_RETURN_ADDRESS : 0;
    stack_.push_back(frame);
  }
  ReadUserFrames(head, record.slots(), &userFrames_);
  for (const auto& [frame, slot] : userFrames_) {
    if (frame.kind == OP_FRAME_CUT) {
      stack_.push_back(frame);
    } else if (slot) {
      op_frame_detail detail;
      std::memcpy(&detail, slot, sizeof(detail));
      AddRuntimeFrame(frame, detail, head.time_ns, info);
    } else {
      AddUserFrame(frame, static_cast<int>(head.tgid), head.time_ns, info);
    }
  }
  if (head.error && options_.sendErrorFrames) {
    op_frame frame{};
    frame.addr = head.error;
    frame.kind = OP_FRAME_ERROR;
    stack_.push_back(frame);
  }
}

void Profiler::TakeSnapshot() {
  const std::lock_guard lock(mutex_);
  snapshot_.tracking = processes_->stats();
  snapshot_.processes = processes_->size();
  snapshot_.files = files_->size();
  snapshot_.openErrors = files_->openErrors();
  snapshot_.notElf = files_->notElf();
  snapshot_.sidebandLost = perf_ ? perf_->lost() : sideband_->lost();
  if (store_) {
    snapshot_.mappingsUsed = store_->used();
    snapshot_.mappingsFull = store_->full();
    snapshot_.processUpdateErrors = store_->processUpdateErrors();
  }
  snapshot_.droppedWindowFull = droppedWindowFull_;
  snapshot_.droppedMalformed = droppedMalformed_;
  snapshot_.labelSetsRefused = labelSetsRefused_;
  snapshot_.spansLinked = spansLinked_;
  snapshot_.spansRefused = spansRefused_;
  snapshot_.filteredRule = filteredRule_;
  snapshot_.filteredAge = filteredAge_;
  snapshot_.stacksMalformed = stacksMalformed_;
  snapshot_.lateWaiting = late_->size();
  snapshot_.offCpuAway = offCpu_.size();
  snapshot_.offCpuEvicted = offCpu_.evicted();
  snapshot_.offCpuReplaced = offCpu_.replaced();
  snapshot_.offCpuAbandoned = offCpu_.abandoned();
}

Profiler::NamedCounters Profiler::ReadStats() const {
  const std::lock_guard lock(resourcesMutex_);
  return worker_ ? CountAll() : finalStats_;
}

}  // namespace otelprof
