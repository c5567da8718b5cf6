// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "bpf_session.h"
#include "process_table.h"
#include "sample_record.h"
#include "unwind/unwind.h"

namespace otelprof {

/// Goes on where the kernel program met code whose table or mapping it had not been given yet: the first
/// samples of a host, of a new binary, of a library just loaded. They wait, with a copy of their stack, until
/// the tables they need are there, and are then unwound here. Belongs to the profiler thread, but for counters.
class LateUnwinder {
 public:
  /// `load` asks for a table in user space; it may come at any later time, or never.
  using Load = std::function<void(const std::shared_ptr<ProfiledFile>&)>;
  /// A whole sample, as the kernel program would have made it.
  using Done = std::function<void(const SampleRecord& record, const std::shared_ptr<const ProcessInfo>& process)>;
  using Mappings = std::shared_ptr<const std::vector<ProcessMapping>>;

  explicit LateUnwinder(Load load) : load_(std::move(load)) {}

  /// A copy of a stack, of which the sample follows. Malformed ones are false.
  bool AddStack(const op_sample& head, std::span<const uint8_t> rest);
  /// Keeps a sample whose copy of the stack came before. False if that did not, or was malformed: the record then says
  /// that it ends early, which is counted. `mappings` are those of the moment.
  bool Add(SampleRecord* record, const std::shared_ptr<const ProcessInfo>& process, Mappings mappings);
  /// Unwinds what has its tables, or has waited for too long, or `all`; each goes to `done`, in their order of
  /// arrival if they waited for the same. Error and flags of the head are set.
  void Resolve(uint64_t nowNs, bool all, const Done& done);

  size_t size() const { return waiting_.size(); }
  /// Copies of stacks whose samples have not come.
  size_t looseStacks() const { return stacks_.size(); }
  /// Samples unwound although a table was still missing.
  uint64_t gaveUp() const { return gaveUp_; }
  /// What the kernel program would have counted.
  uint64_t counter(size_t id) const { return counters_[id]; }

 private:
  struct Waiting {
    op_sample head{};
    std::vector<op_frame> frames;  // found by the kernel program, leaf first
    std::vector<uint64_t> kernel;
    std::vector<op_label> labels;
    op_resume resume{};
    std::vector<uint8_t> stack;
    std::shared_ptr<const ProcessInfo> process;
    Mappings mappings;
  };
  enum class Outcome : uint8_t { Done, Wait };
  bool TakeStack(const op_sample& head, Waiting* out);
  Outcome Unwind(Waiting* waiting, bool last);
  void Count(uint32_t id, uint64_t by = 1) { counters_[id] += by; }

  Load load_;
  std::vector<std::pair<op_sample, std::vector<uint8_t>>> stacks_;  // whose sample has not come yet
  std::deque<Waiting> waiting_;
  size_t bytes_ = 0;
  std::vector<op_frame> frames_;
  std::vector<uint8_t> record_;
  std::atomic<uint64_t> gaveUp_{0};
  std::array<std::atomic<uint64_t>, OP_COUNT_MAX> counters_{};
};

}  // namespace otelprof
