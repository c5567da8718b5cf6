// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "bpf_session.h"
#include "perf_ring.h"
#include "process_table.h"
#include "sideband.h"

namespace otelprof {

/// Sampling without eBPF: perf events deliver registers and a copy of the stack, which is unwound here.
/// Covers the whole system where that is allowed, else this user's processes. Belongs to one thread
/// after Open, but for ReadCounters.
class PerfSession {
 public:
  using SampleSink = BpfSession::SampleSink;

  static std::unique_ptr<PerfSession> Open(const Options& options, Failure* failure);

  std::vector<int> fds() const;
  /// Side-band events, sorted by time; samples are kept for Unwind. True if records were lost.
  bool Drain(std::vector<SidebandEvent>* events);
  /// Unwinds what Drain kept, in the record format of the ring buffer.
  void Unwind(const ProcessTable& processes, const SampleSink& sink);
  /// Opens events for threads that are ours and have none. No-op when sampling the whole system.
  void Rescan();
  void Close();

  /// Losses that the counters of the kernel program have no row for.
  struct Stats {
    std::atomic<uint64_t> stacksCut{0};        // deeper than what is copied of them
    std::atomic<uint64_t> threadsOverLimit{0};  // not sampled as of the last scan
    std::atomic<uint64_t> threadsRefused{0};    // events of a thread could not be opened
  };

  Counters ReadCounters() const;
  const Stats& stats() const { return stats_; }
  uint64_t lost() const { return lost_; }
  bool systemWide() const { return systemWide_; }

 private:
  PerfSession() = default;
  bool OpenThread(int tid);
  UniqueFd OpenEvent(int pid, uint32_t cpu);
  void UnwindOne(std::span<const uint8_t> record, const ProcessTable& processes, const SampleSink& sink);
  void Count(uint32_t counter, uint64_t by = 1);

  uint32_t samplesPerSecond_ = 0;
  bool excludeKernel_ = false;
  bool systemWide_ = false;
  std::vector<uint32_t> cpus_;
  std::vector<std::unique_ptr<PerfRing>> rings_;  // one per CPU; other events of the CPU write into it
  std::unordered_map<int, std::vector<UniqueFd>> threads_;
  std::unordered_set<int> candidates_;  // threads without events at the last scan
  bool scanned_ = false;
  std::unordered_set<int> inherited_;  // threads that carry their creator's events
  std::vector<uint8_t> kept_;
  std::vector<size_t> keptStart_;
  std::vector<op_frame> frames_;
  std::vector<uint8_t> record_;
  std::array<std::atomic<uint64_t>, OP_COUNT_MAX> counters_{};
  Stats stats_;
  uint64_t lost_ = 0;
};

}  // namespace otelprof
