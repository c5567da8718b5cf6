// SPDX-License-Identifier: Apache-2.0
#include <napi.h>

#include <optional>

#include "arguments.h"
#include "parts.h"
#include "pprof_counts.h"

namespace otelcodecs {
namespace {

/// On a thread of libuv's pool. The file is held, not copied: nobody may write to it before the promise settles.
class CountWork final : public Napi::AsyncWorker {
 public:
  CountWork(Napi::Env env, Napi::Uint8Array file, size_t limit)
      : AsyncWorker(env, "otelcodecs"),
        promise_(Napi::Promise::Deferred::New(env)),
        held_(Napi::Persistent(file.As<Napi::Object>())),
        file_{file.Data(), file.ByteLength()},
        limit_(limit) {}

  Napi::Promise promise() const { return promise_.Promise(); }

  void Execute() override { counts_ = CountGzippedPprof(file_, limit_); }

  void OnOK() override {
    if (!counts_) {
      promise_.Resolve(Env().Undefined());
      return;
    }
    auto numbers = Napi::Float64Array::New(Env(), 4);
    numbers[0] = counts_->sampleTypes;
    numbers[1] = counts_->samples;
    numbers[2] = counts_->strings;
    numbers[3] = static_cast<double>(counts_->plainBytes);
    promise_.Resolve(numbers);
  }

 private:
  Napi::Promise::Deferred promise_;
  Napi::ObjectReference held_;
  Input file_;
  size_t limit_;
  std::optional<PprofCounts> counts_;
};

/// (file: Uint8Array, limit: number): Promise
Napi::Value CountPprofCall(const Napi::CallbackInfo& info) {
  Arguments arguments(info);
  arguments.TakeArray<const uint8_t>();
  const double limit = arguments.TakeNumber();
  if (!(limit >= 0 && limit <= 0x1p53)) arguments.Fail<Napi::RangeError>("the limit must be a safe integer");
  if (!arguments.ok()) return info.Env().Undefined();
  auto* work = new CountWork(info.Env(), info[0].As<Napi::Uint8Array>(), static_cast<size_t>(limit));
  const Napi::Promise promise = work->promise();
  // It deletes itself when it is done.
  work->Queue();
  return promise;
}

}  // namespace

void RegisterPprof(Napi::Env env, Napi::Object exports) {
  exports.Set("countPprof", Napi::Function::New<CountPprofCall>(env, "countPprof"));
}

}  // namespace otelcodecs
