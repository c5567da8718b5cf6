// SPDX-License-Identifier: Apache-2.0
#include "names.h"

#include <atomic>

namespace otelprof {
namespace {

constexpr uint64_t kAskAgainNs = 1'000'000'000;
constexpr size_t kMaxFunctionsPerProcess = 32768;
constexpr uint64_t kMaxTotalBytes = 64u << 20;
constexpr uint64_t kEntryBytes = 96;

std::atomic<uint64_t> g_bytes{0};

}  // namespace

uint64_t FunctionNames::TotalBytes() { return g_bytes; }

FunctionNames::~FunctionNames() { g_bytes -= bytes_; }

void FunctionNames::Clear() {
  entries_.clear();
  g_bytes -= bytes_;
  bytes_ = 0;
}

bool FunctionNames::Ask(const FunctionKey& key, uint64_t nowNs) {
  const std::lock_guard lock(mutex_);
  if (entries_.size() >= kMaxFunctionsPerProcess && !entries_.contains(key)) {
    // A program that makes code without end: what still runs will be asked for again.
    Clear();
  }
  const auto [it, isNew] = entries_.try_emplace(key);
  Entry& entry = it->second;
  if (isNew) {
    bytes_ += kEntryBytes;
    g_bytes += kEntryBytes;
  }
  if (entry.function || nowNs < entry.askAgainNs) return false;
  entry.askAgainNs = nowNs + kAskAgainNs;
  return true;
}

bool FunctionNames::Keep(const FunctionKey& key, std::shared_ptr<const RuntimeFunction> function) {
  const uint64_t bytes = function->sizeBytes();
  const std::lock_guard lock(mutex_);
  if (g_bytes + bytes + kEntryBytes > kMaxTotalBytes) Clear();
  if (g_bytes + bytes + kEntryBytes > kMaxTotalBytes) return false;
  const auto [it, isNew] = entries_.try_emplace(key);
  if (it->second.function) return true;
  it->second.function = std::move(function);
  const uint64_t added = bytes + (isNew ? kEntryBytes : 0);
  bytes_ += added;
  g_bytes += added;
  return true;
}

std::shared_ptr<const RuntimeFunction> FunctionNames::Find(const FunctionKey& key) const {
  const std::lock_guard lock(mutex_);
  const auto it = entries_.find(key);
  return it == entries_.end() ? nullptr : it->second.function;
}

}  // namespace otelprof
