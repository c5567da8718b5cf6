// SPDX-License-Identifier: Apache-2.0
#include "mapping_store.h"

#include <atomic>

namespace otelprof {
namespace {

// The program runs with interrupts off for well under a millisecond.
constexpr uint64_t kRestNs = 200'000'000;

}  // namespace

MappingStore::MappingStore(BpfSession* session) : session_(session) {
  free_[0] = static_cast<uint32_t>(session->mappings().size());
}

std::shared_ptr<MappingStore::Range> MappingStore::Store(std::span<const op_mapping> mappings) {
  if (mappings.empty()) return nullptr;
  const uint32_t count = static_cast<uint32_t>(mappings.size());
  for (auto it = free_.begin(); it != free_.end(); ++it) {
    if (it->second < count) continue;
    const uint32_t first = it->first;
    const uint32_t rest = it->second - count;
    free_.erase(it);
    if (rest) free_[first + count] = rest;
    used_ += count;
    const uint32_t owner = nextOwner_++;
    const auto area = session_->mappings();
    for (uint32_t i = 0; i < count; i++) {
      area[first + i] = mappings[i];
      area[first + i].owner = owner;
    }
    // The rows must be visible before the process entry that names them.
    std::atomic_thread_fence(std::memory_order_release);
    return std::make_shared<Range>(this, first, count, owner);
  }
  full_++;
  return nullptr;
}

int MappingStore::Assign(int pid, const Range* range, uint64_t filterRules) {
  op_process process{};
  process.tgid = static_cast<uint32_t>(pid);
  process.rules = filterRules;
  if (range) {
    process.first = range->first();
    process.count = range->count();
    process.owner = range->owner();
  }
  const int error = session_->SetProcess(process);
  if (error < 0) processErrors_++;
  return error;
}

void MappingStore::Forget(int pid) {
  session_->DeleteProcess(static_cast<uint32_t>(pid));
  returns_++;
}

void MappingStore::Release(uint32_t first, uint32_t count) { resting_.push_back({first, count, nowNs_}); }

void MappingStore::Settle(uint64_t nowNs) {
  nowNs_ = nowNs;
  while (!resting_.empty() && resting_.front().sinceNs + kRestNs < nowNs) {
    Free(resting_.front().first, resting_.front().count);
    resting_.pop_front();
  }
}

void MappingStore::Free(uint32_t first, uint32_t count) {
  used_ -= count;
  returns_++;
  auto next = free_.lower_bound(first);
  if (next != free_.end() && first + count == next->first) {
    count += next->second;
    next = free_.erase(next);
  }
  if (next != free_.begin()) {
    const auto previous = std::prev(next);
    if (previous->first + previous->second == first) {
      previous->second += count;
      return;
    }
  }
  free_[first] = count;
}

}  // namespace otelprof
