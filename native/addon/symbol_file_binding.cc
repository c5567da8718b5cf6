// SPDX-License-Identifier: Apache-2.0
#include "symbol_file_binding.h"

#include <napi.h>

#include <algorithm>
#include <string>
#include <utility>

#include "symbol_file.h"

namespace otelprof {
namespace {

using SharedFile = std::shared_ptr<SymbolFile>;

/// What JavaScript holds: `lookup` and the size for its budget.
class SymbolFileWrap : public Napi::ObjectWrap<SymbolFileWrap> {
 public:
  static Napi::Function Class(Napi::Env env) {
    return DefineClass(env, "SymbolFile",
                       {InstanceMethod<&SymbolFileWrap::Lookup>("lookup"),
                        InstanceAccessor<&SymbolFileWrap::SizeBytes>("sizeBytes")});
  }

  explicit SymbolFileWrap(const Napi::CallbackInfo& info) : ObjectWrap(info) {
    if (info.Length() == 1 && info[0].IsExternal()) {
      file_ = *info[0].As<Napi::External<SharedFile>>().Data();
      return;
    }
    Napi::TypeError::New(info.Env(), "symbol files come from openSymbolFile").ThrowAsJavaScriptException();
  }

 private:
  /// (addresses: BigUint64Array, mapping: BigUint64Array of start, limit, file offset). Columns: an object a frame
  /// would take longer to make than all names to find.
  Napi::Value Lookup(const Napi::CallbackInfo& info) {
    const Napi::Env env = info.Env();
    const auto isWide = [](const Napi::Value& value) {
      return value.IsTypedArray() && value.As<Napi::TypedArray>().TypedArrayType() == napi_biguint64_array;
    };
    if (!isWide(info[0]) || !isWide(info[1]) || info[1].As<Napi::BigUint64Array>().ElementLength() != 3) {
      Napi::TypeError::New(env, "lookup wants addresses, and start, limit and file offset, as BigUint64Array")
          .ThrowAsJavaScriptException();
      return env.Undefined();
    }
    const auto addresses = info[0].As<Napi::BigUint64Array>();
    const auto of = info[1].As<Napi::BigUint64Array>();
    const SymbolFile::Mapping mapping{of[0], of[1], of[2]};
    std::vector<uint32_t> counts(addresses.ElementLength());
    std::vector<uint32_t> numbers;
    std::string texts;
    std::vector<ResolvedFrame> frames;
    for (size_t i = 0; i < counts.size(); i++) {
      file_->Lookup(addresses[i], mapping, &frames);
      counts[i] = static_cast<uint32_t>(frames.size());
      for (const ResolvedFrame& frame : frames) {
        numbers.insert(numbers.end(), {frame.line, frame.column, frame.startLine});
        for (const std::string* text : {&frame.name, &frame.systemName, &frame.file})
          texts.append(*text).push_back('\0');
      }
    }
    Napi::Object out = Napi::Object::New(env);
    out.Set("counts", Numbers(env, counts));
    out.Set("numbers", Numbers(env, numbers));
    out.Set("texts", texts);
    return out;
  }

  static Napi::Value Numbers(Napi::Env env, const std::vector<uint32_t>& values) {
    auto out = Napi::Uint32Array::New(env, values.size());
    std::copy(values.begin(), values.end(), out.Data());
    return out;
  }

  Napi::Value SizeBytes(const Napi::CallbackInfo& info) {
    return Napi::Number::New(info.Env(), static_cast<double>(file_->sizeBytes()));
  }

  SharedFile file_;
};

/// Reads and indexes a file off the event loop.
class OpenWork : public Napi::AsyncWorker {
 public:
  OpenWork(Napi::Env env, std::string path, std::string buildId, DemangleMode mode, Napi::Function type)
      : AsyncWorker(env),
        deferred_(env),
        type_(Napi::Persistent(type)),
        path_(std::move(path)),
        buildId_(std::move(buildId)),
        mode_(mode) {}

  Napi::Promise promise() const { return deferred_.Promise(); }

 protected:
  void Execute() override {
    std::string error;
    file_ = SymbolFile::Open(path_, buildId_, mode_, &error);
    if (!error.empty()) SetError(path_ + ": " + error);
  }

  void OnOK() override {
    if (!file_) return deferred_.Resolve(Env().Undefined());
    deferred_.Resolve(type_.New({Napi::External<SharedFile>::New(Env(), &file_)}));
  }

  void OnError(const Napi::Error& error) override { deferred_.Reject(error.Value()); }

 private:
  Napi::Promise::Deferred deferred_;
  Napi::FunctionReference type_;
  std::string path_;
  std::string buildId_;
  DemangleMode mode_;
  SharedFile file_;
};

}  // namespace

void RegisterSymbolFile(Napi::Env env, Napi::Object exports) {
  auto type = std::make_shared<Napi::FunctionReference>(Napi::Persistent(SymbolFileWrap::Class(env)));
  const auto open = [type](const Napi::CallbackInfo& info) -> Napi::Value {
    const auto mode = info[2].IsString() ? ParseDemangleMode(info[2].As<Napi::String>().Utf8Value()) : std::nullopt;
    if (!info[0].IsString() || !info[1].IsString() || !mode) {
      Napi::TypeError::New(info.Env(), "openSymbolFile wants a path, a build id and a demangle mode")
          .ThrowAsJavaScriptException();
      return info.Env().Undefined();
    }
    auto* work = new OpenWork(info.Env(), info[0].As<Napi::String>(), info[1].As<Napi::String>(), *mode,
                              type->Value());  // deletes itself when done
    const Napi::Promise promise = work->promise();
    work->Queue();
    return promise;
  };
  exports.Set("openSymbolFile", Napi::Function::New(env, open, "openSymbolFile"));
}

}  // namespace otelprof
