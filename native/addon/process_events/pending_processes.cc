// SPDX-License-Identifier: Apache-2.0
#include "pending_processes.h"

#include <algorithm>

namespace otelprof {

void PendingProcesses::Add(const ConnectorEvent& event, uint64_t nowMs) {
  using Kind = ConnectorEvent::Kind;
  if (event.kind == Kind::Acknowledge || event.kind == Kind::Name) return;
  const auto [it, isFirst] = pending_.try_emplace(event.pid);
  Pending& one = it->second;
  const uint64_t dueMs = nowMs + (event.kind == Kind::Fork ? forkSettleMs_ : settleMs_);
  one.dueMs = isFirst ? dueMs : std::min(one.dueMs, dueMs);
  notBeforeMs_ = std::min(notBeforeMs_, one.dueMs);
  if (event.kind == Kind::Exit) {
    if (one.isNew && !one.ended) {
      pending_.erase(it);
      return;
    }
    one.ended = true;
    one.began = one.isNew = false;
  } else {
    one.began = true;
    if (event.kind == Kind::Fork) one.isNew = true;
  }
  if (pending_.size() > kMaxPending) Lose(nowMs);
}

void PendingProcesses::Lose(uint64_t nowMs) {
  if (pending_.size() > kMaxPending) pending_.clear();
  if (!lostMs_) lostMs_ = nowMs + settleMs_;
  notBeforeMs_ = std::min(notBeforeMs_, *lostMs_);
}

std::optional<uint64_t> PendingProcesses::DueMs(uint64_t nowMs) {
  // What ended before it was due may have left a time at which nothing is.
  if (notBeforeMs_ <= nowMs) {
    notBeforeMs_ = lostMs_.value_or(UINT64_MAX);
    for (const auto& [pid, one] : pending_) notBeforeMs_ = std::min(notBeforeMs_, one.dueMs);
  }
  if (notBeforeMs_ == UINT64_MAX) return std::nullopt;
  return notBeforeMs_;
}

ProcessChanges PendingProcesses::Take(uint64_t nowMs, size_t maxBegan) {
  ProcessChanges out;
  if (lostMs_ && *lostMs_ <= nowMs) {
    out.lost = true;
    lostMs_.reset();
  }
  for (auto it = pending_.begin(); it != pending_.end();) {
    const auto& [pid, one] = *it;
    if (one.dueMs > nowMs || (one.began && out.began.size() >= maxBegan)) {
      ++it;
      continue;
    }
    (one.began ? out.began : out.ended).push_back(pid);
    it = pending_.erase(it);
  }
  return out;
}

}  // namespace otelprof
