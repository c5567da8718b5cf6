// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/stat.h>

#include <cstdint>
#include <optional>
#include <string>

namespace otelprof {

struct ProcessStatus {
  int innermostPid = 0;
  uint32_t effectiveUid = UINT32_MAX;
};

/// What /proc/PID/status says; nullopt if the process is gone.
std::optional<ProcessStatus> ReadProcessStatus(int pid);

/// Opens without following any link below /proc/PID/root: absolute ones would lead into our own tree,
/// and we read files its owner may not. -1 unless it is a regular file of `uid` or root.
int OpenOwnedFile(const std::string& path, uint32_t uid, struct stat* st);

}  // namespace otelprof
