// SPDX-License-Identifier: Apache-2.0
#include "late_unwinder.h"

#include <algorithm>
#include <cstring>

namespace otelprof {
namespace {

// The largest binaries take some tenths of a second, a host that starts has hundreds of them.
constexpr uint64_t kPatienceNs = 10'000'000'000;
constexpr size_t kMaxWaitingBytes = 32u << 20;
// A stack and its sample leave the kernel program together; more than this many CPUs do not race.
constexpr size_t kMaxLooseStacks = 1024;
// After this the sample was lost, or is not wanted: 84 KiB each are too much to keep for it.
constexpr uint64_t kLooseNs = 1'000'000'000;

bool SameMoment(const op_sample& a, const op_sample& b) {
  return a.time_ns == b.time_ns && a.tid == b.tid && a.cpu == b.cpu;
}

}  // namespace

bool LateUnwinder::AddStack(const op_sample& head, std::span<const uint8_t> rest) {
  op_resume resume;
  if (rest.size() < sizeof(resume)) return false;
  std::memcpy(&resume, rest.data(), sizeof(resume));
  if (resume.bytes > OP_RESUME_BYTES || resume.bytes > rest.size() - sizeof(resume)) return false;
  const auto bytes = rest.subspan(sizeof(resume), resume.bytes);
  const auto known = std::find_if(stacks_.begin(), stacks_.end(),
                                  [&](const auto& stack) { return SameMoment(stack.first, head); });
  if (known != stacks_.end()) {
    if (known->second.size() + bytes.size() > sizeof(resume) + OP_RESUME_PARTS * OP_RESUME_BYTES) return false;
    known->second.insert(known->second.end(), bytes.begin(), bytes.end());
    return true;
  }
  if (stacks_.size() >= kMaxLooseStacks) stacks_.erase(stacks_.begin());
  stacks_.emplace_back(head, std::vector<uint8_t>(rest.begin(), rest.begin() + sizeof(resume) + resume.bytes));
  return true;
}

bool LateUnwinder::TakeStack(const op_sample& head, Waiting* out) {
  const auto it = std::find_if(stacks_.begin(), stacks_.end(),
                               [&](const auto& stack) { return SameMoment(stack.first, head); });
  if (it == stacks_.end()) return false;
  std::memcpy(&out->resume, it->second.data(), sizeof(out->resume));
  out->stack.assign(it->second.begin() + sizeof(out->resume), it->second.end());
  stacks_.erase(it);
  return true;
}

bool LateUnwinder::Add(SampleRecord* lent, const std::shared_ptr<const ProcessInfo>& process, Mappings mappings) {
  const SampleRecord& record = *lent;
  Waiting waiting;
  if (!TakeStack(record.head(), &waiting)) {
    Count(OP_COUNT_USER_STACKS);
    Count(OP_COUNT_USER_FRAMES, record.head().user_count);
    Count(OP_COUNT_ERR_STACK_LOST);
    lent->EndEarly(OP_COUNT_ERR_STACK_LOST);
    return false;
  }
  waiting.head = record.head();
  waiting.frames.resize(waiting.head.user_count);
  if (!waiting.frames.empty())
    std::memcpy(waiting.frames.data(), record.slots(), waiting.frames.size() * sizeof(op_frame));
  for (size_t i = 0; i < waiting.head.kernel_count; i++) waiting.kernel.push_back(record.kernelAddress(i));
  waiting.labels.resize(waiting.head.label_count);
  if (!waiting.labels.empty())
    std::memcpy(waiting.labels.data(), record.labels(), waiting.labels.size() * sizeof(op_label));
  waiting.process = process;
  waiting.mappings = std::move(mappings);
  bytes_ += waiting.stack.size();
  waiting_.push_back(std::move(waiting));
  return true;
}

void LateUnwinder::Resolve(uint64_t nowNs, bool all, const Done& done) {
  std::deque<Waiting> still;
  for (auto& waiting : waiting_) {
    const size_t size = waiting.stack.size();
    const bool last = all || nowNs > waiting.head.time_ns + kPatienceNs || bytes_ > kMaxWaitingBytes;
    if (Unwind(&waiting, last) == Outcome::Wait) {
      still.push_back(std::move(waiting));
      continue;
    }
    bytes_ -= size;
    waiting.head.user_count = static_cast<uint32_t>(waiting.frames.size());
    waiting.head.leaf_count = static_cast<uint16_t>(waiting.frames.size());
    record_.clear();
    const auto append = [this](const void* data, size_t bytes) {
      const auto* from = static_cast<const uint8_t*>(data);
      record_.insert(record_.end(), from, from + bytes);
    };
    append(&waiting.head, sizeof(waiting.head));
    append(waiting.frames.data(), waiting.frames.size() * sizeof(op_frame));
    append(waiting.kernel.data(), waiting.kernel.size() * sizeof(uint64_t));
    append(waiting.labels.data(), waiting.labels.size() * sizeof(op_label));
    if (const auto record = SampleRecord::Decode(record_)) done(*record, waiting.process);
  }
  waiting_ = std::move(still);
  std::erase_if(stacks_, [&](const auto& stack) { return nowNs > stack.first.time_ns + kLooseNs; });
}

LateUnwinder::Outcome LateUnwinder::Unwind(Waiting* waiting, bool last) {
  bool missing = false;
  std::shared_ptr<const UnwindTable> held;
  const auto lookup = [&](uint64_t pc, UnwindMapping* out) {
    const auto& all = *waiting->mappings;
    const auto it = std::lower_bound(all.begin(), all.end(), pc,
                                     [](const ProcessMapping& m, uint64_t address) { return m.end <= address; });
    if (it == all.end() || it->start > pc) return false;
    held = it->file ? it->file->table() : nullptr;
    if (it->file && !held && it->file->tableState != TableState::Failed) {
      missing = true;
      load_(it->file);
    }
    *out = {it->start, it->end, it->bias, it->file ? it->file->id() : 0, held.get()};
    return true;
  };
  frames_.clear();
  const auto& from = waiting->resume;
  UnwindRegisters registers{from.ip, from.sp, from.fp};
  registers.returnAddress = from.return_address != 0;
  registers.viaFp = from.via_fp != 0;
  registers.stackSwitches = from.stack_switches;
  registers.lr = from.lr;
  registers.called = from.called != 0;
  registers.guessedSp = from.guessed_sp != 0;
  registers.depth = static_cast<int>(waiting->frames.size());
  const UnwindResult result = UnwindStack(registers, waiting->stack, lookup, &frames_);
  if (missing && !last) return Outcome::Wait;
  if (missing) gaveUp_++;
  auto& head = waiting->head;
  head.flags = static_cast<uint16_t>((head.flags & ~OP_SAMPLE_RESUME) | result.flags);
  head.error = result.error;
  Count(OP_COUNT_USER_STACKS);
  Count(OP_COUNT_USER_FRAMES, waiting->frames.size() + frames_.size());
  if (result.flags & OP_SAMPLE_TRUNCATED)
    Count(OP_COUNT_ERR_DEPTH);
  else
    Count(result.error ? result.error : uint32_t{OP_COUNT_USER_COMPLETE});
  waiting->frames.insert(waiting->frames.end(), frames_.begin(), frames_.end());
  return Outcome::Done;
}

}  // namespace otelprof
