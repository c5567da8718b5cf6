// SPDX-License-Identifier: Apache-2.0
#include <napi.h>

#include "arguments.h"
#include "parts.h"
#include "row_index.h"

namespace otelcodecs {
namespace {

/// (words: Int32Array, starts: Uint32Array, slots: Int32Array, key: Uint32Array of k0, k1, mask): number
Napi::Value IndexRowsJs(const Napi::CallbackInfo& info) {
  Arguments arguments(info);
  const auto words = arguments.TakeArray<const int32_t>();
  const auto starts = arguments.TakeArray<const uint32_t>();
  const auto slots = arguments.TakeArray<int32_t>();
  const auto key = arguments.TakeArray<const uint32_t>();
  if (arguments.ok() && key.size() != 3) arguments.Fail<Napi::RangeError>("the key must have three words");
  if (!arguments.ok()) return info.Env().Undefined();
  const auto duplicates = IndexRows(words, starts, slots, {key[0], key[1], key[2]});
  if (duplicates) return Napi::Number::New(info.Env(), *duplicates);
  arguments.Fail<Napi::RangeError>("rows, starts and slots do not fit each other");
  return info.Env().Undefined();
}

}  // namespace

void RegisterRowIndex(Napi::Env env, Napi::Object exports) {
  exports.Set("indexRows", Napi::Function::New<IndexRowsJs>(env, "indexRows"));
}

}  // namespace otelcodecs
