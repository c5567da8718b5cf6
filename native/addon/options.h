// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "symbols/symbols.h"

namespace otelprof {

enum class ProfilerMode : uint8_t { Ebpf, Perf };

/// What the `Profiler` constructor takes, checked.
struct Options {
  uint32_t samplesPerSecond = 20;
  bool sendIdleFrames = false;
  bool sendErrorFrames = false;
  bool noKernelVersionCheck = false;
  uint32_t verifierLogLevel = 0;
  uint64_t maxTableBytes = 64u << 20;
  std::vector<std::string> includeEnvVars;
  std::vector<uint32_t> pinCpuIds;
  std::string bpfObjectDir;
  DemangleMode demangle = DemangleMode::Simplified;
  ProfilerMode mode = ProfilerMode::Ebpf;
};

}  // namespace otelprof
