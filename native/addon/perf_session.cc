// SPDX-License-Identifier: Apache-2.0
#include "perf_session.h"

#include <dirent.h>
#include <linux/perf_event.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "elf/byte_reader.h"
#include "proc_fs.h"
#include "unwind/unwind.h"

namespace otelprof {
namespace {

// 512 KiB + control page = the default kernel.perf_event_mlock_kb of 516 per CPU.
constexpr size_t kRingPages = 128;
constexpr uint32_t kWakeBytes = 256 * 1024;
constexpr uint32_t kStackBytes = 16 * 1024;
constexpr size_t kMaxKeptBytes = 64u << 20;
constexpr size_t kMaxEvents = 8192;
constexpr bool kIsAarch64 = kNativeMachine == Machine::Aarch64;
// Bits of the register mask: of x86 BP 6, SP 7, IP 8; of aarch64 X29, LR, SP and PC from 29. Values come in that order.
constexpr uint64_t kRegisterMask = kIsAarch64 ? uint64_t{0xf} << 29 : uint64_t{7} << 6;
constexpr uint64_t kFirstContextMark = static_cast<uint64_t>(PERF_CONTEXT_MAX);

perf_event_attr SamplingAttr(uint32_t samplesPerSecond, bool excludeKernel) {
  perf_event_attr attr{};
  attr.size = sizeof(attr);
  attr.type = PERF_TYPE_SOFTWARE;
  attr.config = PERF_COUNT_SW_CPU_CLOCK;
  attr.freq = 1;
  attr.sample_freq = samplesPerSecond;
  attr.sample_type = PERF_SAMPLE_REGS_USER | PERF_SAMPLE_STACK_USER;
  attr.sample_regs_user = kRegisterMask;
  attr.sample_stack_user = kStackBytes;
  attr.exclude_kernel = excludeKernel;
  attr.exclude_hv = 1;
  attr.exclude_idle = 1;
  if (!excludeKernel) {
    attr.sample_type |= PERF_SAMPLE_CALLCHAIN;
    attr.exclude_callchain_user = 1;
  }
  attr.watermark = 1;
  attr.wakeup_watermark = kWakeBytes;
  RequestSideband(&attr);
  return attr;
}

std::vector<int> OwnThreads() {
  std::vector<int> out;
  const uid_t uid = geteuid();
  for (const int pid : ListProcesses()) {
    const std::string path = "/proc/" + std::to_string(pid);
    struct stat info;
    if (stat(path.c_str(), &info) != 0 || info.st_uid != uid) continue;
    const std::unique_ptr<DIR, int (*)(DIR*)> dir(opendir((path + "/task").c_str()), closedir);
    while (const dirent* entry = dir ? readdir(dir.get()) : nullptr)
      if (const int tid = atoi(entry->d_name); tid > 0) out.push_back(tid);
  }
  return out;
}

}  // namespace

std::unique_ptr<PerfSession> PerfSession::Open(const Options& options, Failure* failure) {
  std::unique_ptr<PerfSession> self(new PerfSession());
  self->samplesPerSecond_ = options.samplesPerSecond;
  self->cpus_ = options.pinCpuIds.empty() ? OnlineCpus() : options.pinCpuIds;
  const int self_pid = static_cast<int>(getpid());
  const struct {
    int pid;
    bool excludeKernel;
  } attempts[] = {{-1, false}, {self_pid, false}, {self_pid, true}};
  for (const auto& attempt : attempts) {
    self->rings_.clear();
    self->excludeKernel_ = attempt.excludeKernel;
    self->systemWide_ = attempt.pid == -1;
    for (const uint32_t cpu : self->cpus_) {
      perf_event_attr attr = SamplingAttr(options.samplesPerSecond, attempt.excludeKernel);
      attr.inherit = attempt.pid != -1;
      auto ring = PerfRing::Open(&attr, attempt.pid, static_cast<int>(cpu), kRingPages, failure);
      if (!ring) break;
      self->rings_.push_back(std::move(ring));
    }
    if (self->rings_.size() == self->cpus_.size() && !self->rings_.empty()) {
      *failure = {};
      self->Rescan();
      return self;
    }
    if (failure->code != EACCES && failure->code != EPERM) break;
  }
  return nullptr;
}

UniqueFd PerfSession::OpenEvent(int pid, uint32_t cpu) {
  perf_event_attr attr = SamplingAttr(samplesPerSecond_, excludeKernel_);
  attr.inherit = 1;
  return UniqueFd(static_cast<int>(
      syscall(__NR_perf_event_open, &attr, pid, static_cast<int>(cpu), -1, PERF_FLAG_FD_CLOEXEC)));
}

bool PerfSession::OpenThread(int tid) {
  std::vector<UniqueFd> events;
  for (size_t i = 0; i < cpus_.size(); i++) {
    UniqueFd event = OpenEvent(tid, cpus_[i]);
    if (!event || ioctl(event.get(), PERF_EVENT_IOC_SET_OUTPUT, rings_[i]->fd()) < 0) {
      if (errno != ESRCH) stats_.threadsRefused++;  // else it has ended
      return false;
    }
    events.push_back(std::move(event));
  }
  threads_[tid] = std::move(events);
  return true;
}

void PerfSession::Rescan() {
  if (systemWide_) return;
  const int own = static_cast<int>(getpid());
  std::unordered_set<int> waiting;
  uint64_t overLimit = 0;
  for (const int tid : OwnThreads()) {
    // Our own main thread has the events that hold the rings.
    if (tid == own || threads_.contains(tid) || inherited_.contains(tid)) continue;
    if ((threads_.size() + 1) * cpus_.size() > kMaxEvents) {
      overLimit++;
      continue;
    }
    // A thread that has just started may have inherited events, its FORK record being still on the way.
    if (scanned_ && !candidates_.contains(tid))
      waiting.insert(tid);
    else
      OpenThread(tid);
  }
  stats_.threadsOverLimit = overLimit;
  candidates_ = std::move(waiting);
  scanned_ = true;
}

void PerfSession::Close() {
  threads_.clear();
  for (const auto& ring : rings_) ioctl(ring->fd(), PERF_EVENT_IOC_DISABLE, 0);
}

std::vector<int> PerfSession::fds() const {
  std::vector<int> out;
  for (const auto& ring : rings_) out.push_back(ring->fd());
  return out;
}

void PerfSession::Count(uint32_t counter, uint64_t by) { counters_[counter].fetch_add(by, std::memory_order_relaxed); }

Counters PerfSession::ReadCounters() const {
  Counters out{};
  for (size_t i = 0; i < out.size(); i++) out[i] = counters_[i];
  return out;
}

bool PerfSession::Drain(std::vector<SidebandEvent>* events) {
  const uint64_t lostBefore = lost_;
  kept_.clear();
  keptStart_.clear();
  for (const auto& ring : rings_) {
    ring->Drain([&](const perf_event_header* header) {
      SidebandEvent event;
      if (header->type != PERF_RECORD_SAMPLE) {
        if (DecodeSideband(header, &event, &lost_)) events->push_back(std::move(event));
        return;
      }
      Count(OP_COUNT_SAMPLES);
      if (kept_.size() + header->size > kMaxKeptBytes) return Count(OP_COUNT_RING_FULL);
      const auto* bytes = reinterpret_cast<const uint8_t*>(header);
      keptStart_.push_back(kept_.size());
      kept_.insert(kept_.end(), bytes, bytes + header->size);
    });
  }
  std::stable_sort(events->begin(), events->end(),
                   [](const SidebandEvent& a, const SidebandEvent& b) { return a.timeNs < b.timeNs; });
  // Threads and children made by a profiled thread carry its events already.
  for (const auto& event : *events) {
    if (event.type == SidebandEvent::Type::Fork) inherited_.insert(event.tid);
    if (event.type != SidebandEvent::Type::Exit) continue;
    inherited_.erase(event.tid);
    threads_.erase(event.tid);
  }
  // The kernel does not say what kind the records were; those of samples are a hundred times as large as others.
  Count(OP_COUNT_SAMPLES, lost_ - lostBefore);
  Count(OP_COUNT_RING_FULL, lost_ - lostBefore);
  return lost_ != lostBefore;
}

void PerfSession::Unwind(const ProcessTable& processes, const SampleSink& sink) {
  for (size_t i = 0; i < keptStart_.size(); i++) {
    const size_t end = i + 1 < keptStart_.size() ? keptStart_[i + 1] : kept_.size();
    UnwindOne(std::span(kept_).subspan(keptStart_[i], end - keptStart_[i]), processes, sink);
  }
}

void PerfSession::UnwindOne(std::span<const uint8_t> bytes, const ProcessTable& processes, const SampleSink& sink) {
  // Layout by ascending sample_type bit: TID, TIME, CPU, [CALLCHAIN], REGS_USER, STACK_USER.
  ByteReader in(bytes.subspan(sizeof(perf_event_header)));
  op_sample head{};
  head.version = OP_SAMPLE_VERSION;
  head.kind = OP_SAMPLE_ON_CPU;
  head.tgid = in.Read<uint32_t>();
  head.tid = in.Read<uint32_t>();
  head.time_ns = in.Read<uint64_t>();
  head.cpu = in.Read<uint32_t>();
  in.Skip(4);
  std::vector<uint64_t> kernel;
  if (!excludeKernel_) {
    const uint64_t count = in.Read<uint64_t>();
    for (uint64_t i = 0; i < count && in.ok(); i++)
      if (const uint64_t pc = in.Read<uint64_t>(); pc < kFirstContextMark && kernel.size() < OP_MAX_KERNEL_FRAMES)
        kernel.push_back(pc);
  }
  frames_.clear();
  UnwindResult result;
  const uint64_t abi = in.Read<uint64_t>();
  if (abi == PERF_SAMPLE_REGS_ABI_64) {
    UnwindRegisters registers;
    registers.fp = in.Read<uint64_t>();
    if (kIsAarch64) registers.lr = in.Read<uint64_t>();
    registers.sp = in.Read<uint64_t>();
    registers.ip = in.Read<uint64_t>();
    const uint64_t size = in.Read<uint64_t>();
    const auto stack = in.Take(size);
    const uint64_t filled = size ? in.Read<uint64_t>() : 0;
    if (!in.ok()) return sink({});  // counted there as malformed
    std::shared_ptr<const UnwindTable> held;
    const auto lookup = [&](uint64_t pc, UnwindMapping* out) {
      const auto* mapping = processes.MappingAt(static_cast<int>(head.tgid), pc);
      if (!mapping) return false;
      held = mapping->file ? mapping->file->table() : nullptr;
      *out = {mapping->start, mapping->end, mapping->bias, mapping->file ? mapping->file->id() : 0, held.get()};
      return true;
    };
    result = UnwindStack(registers, stack.first(std::min<uint64_t>(filled, stack.size())), lookup, &frames_);
    Count(OP_COUNT_USER_STACKS);
    Count(OP_COUNT_USER_FRAMES, frames_.size());
    if (result.error) Count(result.error);
    if (result.flags & OP_SAMPLE_TRUNCATED) Count(OP_COUNT_ERR_DEPTH);
    if (result.flags & OP_SAMPLE_COMPLETE && !result.error) Count(OP_COUNT_USER_COMPLETE);
    if (result.error == OP_COUNT_ERR_READ && filled == kStackBytes) {
      stats_.stacksCut++;
      result.flags |= OP_SAMPLE_TRUNCATED;
    }
  } else if (abi == PERF_SAMPLE_REGS_ABI_32) {
    result.error = OP_COUNT_ERR_COMPAT;
    result.flags = OP_SAMPLE_ERROR;
    Count(OP_COUNT_ERR_COMPAT);
  }
  head.flags = result.flags;
  head.error = result.error;
  head.user_count = static_cast<uint32_t>(frames_.size());
  head.leaf_count = static_cast<uint16_t>(frames_.size());
  head.kernel_count = static_cast<uint32_t>(kernel.size());
  const std::string comm = processes.CommOf(static_cast<int>(head.tgid), static_cast<int>(head.tid));
  comm.copy(head.comm, OP_COMM_LEN - 1);

  const auto append = [this](const void* data, size_t size) {
    const auto* from = static_cast<const uint8_t*>(data);
    record_.insert(record_.end(), from, from + size);
  };
  record_.clear();
  append(&head, sizeof(head));
  append(frames_.data(), frames_.size() * sizeof(op_frame));
  append(kernel.data(), kernel.size() * sizeof(uint64_t));
  Count(OP_COUNT_SAMPLES_EMITTED);
  sink(record_);
}

}  // namespace otelprof
