// SPDX-License-Identifier: Apache-2.0
#include <napi.h>

#include "parts.h"

namespace {

/// What src/native/codecs-addon.ts asks for; counted up with every change of a function's contract.
constexpr uint32_t kVersion = 6;

Napi::Object Init(Napi::Env env, Napi::Object exports) {
  exports.Set("version", Napi::Number::New(env, kVersion));
  otelcodecs::RegisterCompression(env, exports);
  otelcodecs::RegisterMemory(env, exports);
  otelcodecs::RegisterOtlp(env, exports);
  otelcodecs::RegisterPprof(env, exports);
  otelcodecs::RegisterRowIndex(env, exports);
  return exports;
}

}  // namespace

NODE_API_MODULE(NODE_GYP_MODULE_NAME, Init)
