// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <napi.h>

#include <cstdlib>

#include "buffer.h"
#include "compression.h"

namespace otelcodecs {

/// Memory from malloc as memory of JavaScript, without a copy.
inline Napi::ArrayBuffer GivenBuffer(Napi::Env env, void* data, size_t bytes) {
  return Napi::ArrayBuffer::New(env, data, bytes, [](Napi::BasicEnv, void* memory) { free(memory); });
}

inline Napi::Uint8Array Given(Napi::Env env, Output* output) {
  const size_t size = output->size();
  return Napi::Uint8Array::New(env, size, GivenBuffer(env, output->Release(), size), 0);
}

inline Napi::Uint8Array Given(Napi::Env env, Buffer<uint8_t> bytes) {
  const size_t size = bytes.size();
  if (size == 0) return Napi::Uint8Array::New(env, 0);
  return Napi::Uint8Array::New(env, size, GivenBuffer(env, bytes.Release(), size), 0);
}

}  // namespace otelcodecs
