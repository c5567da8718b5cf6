// SPDX-License-Identifier: Apache-2.0
#include "process_events_binding.h"

#include <napi.h>

#include <algorithm>
#include <memory>
#include <utility>

#include "js_error.h"
#include "process_events/process_watch.h"

namespace otelprof {
namespace {

/// What JavaScript holds. The thread tells the event loop through a function that does not keep it alive.
class ProcessEventsWrap : public Napi::ObjectWrap<ProcessEventsWrap> {
 public:
  struct Opened {
    std::unique_ptr<ProcessWatch> watch;
    Napi::Function ready;
  };

  static Napi::Function Class(Napi::Env env) {
    return DefineClass(
        env, "ProcessEvents",
        {InstanceMethod<&ProcessEventsWrap::Take>("take"), InstanceMethod<&ProcessEventsWrap::Close>("close")});
  }

  explicit ProcessEventsWrap(const Napi::CallbackInfo& info) : ObjectWrap(info) {
    if (info.Length() != 1 || !info[0].IsExternal()) {
      Napi::TypeError::New(info.Env(), "events of processes come from openProcessEvents").ThrowAsJavaScriptException();
      return;
    }
    Opened& opened = *info[0].As<Napi::External<Opened>>().Data();
    watch_ = std::move(opened.watch);
    ready_ = Napi::ThreadSafeFunction::New(info.Env(), opened.ready, "process events", 1, 1);
    ready_.Unref(info.Env());
    // Behind the function's own hook, so before it: hooks run from the last to the first.
    napi_add_env_cleanup_hook(info.Env(), OnTeardown, this);
    watch_->Start([ready = ready_] { (void)ready.NonBlockingCall(); });
  }

  ~ProcessEventsWrap() override { End(); }

 private:
  static void OnTeardown(void* self) { static_cast<ProcessEventsWrap*>(self)->End(); }

  void End() {
    if (!watch_) return;
    napi_remove_env_cleanup_hook(Env(), OnTeardown, this);
    watch_.reset();
    ready_.Release();
  }

  Napi::Value Take(const Napi::CallbackInfo& info) {
    const Napi::Env env = info.Env();
    const double most = info.Length() == 1 && info[0].IsNumber() ? info[0].As<Napi::Number>().DoubleValue() : 0;
    if (!(most >= 1 && most <= PendingProcesses::kMaxPending)) {
      Napi::TypeError::New(env, "take wants how many processes at most").ThrowAsJavaScriptException();
      return env.Undefined();
    }
    ProcessWatch::Changes changes;
    if (watch_) changes = watch_->Take(static_cast<size_t>(most));
    Napi::Object out = Napi::Object::New(env);
    out.Set("began", Numbers(env, changes.began));
    out.Set("ended", Numbers(env, changes.ended));
    out.Set("lost", Napi::Boolean::New(env, changes.lost));
    out.Set("refused", Napi::Number::New(env, static_cast<double>(changes.refused)));
    if (changes.failure) out.Set("failure", ToError(env, changes.failure).Value());
    return out;
  }

  Napi::Value Close(const Napi::CallbackInfo& info) {
    End();
    return info.Env().Undefined();
  }

  static Napi::Value Numbers(Napi::Env env, const std::vector<int32_t>& values) {
    auto out = Napi::Int32Array::New(env, values.size());
    std::copy(values.begin(), values.end(), out.Data());
    return out;
  }

  std::unique_ptr<ProcessWatch> watch_;
  Napi::ThreadSafeFunction ready_;
};

/// Subscribes off the event loop: the kernel is waited for.
class OpenWork : public Napi::AsyncWorker {
 public:
  OpenWork(Napi::Env env, ProcessWatch::Options options, Napi::Function ready, Napi::Function type)
      : AsyncWorker(env),
        deferred_(env),
        options_(std::move(options)),
        ready_(Napi::Persistent(ready)),
        type_(Napi::Persistent(type)) {}

  Napi::Promise promise() const { return deferred_.Promise(); }

 protected:
  void Execute() override { watch_ = ProcessWatch::Open(options_, &failure_); }

  void OnOK() override {
    if (!watch_) return deferred_.Reject(ToError(Env(), failure_).Value());
    ProcessEventsWrap::Opened opened{std::move(watch_), ready_.Value()};
    deferred_.Resolve(type_.New({Napi::External<ProcessEventsWrap::Opened>::New(Env(), &opened)}));
  }

  void OnError(const Napi::Error& error) override { deferred_.Reject(error.Value()); }

 private:
  Napi::Promise::Deferred deferred_;
  ProcessWatch::Options options_;
  Napi::FunctionReference ready_;
  Napi::FunctionReference type_;
  std::unique_ptr<ProcessWatch> watch_;
  Failure failure_;
};

/// False where the option is given and is no number in range.
bool ReadNumber(Napi::Object from, const char* key, double low, double high, uint32_t* out) {
  const Napi::Value value = from.Get(key);
  if (value.IsUndefined()) return true;
  const double number = value.IsNumber() ? value.As<Napi::Number>().DoubleValue() : -1;
  if (!(number >= low && number <= high)) return false;
  *out = static_cast<uint32_t>(number);
  return true;
}

bool ReadOptions(Napi::Object from, ProcessWatch::Options* out) {
  uint32_t ownPid = 0;
  const Napi::Value network = from.Get("networkNamespace");
  if (network.IsString()) out->connector.networkNamespace = network.As<Napi::String>().Utf8Value();
  const bool isRight = (network.IsString() || network.IsUndefined()) &&
                       ReadNumber(from, "ownPid", 1, INT32_MAX, &ownPid) &&
                       ReadNumber(from, "settleMs", 0, 60'000, &out->settleMs) &&
                       ReadNumber(from, "forkSettleMs", 0, 60'000, &out->forkSettleMs) &&
                       ReadNumber(from, "waitMs", 0, 60'000, &out->waitMs) &&
                       ReadNumber(from, "receiveBufferBytes", 1, 1 << 30, &out->connector.receiveBufferBytes);
  out->connector.ownPid = static_cast<int>(ownPid);
  return isRight && ownPid != 0;
}

}  // namespace

void RegisterProcessEvents(Napi::Env env, Napi::Object exports) {
  auto type = std::make_shared<Napi::FunctionReference>(Napi::Persistent(ProcessEventsWrap::Class(env)));
  const auto open = [type](const Napi::CallbackInfo& info) -> Napi::Value {
    ProcessWatch::Options options;
    if (info.Length() != 2 || !info[0].IsObject() || !info[1].IsFunction() ||
        !ReadOptions(info[0].As<Napi::Object>(), &options)) {
      Napi::TypeError::New(info.Env(), "openProcessEvents wants options in range, with ownPid, and a function")
          .ThrowAsJavaScriptException();
      return info.Env().Undefined();
    }
    auto* work = new OpenWork(info.Env(), std::move(options), info[1].As<Napi::Function>(),
                              type->Value());  // deletes itself when done
    const Napi::Promise promise = work->promise();
    work->Queue();
    return promise;
  };
  exports.Set("openProcessEvents", Napi::Function::New(env, open, "openProcessEvents"));
}

}  // namespace otelprof
