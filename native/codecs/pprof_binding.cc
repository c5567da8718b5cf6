// SPDX-License-Identifier: Apache-2.0
#include <napi.h>

#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "arguments.h"
#include "given.h"
#include "inflated_file.h"
#include "parts.h"
#include "pprof_counts.h"
#include "pprof_delta.h"
#include "pprof_otlp.h"

namespace otelcodecs {
namespace {

/// Something that is told of a file on a thread of libuv's pool; nothing becomes undefined. What it reads is held, not
/// copied: nobody may write to it before the promise settles.
class FileWork : public Napi::AsyncWorker {
 public:
  FileWork(const Napi::CallbackInfo& info, size_t limit)
      : AsyncWorker(info.Env(), "otelcodecs"),
        promise_(Napi::Promise::Deferred::New(info.Env())),
        limit_(limit) {
    const auto file = info[0].As<Napi::Uint8Array>();
    Hold(file);
    file_ = {file.Data(), file.ByteLength()};
  }

  /// It deletes itself when it is done.
  Napi::Promise Start() {
    const Napi::Promise promise = promise_.Promise();
    Queue();
    return promise;
  }

  void OnOK() override { promise_.Resolve(Told(Env())); }

 protected:
  virtual Napi::Value Told(Napi::Env env) = 0;
  void Hold(const Napi::Value& value) { held_.push_back(Napi::Persistent(value.As<Napi::Object>())); }
  Input file() const { return file_; }
  size_t limit() const { return limit_; }

 private:
  Napi::Promise::Deferred promise_;
  std::vector<Napi::ObjectReference> held_;
  Input file_;
  size_t limit_;
};

class CountWork final : public FileWork {
 public:
  using FileWork::FileWork;

  void Execute() override { counts_ = CountGzippedPprof(file(), limit()); }

 private:
  Napi::Value Told(Napi::Env env) override {
    if (!counts_) return env.Undefined();
    auto numbers = Napi::Float64Array::New(env, 4);
    numbers[0] = counts_->sampleTypes;
    numbers[1] = counts_->samples;
    numbers[2] = counts_->strings;
    numbers[3] = static_cast<double>(counts_->plainBytes);
    return numbers;
  }

  std::optional<PprofCounts> counts_;
};

/// What is to be done with a difference.
struct DeltaOptions {
  bool sendsFirst;
  bool gzips;
};

class DeltaWork final : public FileWork {
 public:
  /// `last` is the third argument, where there is one.
  DeltaWork(const Napi::CallbackInfo& info, size_t limit, std::span<const uint64_t> last, DeltaOptions options)
      : FileWork(info, limit), last_(last), options_(options), gzip_(SIZE_MAX) {
    if (!last.empty()) Hold(info[2]);
  }

  void Execute() override {
    const auto compute = [&](Input plain) {
      if (plain.size <= limit()) delta_ = DeltaPprof(plain, last_, options_.sendsFirst);
    };
    const bool isGzip = file().size > 1 && file().data[0] == 0x1f && file().data[1] == 0x8b;
    if (isGzip) UseInflated(file(), limit(), compute);
    else compute(file());
    if (!delta_) return;
    delta_->totals.Fit();
    plainBytes_ = delta_->file.size();
    if (options_.gzips && plainBytes_ > 0 &&
        Compress(Algorithm::kGzip, {delta_->file.data(), plainBytes_}, kGzipLevel, &gzip_) != Outcome::kOk)
      delta_.reset();
  }

 private:
  /// As Go writes what most of these files come from: half the time of the usual 6, for 7 % more bytes.
  static constexpr int kGzipLevel = 1;

  Napi::Value Told(Napi::Env env) override {
    if (!delta_) return env.Undefined();
    auto numbers = Napi::Float64Array::New(env, 5);
    numbers[0] = static_cast<double>(delta_->outcome);
    numbers[1] = delta_->samplesBefore;
    numbers[2] = delta_->sampleTypes;
    numbers[3] = delta_->samples;
    numbers[4] = static_cast<double>(plainBytes_);
    auto told = Napi::Array::New(env, 3);
    told[0u] = numbers;
    told[1u] = gzip_.size() > 0 ? Given(env, &gzip_) : Given(env, std::move(delta_->file));
    const size_t words = delta_->totals.size();
    told[2u] = words == 0 ? Napi::BigUint64Array::New(env, 0)
                          : Napi::BigUint64Array::New(
                                env, words, GivenBuffer(env, delta_->totals.Release(), words * sizeof(uint64_t)), 0);
    return told;
  }

  std::span<const uint64_t> last_;
  DeltaOptions options_;
  std::optional<PprofDelta> delta_;
  size_t plainBytes_ = 0;
  Output gzip_;
};

/// The first two arguments: a file, and how large it may become.
size_t TakeFileAndLimit(Arguments* arguments) {
  arguments->TakeArray<const uint8_t>();
  const double limit = arguments->TakeNumber();
  if (limit >= 0 && limit <= 0x1p53) return static_cast<size_t>(limit);
  arguments->Fail<Napi::RangeError>("the limit must be a safe integer");
  return 0;
}

/// (file: Uint8Array, limit: number): Promise
Napi::Value CountPprofCall(const Napi::CallbackInfo& info) {
  Arguments arguments(info);
  const size_t limit = TakeFileAndLimit(&arguments);
  if (!arguments.ok()) return info.Env().Undefined();
  return (new CountWork(info, limit))->Start();
}

/// (file: Uint8Array): Uint8Array | undefined
Napi::Value PprofToOtlpCall(const Napi::CallbackInfo& info) {
  Arguments arguments(info);
  const std::span<const uint8_t> file = arguments.TakeArray<const uint8_t>();
  if (!arguments.ok()) return info.Env().Undefined();
  std::optional<Buffer<uint8_t>> otlp = PprofToOtlp({file.data(), file.size()});
  if (!otlp) return info.Env().Undefined();
  otlp->Fit();
  return Given(info.Env(), std::move(*otlp));
}

/// (file: Uint8Array, limit: number, last: BigUint64Array, sendsFirst: boolean, gzips: boolean): Promise
Napi::Value DeltaPprofCall(const Napi::CallbackInfo& info) {
  Arguments arguments(info);
  const size_t limit = TakeFileAndLimit(&arguments);
  const std::span<const uint64_t> last = arguments.TakeArray<uint64_t>();
  if (!arguments.ok()) return info.Env().Undefined();
  const DeltaOptions options{info[3].ToBoolean(), info[4].ToBoolean()};
  return (new DeltaWork(info, limit, last, options))->Start();
}

}  // namespace

void RegisterPprof(Napi::Env env, Napi::Object exports) {
  exports.Set("countPprof", Napi::Function::New<CountPprofCall>(env, "countPprof"));
  exports.Set("deltaPprof", Napi::Function::New<DeltaPprofCall>(env, "deltaPprof"));
  exports.Set("pprofToOtlp", Napi::Function::New<PprofToOtlpCall>(env, "pprofToOtlp"));
}

}  // namespace otelcodecs
