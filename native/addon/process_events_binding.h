// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <napi.h>

namespace otelprof {

/// Puts `openProcessEvents(options, ready)` on the module object; src/native/process-events.ts says what it does.
void RegisterProcessEvents(Napi::Env env, Napi::Object exports);

}  // namespace otelprof
