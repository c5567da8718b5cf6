// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <napi.h>

#include "failure.h"

namespace otelprof {

/// What JavaScript is thrown: an Error with `code` and `syscall`.
inline Napi::Error ToError(Napi::Env env, const Failure& failure) {
  Napi::Error error = Napi::Error::New(env, failure.message);
  if (failure.code) error.Set("code", Napi::String::New(env, ErrnoName(failure.code)));
  if (!failure.syscall.empty()) error.Set("syscall", Napi::String::New(env, failure.syscall));
  return error;
}

}  // namespace otelprof
