// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <napi.h>

namespace otelcodecs {

/// Each part puts its functions on the module object; none keeps state beyond its calls.
void RegisterCompression(Napi::Env env, Napi::Object exports);
void RegisterMemory(Napi::Env env, Napi::Object exports);
void RegisterOtlp(Napi::Env env, Napi::Object exports);
void RegisterPprof(Napi::Env env, Napi::Object exports);
void RegisterRowIndex(Napi::Env env, Napi::Object exports);

}  // namespace otelcodecs
