// SPDX-License-Identifier: Apache-2.0
#include "failure.h"

#include <cstring>

namespace otelprof {

std::string ErrnoName(int code) {
  const char* name = strerrorname_np(code);
  return name ? name : "E" + std::to_string(code);
}

Failure SystemFailure(int code, std::string syscall, std::string what) {
  Failure out;
  out.code = code;
  out.message = what + ": " + syscall + ": " + ErrnoName(code);
  out.syscall = std::move(syscall);
  return out;
}

}  // namespace otelprof
