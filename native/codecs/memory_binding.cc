// SPDX-License-Identifier: Apache-2.0
#include <napi.h>

#if __has_include(<malloc.h>)
#include <malloc.h>
#endif

#include "parts.h"

namespace otelcodecs {
namespace {

/// On a thread of libuv's pool: an arena is locked while its free pages are given back, some milliseconds for 100 MB.
class TrimWork final : public Napi::AsyncWorker {
 public:
  explicit TrimWork(Napi::Env env) : AsyncWorker(env, "otelcodecs"), promise_(Napi::Promise::Deferred::New(env)) {}

  Napi::Promise promise() const { return promise_.Promise(); }

  void Execute() override {
#ifdef __GLIBC__
    // With musl there is nothing to be done: it gives back what is free.
    malloc_trim(0);
#endif
  }
  void OnOK() override { promise_.Resolve(Env().Undefined()); }

 private:
  Napi::Promise::Deferred promise_;
};

Napi::Value TrimMemoryCall(const Napi::CallbackInfo& info) {
  auto* work = new TrimWork(info.Env());
  const Napi::Promise promise = work->promise();
  // It deletes itself when it is done.
  work->Queue();
  return promise;
}

}  // namespace

void RegisterMemory(Napi::Env env, Napi::Object exports) {
  exports.Set("trimMemory", Napi::Function::New<TrimMemoryCall>(env, "trimMemory"));
}

}  // namespace otelcodecs
