// SPDX-License-Identifier: Apache-2.0
#include <napi.h>

#include <algorithm>
#include <cstring>
#include <string>
#include <vector>

#include "compression.h"
#include "given.h"
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

Napi::Error ErrorOf(Napi::Env env, Outcome outcome) {
  Napi::Error error = Napi::Error::New(env, CodeOf(outcome));
  error.Set("code", Napi::String::New(env, CodeOf(outcome)));
  return error;
}

/// Buffers in, one buffer out, on a thread of libuv's pool. The input is held, not copied before that: nobody
/// may write to it, or hand its memory to another thread, before the promise settles.
class Work final : public Napi::AsyncWorker {
 public:
  Work(Napi::Env env, const std::vector<Napi::Uint8Array>& pieces, size_t limit)
      : AsyncWorker(env, "otelcodecs"), promise_(Napi::Promise::Deferred::New(env)), output_(limit) {
    for (const Napi::Uint8Array& piece : pieces) {
      held_.push_back(Napi::Persistent(piece.As<Napi::Object>()));
      pieces_.push_back({piece.Data(), piece.ByteLength()});
    }
  }

  static Napi::Promise Decompress(Napi::Env env, Algorithm algorithm, Napi::Uint8Array input, size_t limit) {
    return Start(new Work(env, {input}, limit), algorithm, false, 0);
  }
  static Napi::Promise Compress(Napi::Env env, Algorithm algorithm,
                                const std::vector<Napi::Uint8Array>& pieces, int level) {
    return Start(new Work(env, pieces, SIZE_MAX), algorithm, true, level);
  }

  void Execute() override {
    if (pieces_.size() == 1) {
      Run(pieces_[0]);
      return;
    }
    // Freed at once, while memory of JavaScript would wait for its collector.
    Output joined(SIZE_MAX);
    outcome_ = Join(&joined);
    if (outcome_ == Outcome::kOk) Run({joined.data(), joined.size()});
  }

  void OnOK() override {
    if (outcome_ == Outcome::kOk) promise_.Resolve(Given(Env(), &output_));
    else promise_.Reject(ErrorOf(Env(), outcome_).Value());
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

  Outcome Join(Output* joined) const {
    size_t size = 0;
    for (const Input& piece : pieces_) size += piece.size;
    if (const Outcome made = joined->Reserve(std::max<size_t>(size, 1)); made != Outcome::kOk) return made;
    for (const Input& piece : pieces_) {
      if (piece.size == 0) continue;
      memcpy(joined->end(), piece.data, piece.size);
      joined->Wrote(piece.size);
    }
    return Outcome::kOk;
  }

  void Run(Input input) {
    outcome_ = compress_ ? otelcodecs::Compress(algorithm_, input, level_, &output_)
                         : otelcodecs::Decompress(algorithm_, input, &output_);
  }

  Napi::Promise::Deferred promise_;
  std::vector<Napi::ObjectReference> held_;
  std::vector<Input> pieces_;
  Output output_;
  Algorithm algorithm_ = Algorithm::kGzip;
  bool compress_ = false;
  int level_ = 0;
  Outcome outcome_ = Outcome::kOk;
};

bool IsBytes(const Napi::Value& value) {
  return value.IsTypedArray() && value.As<Napi::TypedArray>().TypedArrayType() == napi_uint8_array;
}

enum class Task : uint8_t { kCompress, kDecompress, kDecompressNow };

/// (algorithm: string, pieces: Uint8Array[] to compress, bytes: Uint8Array to decompress, number); throws TypeError
/// for anything else.
Napi::Value Call(const Napi::CallbackInfo& info, Task task) {
  const Napi::Env env = info.Env();
  const auto refuse = [&](const char* message) -> Napi::Value {
    Napi::TypeError::New(env, message).ThrowAsJavaScriptException();
    return env.Undefined();
  };
  if (!info[0].IsString()) return refuse("the algorithm must be a string");
  const auto algorithm = AlgorithmOf(info[0].As<Napi::String>().Utf8Value());
  if (!algorithm) return refuse("no such algorithm");
  if (!info[2].IsNumber()) return refuse("the level or limit must be a number");
  if (task == Task::kCompress) {
    if (!info[1].IsArray()) return refuse("the pieces must be an array");
    const auto list = info[1].As<Napi::Array>();
    std::vector<Napi::Uint8Array> pieces;
    for (uint32_t i = 0; i < list.Length(); i++) {
      const Napi::Value piece = list[i];
      if (!IsBytes(piece)) return refuse("a piece must be a Uint8Array");
      pieces.push_back(piece.As<Napi::Uint8Array>());
    }
    return Work::Compress(env, *algorithm, pieces, info[2].As<Napi::Number>().Int32Value());
  }
  if (!IsBytes(info[1])) return refuse("the bytes must be a Uint8Array");
  const double number = info[2].As<Napi::Number>().DoubleValue();
  if (!(number >= 0 && number <= 0x1p53)) return refuse("the limit must be a safe integer");
  const auto bytes = info[1].As<Napi::Uint8Array>();
  const auto limit = static_cast<size_t>(number);
  if (task == Task::kDecompress) return Work::Decompress(env, *algorithm, bytes, limit);
  Output output(limit);
  const Outcome outcome = Decompress(*algorithm, {bytes.Data(), bytes.ByteLength()}, &output);
  if (outcome == Outcome::kOk) return Given(env, &output);
  ErrorOf(env, outcome).ThrowAsJavaScriptException();
  return env.Undefined();
}

Napi::Value CompressCall(const Napi::CallbackInfo& info) { return Call(info, Task::kCompress); }
Napi::Value DecompressCall(const Napi::CallbackInfo& info) { return Call(info, Task::kDecompress); }
Napi::Value DecompressNowCall(const Napi::CallbackInfo& info) { return Call(info, Task::kDecompressNow); }

}  // namespace

void RegisterCompression(Napi::Env env, Napi::Object exports) {
  exports.Set("compress", Napi::Function::New<CompressCall>(env, "compress"));
  exports.Set("decompress", Napi::Function::New<DecompressCall>(env, "decompress"));
  exports.Set("decompressNow", Napi::Function::New<DecompressNowCall>(env, "decompressNow"));
}

}  // namespace otelcodecs
