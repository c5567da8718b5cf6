// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "failure.h"
#include "options.h"
#include "unique_fd.h"
#include "unwind/table.h"

struct bpf_object;
struct ring_buffer;

namespace otelprof {

using Counters = std::array<uint64_t, OP_COUNT_MAX>;

/// The loaded eBPF programs and their maps. Everything is released with the object.
/// Thread rules: Drain belongs to one thread; the map functions may be called from any.
class BpfSession {
 public:
  using SampleSink = std::function<void(std::span<const uint8_t>)>;

  static std::unique_ptr<BpfSession> Load(const Options& options, SampleSink sink, Failure* failure);
  ~BpfSession();
  BpfSession(const BpfSession&) = delete;
  BpfSession& operator=(const BpfSession&) = delete;

  /// One cpu-clock event per CPU, with the program on it.
  Failure Attach(std::span<const uint32_t> cpus, uint32_t samplesPerSecond);
  /// Stops or goes on with sampling on the CPU, for the windows of probabilistic profiling. Any thread.
  void SetSampling(bool on);
  /// The share of events, 0 to 1, that is sampled at all; probes are not concerned. Any thread.
  void SetFraction(double fraction);
  void Detach();

  /// What the programs were told, for objects that run beside this one.
  const op_config& config() const { return config_; }
  /// A map by name, or -1.
  int MapFd(const char* name) const;

  int sampleFd() const { return samplesFd_; }
  /// Hands every waiting record to the sink, a ring full of them at most, for many CPUs may write faster than one thread
  /// reads; false if there was none.
  bool Drain();

  std::span<op_mapping> mappings() const { return {mappings_, mappingCount_}; }
  int SetProcess(const op_process& process);
  int DeleteProcess(uint32_t tgid);
  /// The kernel's copy of a table, not yet visible to the program.
  static int MakeTable(const UnwindTable& table, UniqueFd* out);
  /// Makes tables (file id, descriptor) visible; returns how many of the first ones were taken.
  size_t AddTables(std::span<const std::pair<uint32_t, int>> tables);
  int RemoveTable(uint32_t file);
  int SetRuntime(uint32_t file, const op_runtime& runtime);
  int RemoveRuntime(uint32_t file);

  Counters ReadCounters() const;
  bool RunTime(uint64_t* ns, uint64_t* runs) const;
  uint64_t mapBytes() const { return mapBytes_; }
  bool usesTaskPtRegs() const { return taskPtRegs_; }

 private:
  BpfSession() = default;
  Failure Configure(const Options& options);
  Failure MapArrays();
  Failure FillCommRules(const Options& options);
  static int TakeRecord(void* session, void* data, size_t size);

  struct ObjectCloser {
    void operator()(bpf_object* object) const;
  };
  struct RingCloser {
    void operator()(ring_buffer* ring) const;
  };

  SampleSink sink_;
  std::unique_ptr<bpf_object, ObjectCloser> object_;
  UniqueFd spanMap_;  // the pinned one
  std::unique_ptr<ring_buffer, RingCloser> ring_;
  std::mutex eventsMutex_;
  std::vector<UniqueFd> events_;
  op_config config_{};
  op_mapping* mappings_ = nullptr;
  size_t mappingCount_ = 0;
  size_t mappingBytes_ = 0;
  uint64_t mapBytes_ = 0;
  uint32_t ringBytes_ = 0;
  size_t drainedBytes_ = 0;  // of the drain that goes on
  int programFd_ = -1;
  int samplesFd_ = -1;
  int processesFd_ = -1;
  int tablesFd_ = -1;
  int countersFd_ = -1;
  int runtimesFd_ = -1;
  int controlFd_ = -1;
  bool taskPtRegs_ = false;
};

/// Numbers of the CPUs that are online.
std::vector<uint32_t> OnlineCpus();

/// What libbpf and the verifier said since the last call; the tail of it, at most 64 KiB.
std::string TakeBpfLog();

/// Bytes of the unwinding state that an object has of its own.
uint64_t ScratchBytes(const bpf_object* object);

}  // namespace otelprof
