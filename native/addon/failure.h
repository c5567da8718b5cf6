// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

namespace otelprof {

/// Why something could not be done: what JavaScript sees as Error.code, .syscall and .message.
struct Failure {
  int code = 0;         // errno value, 0 = none
  std::string syscall;  // "bpf", "perf_event_open", …
  std::string message;

  explicit operator bool() const { return code != 0 || !message.empty(); }
};

/// "EPERM" for 1 …; "E<number>" for what libc does not know.
std::string ErrnoName(int code);

Failure SystemFailure(int code, std::string syscall, std::string what);

}  // namespace otelprof
