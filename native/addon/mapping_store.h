// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <span>

#include "bpf_session.h"

namespace otelprof {

/// Ranges of the shared mapping array, handed to processes. The kernel program may read a range for a
/// moment after it was replaced, so ranges rest before they are given out again.
/// Belongs to one thread, and must outlive every range.
class MappingStore {
 public:
  /// A range with its contents; children of fork share their parent's. Returns to the store when dropped.
  class Range {
   public:
    Range(MappingStore* store, uint32_t first, uint32_t count, uint32_t owner)
        : store_(store), first_(first), count_(count), owner_(owner) {}
    ~Range() { store_->Release(first_, count_); }
    Range(const Range&) = delete;
    Range& operator=(const Range&) = delete;
    uint32_t first() const { return first_; }
    uint32_t count() const { return count_; }
    uint32_t owner() const { return owner_; }

   private:
    MappingStore* store_;
    uint32_t first_;
    uint32_t count_;
    uint32_t owner_;
  };

  explicit MappingStore(BpfSession* session);

  /// nullptr when the array is full (counted) or `mappings` is empty.
  std::shared_ptr<Range> Store(std::span<const op_mapping> mappings);
  /// Makes `range` (or "known, nothing readable") the table of a process. 0 or a negative errno.
  int Assign(int pid, const Range* range, uint64_t filterRules);
  void Forget(int pid);
  /// Gives rested ranges back. `nowNs` on any steady clock.
  void Settle(uint64_t nowNs);

  uint64_t full() const { return full_; }
  uint64_t processUpdateErrors() const { return processErrors_; }
  uint64_t used() const { return used_; }
  /// Goes up whenever room was given back: what did not fit before may fit now.
  uint64_t returns() const { return returns_; }

 private:
  void Release(uint32_t first, uint32_t count);
  void Free(uint32_t first, uint32_t count);

  struct Resting {
    uint32_t first;
    uint32_t count;
    uint64_t sinceNs;
  };

  BpfSession* session_;
  std::map<uint32_t, uint32_t> free_;  // first → count
  std::deque<Resting> resting_;
  uint64_t nowNs_ = 0;
  uint64_t full_ = 0;
  uint64_t processErrors_ = 0;
  uint64_t used_ = 0;
  uint64_t returns_ = 0;
  uint32_t nextOwner_ = 1;
};

}  // namespace otelprof
