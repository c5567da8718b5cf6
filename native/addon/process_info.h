// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "process_context.h"
#include "runtimes/names.h"
#include "symbols/jit_dump.h"
#include "symbols/symbols.h"

namespace otelprof {

/// What a sample says about its process. One per program run by a pid: exec makes a new one. Windows keep
/// it alive after the process ended.
struct ProcessInfo {
  uint32_t serial = 0;  // never reused; names the process in stacks of generated code
  int pid = 0;
  uint64_t startNs = 0;  // since boot
  std::string path;
  std::string name;
  std::string containerId;
  std::string cgroup;  // path below the hierarchy
  uint64_t filterRules = 0;  // see ProcessFilter
  std::vector<std::pair<std::string, std::string>> environment;

  /// Names of generated code; found by the namer at the first such frame.
  mutable std::mutex jitMutex;
  mutable std::unique_ptr<PerfMap> perfMap;
  mutable std::unique_ptr<JitDump> jitDump;
  mutable uint32_t codeNameFaults = 0;  // that were counted, see code_names.h; by jitMutex too
  /// Asked for again at the next such frame after this: programs begin to write them when they like.
  mutable uint64_t jitAskAgainNs = 0;
  mutable uint64_t jitAskGapNs = 0;

  /// What the process publishes of itself; belongs to whoever collects.
  mutable ProcessContext context;

  /// Names of the managed runtime's functions, read by the namer.
  mutable FunctionNames functions;
};

/// Reads a process that runs now. `fallbackName` is used where /proc says nothing.
std::shared_ptr<ProcessInfo> ReadProcessInfo(int pid, const std::vector<std::string>& environmentNames,
                                             const std::string& fallbackName);

/// Takes over what the text of /proc/PID/cgroup says.
void SetCgroup(ProcessInfo* info, const std::string& text);

/// A child right after fork: all of the parent's but pid and start.
std::shared_ptr<ProcessInfo> ForkedProcessInfo(const ProcessInfo& parent, int pid, uint64_t startNs);

}  // namespace otelprof
