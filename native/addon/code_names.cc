// SPDX-License-Identifier: Apache-2.0
#include "code_names.h"

#include <algorithm>
#include <ctime>

#include "table_worker.h"

namespace otelprof {
namespace {

enum Fault : uint32_t { kDumpMalformed = 1, kDumpTruncated = 2, kMapTruncated = 4 };

uint64_t UnixTimeNs() {
  timespec now{};
  clock_gettime(CLOCK_REALTIME, &now);
  return static_cast<uint64_t>(now.tv_sec) * 1000000000u + static_cast<uint64_t>(now.tv_nsec);
}

/// A file is looked at again and again, and is counted once. With jitMutex.
void Count(const ProcessInfo& process, bool dumpMalformed, CodeNameStats* stats) {
  const auto count = [&](Fault fault, bool isThere, std::atomic<uint64_t>* counter) {
    if (!isThere || process.codeNameFaults & fault) return;
    process.codeNameFaults |= fault;
    (*counter)++;
  };
  const JitDump* dump = process.jitDump.get();
  count(kDumpMalformed, dumpMalformed || (dump && dump->malformed()), &stats->jitDumpsMalformed);
  count(kDumpTruncated, dump && dump->truncated(), &stats->jitDumpsTruncated);
  count(kMapTruncated, process.perfMap && process.perfMap->truncated(), &stats->perfMapsTruncated);
}

}  // namespace

void FindCodeNames(const ProcessInfo& process, CodeNameStats* stats) {
  {
    const std::lock_guard lock(process.jitMutex);
    if (process.jitDump || process.perfMap) return;
  }
  bool dumpMalformed = false;
  auto dump = JitDump::Find(process.pid, &dumpMalformed);
  if (dump) dump->Refresh();
  std::unique_ptr<PerfMap> map;
  const uint64_t sinceStartNs = BootTimeNs() - std::min(BootTimeNs(), process.startNs);
  if (const auto path = PerfMap::PathFor(process.pid, UnixTimeNs() - sinceStartNs)) {
    map = std::make_unique<PerfMap>(process.pid, *path);
    map->Refresh();
  }
  const std::lock_guard lock(process.jitMutex);
  process.jitDump = std::move(dump);
  process.perfMap = std::move(map);
  Count(process, dumpMalformed, stats);
}

void RefreshCodeNames(const ProcessInfo& process, CodeNameStats* stats) {
  const std::lock_guard lock(process.jitMutex);
  if (process.perfMap) process.perfMap->Refresh();
  if (process.jitDump) process.jitDump->Refresh();
  Count(process, false, stats);
}

}  // namespace otelprof
