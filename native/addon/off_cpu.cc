// SPDX-License-Identifier: Apache-2.0
#include "off_cpu.h"

namespace otelprof {

void OffCpuThreads::Remove(std::list<Entry>::iterator entry) {
  frames_ -= entry->second.stack.size();
  byKey_.erase(entry->first);
  order_.erase(entry);
}

void OffCpuThreads::Left(const Key& key, Away away) {
  if (const auto known = byKey_.find(key); known != byKey_.end()) {
    replaced_++;
    Remove(known->second);
  }
  frames_ += away.stack.size();
  order_.emplace_back(key, std::move(away));
  byKey_[key] = std::prev(order_.end());
  while (order_.size() > maxThreads_ || (frames_ > maxFrames_ && order_.size() > 1)) {
    evicted_++;
    Remove(order_.begin());
  }
}

std::optional<OffCpuThreads::Away> OffCpuThreads::CameBack(const Key& key) {
  const auto known = byKey_.find(key);
  if (known == byKey_.end()) return std::nullopt;
  Away away = std::move(known->second->second);
  frames_ -= away.stack.size();
  order_.erase(known->second);
  byKey_.erase(known);
  return away;
}

void OffCpuThreads::Abandon() {
  abandoned_ += order_.size();
  order_.clear();
  byKey_.clear();
  frames_ = 0;
}

}  // namespace otelprof
