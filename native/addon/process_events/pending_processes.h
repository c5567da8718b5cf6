// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <unordered_map>
#include <vector>

#include "connector_message.h"

namespace otelprof {

/// Processes that are to be looked at, those that are gone, and whether events were lost: then all are to be.
struct ProcessChanges {
  std::vector<int32_t> began;
  std::vector<int32_t> ended;
  bool lost = false;
};

/// What became of processes since somebody took it. What begins and ends before it is due is forgotten, so that a
/// storm of short processes costs the reader nothing. At most `kMaxPending` processes; beyond, all of it is forgotten and
/// counts as lost. Times are milliseconds of a clock that does not jump.
class PendingProcesses {
 public:
  static constexpr size_t kMaxPending = 1 << 16;

  /// `settleMs` after an exec or an end it is due; `forkSettleMs` after a fork, for most of those exec or end at once.
  PendingProcesses(uint32_t settleMs, uint32_t forkSettleMs) : settleMs_(settleMs), forkSettleMs_(forkSettleMs) {}

  void Add(const ConnectorEvent& event, uint64_t nowMs);
  void Lose(uint64_t nowMs);

  /// When something may be due, and at that time exactly; undefined where nothing waits.
  std::optional<uint64_t> DueMs(uint64_t nowMs);

  /// What is due, at most `maxBegan` that began; what is left stays due.
  ProcessChanges Take(uint64_t nowMs, size_t maxBegan);

 private:
  struct Pending {
    uint64_t dueMs = 0;
    /// One of this number, that was known or may have been, has ended.
    bool ended = false;
    bool began = false;
    /// The one that began did so since: nobody knows it but here.
    bool isNew = false;
  };

  uint32_t settleMs_;
  uint32_t forkSettleMs_;
  std::unordered_map<int32_t, Pending> pending_;
  std::optional<uint64_t> lostMs_;
  /// Nothing is due before.
  uint64_t notBeforeMs_ = UINT64_MAX;
};

}  // namespace otelprof
