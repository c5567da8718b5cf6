// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <napi.h>

namespace otelprof {

/// Puts `openSymbolFile(path, buildId, demangle)` on the module object: a promise of an object with `lookup` and
/// `sizeBytes`, or of undefined where the file is another one. Rejects where it cannot be read.
void RegisterSymbolFile(Napi::Env env, Napi::Object exports);

}  // namespace otelprof
