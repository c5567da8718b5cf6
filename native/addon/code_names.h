// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <cstdint>

#include "process_info.h"

namespace otelprof {

/// Files with names of generated code of which not all is read, each once.
struct CodeNameStats {
  std::atomic<uint64_t> jitDumpsMalformed{0};
  std::atomic<uint64_t> jitDumpsTruncated{0};  // by a limit, as the next
  std::atomic<uint64_t> perfMapsTruncated{0};
};

/// Looks for the files that name the process's generated code and reads them; both stay with the process where they
/// were once found. Does nothing for a process that has one. Any thread.
void FindCodeNames(const ProcessInfo& process, CodeNameStats* stats);
/// Reads what was appended to them since. Any thread.
void RefreshCodeNames(const ProcessInfo& process, CodeNameStats* stats);

}  // namespace otelprof
