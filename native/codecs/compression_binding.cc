// SPDX-License-Identifier: Apache-2.0
#include <napi.h>

#include <cstdlib>
#include <string>

#include "compression.h"
#include "parts.h"

namespace otelcodecs {
namespace {

const char* CodeOf(Outcome outcome) {
  switch (outcome) {
    case Outcome::kOk:
      return "ok";
    case Outcome::kTooLarge:
      return "too_large";
    case Outcome::kMalformed:
      return "malformed";
    case Outcome::kNoMemory:
      return "no_memory";
  }
  return "malformed";
}

/// One buffer in, one buffer out, on a thread of libuv's pool. The input is held, not copied: nobody may
/// write to it, or hand its memory to another thread, before the promise settles.
class Work final : public Napi::AsyncWorker {
 public:
  Work(Napi::Env env, Napi::Uint8Array input, size_t limit)
      : AsyncWorker(env, "otelcodecs"),
        promise_(Napi::Promise::Deferred::New(env)),
        held_(Napi::Persistent(input.As<Napi::Object>())),
        input_{input.Data(), input.ByteLength()},
        output_(limit) {}

  static Napi::Promise Decompress(Napi::Env env, Algorithm algorithm, Napi::Uint8Array input, size_t limit) {
    return Start(new Work(env, input, limit), algorithm, false, 0);
  }
  static Napi::Promise Compress(Napi::Env env, Algorithm algorithm, Napi::Uint8Array input, int level) {
    return Start(new Work(env, input, SIZE_MAX), algorithm, true, level);
  }

  void Execute() override {
    outcome_ = compress_ ? otelcodecs::Compress(algorithm_, input_, level_, &output_)
                         : otelcodecs::Decompress(algorithm_, input_, &output_);
  }

  void OnOK() override {
    const Napi::Env env = Env();
    if (outcome_ != Outcome::kOk) {
      Napi::Error error = Napi::Error::New(env, CodeOf(outcome_));
      error.Set("code", Napi::String::New(env, CodeOf(outcome_)));
      promise_.Reject(error.Value());
      return;
    }
    const size_t size = output_.size();
    uint8_t* data = output_.Release();
    const auto buffer =
        Napi::ArrayBuffer::New(env, data, size, [](Napi::BasicEnv, void* memory) { free(memory); });
    promise_.Resolve(Napi::Uint8Array::New(env, size, buffer, 0));
  }

 private:
  static Napi::Promise Start(Work* work, Algorithm algorithm, bool compress, int level) {
    work->algorithm_ = algorithm;
    work->compress_ = compress;
    work->level_ = level;
    const Napi::Promise promise = work->promise_.Promise();
    // It deletes itself when it is done.
    work->Queue();
    return promise;
  }

  Napi::Promise::Deferred promise_;
  Napi::ObjectReference held_;
  Input input_;
  Output output_;
  Algorithm algorithm_ = Algorithm::kGzip;
  bool compress_ = false;
  int level_ = 0;
  Outcome outcome_ = Outcome::kOk;
};

/// (algorithm: string, bytes: Uint8Array, number); throws TypeError for anything else.
Napi::Value Call(const Napi::CallbackInfo& info, bool compress) {
  const Napi::Env env = info.Env();
  const auto refuse = [&](const char* message) -> Napi::Value {
    Napi::TypeError::New(env, message).ThrowAsJavaScriptException();
    return env.Undefined();
  };
  if (!info[0].IsString()) return refuse("the algorithm must be a string");
  const auto algorithm = AlgorithmOf(info[0].As<Napi::String>().Utf8Value());
  if (!algorithm) return refuse("no such algorithm");
  if (!info[1].IsTypedArray() || info[1].As<Napi::TypedArray>().TypedArrayType() != napi_uint8_array) {
    return refuse("the bytes must be a Uint8Array");
  }
  const auto bytes = info[1].As<Napi::Uint8Array>();
  if (!info[2].IsNumber()) return refuse("the level or limit must be a number");
  if (compress) {
    return Work::Compress(env, *algorithm, bytes, info[2].As<Napi::Number>().Int32Value());
  }
  const double number = info[2].As<Napi::Number>().DoubleValue();
  if (!(number >= 0 && number <= 0x1p53)) return refuse("the limit must be a safe integer");
  return Work::Decompress(env, *algorithm, bytes, static_cast<size_t>(number));
}

Napi::Value CompressCall(const Napi::CallbackInfo& info) { return Call(info, true); }
Napi::Value DecompressCall(const Napi::CallbackInfo& info) { return Call(info, false); }

}  // namespace

void RegisterCompression(Napi::Env env, Napi::Object exports) {
  exports.Set("compress", Napi::Function::New<CompressCall>(env, "compress"));
  exports.Set("decompress", Napi::Function::New<DecompressCall>(env, "decompress"));
}

}  // namespace otelcodecs
