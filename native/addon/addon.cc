// SPDX-License-Identifier: Apache-2.0
#include <malloc.h>
#include <napi.h>

#include <algorithm>
#include <memory>

#include "js_error.h"
#include "probe.h"
#include "process_events_binding.h"
#include "profiler.h"
#include "symbol_file_binding.h"
#include "runtimes/registry.h"

namespace otelprof {
namespace {

// Each is a program of its own in the kernel.
constexpr size_t kMaxProbes = 64;

Napi::Value ToJs(Napi::Env env, const ProbeValue& value) {
  if (const auto* flag = std::get_if<bool>(&value)) return Napi::Boolean::New(env, *flag);
  if (const auto* number = std::get_if<double>(&value)) return Napi::Number::New(env, *number);
  if (const auto* text = std::get_if<std::string>(&value)) return Napi::String::New(env, *text);
  const auto& list = std::get<std::vector<std::string>>(value);
  Napi::Array out = Napi::Array::New(env, list.size());
  for (uint32_t i = 0; i < list.size(); i++) out.Set(i, Napi::String::New(env, list[i]));
  return out;
}

Napi::Value Probe(const Napi::CallbackInfo& info) {
  Napi::Object out = Napi::Object::New(info.Env());
  for (const auto& [name, value] : ProbeHost()) out.Set(name, ToJs(info.Env(), value));
  return out;
}

/// Reads options and remembers the first one that has a wrong type.
class OptionReader {
 public:
  explicit OptionReader(Napi::Object object) : object_(object) {}

  void Read(const char* key, uint32_t* out, double low, double high) {
    double value = *out;
    ReadNumber(key, &value, low, high);
    *out = static_cast<uint32_t>(value);
  }
  void Read(const char* key, uint64_t* out, double low, double high) {
    double value = static_cast<double>(*out);
    ReadNumber(key, &value, low, high);
    *out = static_cast<uint64_t>(value);
  }
  void Read(const char* key, bool* out) {
    const Napi::Value value = object_.Get(key);
    if (value.IsUndefined()) return;
    if (!value.IsBoolean()) return Fail(key, "a boolean");
    *out = value.As<Napi::Boolean>().Value();
  }
  void Read(const char* key, std::string* out) {
    const Napi::Value value = object_.Get(key);
    if (value.IsUndefined()) return;
    if (!value.IsString()) return Fail(key, "a string");
    *out = value.As<Napi::String>().Utf8Value();
  }
  void Read(const char* key, std::vector<std::string>* out) {
    ReadList(key, [&](const Napi::Value& item) {
      if (!item.IsString()) return false;
      out->push_back(item.As<Napi::String>().Utf8Value());
      return true;
    });
  }
  void Read(const char* key, std::vector<uint32_t>* out) {
    ReadList(key, [&](const Napi::Value& item) {
      if (!item.IsNumber()) return false;
      out->push_back(item.As<Napi::Number>().Uint32Value());
      return true;
    });
  }
  void Read(const char* key, double* out, double low, double high) { ReadNumber(key, out, low, high); }
  /// A list of objects; `take` reads one of them with a reader of its own.
  template <typename F>
  void ReadObjects(const char* key, size_t limit, F take) {
    size_t count = 0;
    ReadList(key, [&](const Napi::Value& item) {
      if (!item.IsObject() || ++count > limit) return false;
      OptionReader reader(item.As<Napi::Object>());
      take(reader);
      if (error_.empty()) error_ = reader.error();
      return true;
    });
  }
  void Fail(const char* key, const char* wanted) {
    if (error_.empty()) error_ = std::string("option \"") + key + "\" must be " + wanted;
  }
  const std::string& error() const { return error_; }

 private:
  void ReadNumber(const char* key, double* out, double low, double high) {
    const Napi::Value value = object_.Get(key);
    if (value.IsUndefined()) return;
    const double number = value.IsNumber() ? value.As<Napi::Number>().DoubleValue() : high + 1;
    if (!(number >= low && number <= high)) return Fail(key, "a number in range");
    *out = number;
  }
  template <typename F>
  void ReadList(const char* key, F take) {
    const Napi::Value value = object_.Get(key);
    if (value.IsUndefined()) return;
    if (!value.IsArray()) return Fail(key, "an array");
    const Napi::Array list = value.As<Napi::Array>();
    for (uint32_t i = 0; i < list.Length(); i++)
      if (!take(list.Get(i))) return Fail(key, "an array of the right items");
  }

  Napi::Object object_;
  std::string error_;
};

void ReadSelection(OptionReader& reader, Options* out) {
  reader.Read("minProcessAgeNs", &out->minProcessAgeNs, 0, 1e18);
  reader.Read("mapScaleFactor", &out->mapScaleFactor, 0, 8);
  reader.Read("kernelStacks", &out->kernelStacks);
  reader.Read("userStacks", &out->userStacks);
  reader.Read("pidNamespaceTranslation", &out->pidNamespaceTranslation);
  reader.Read("offCpuProbability", &out->offCpuProbability, 0, 1);
  reader.ReadObjects("filter", ProcessFilter::kMaxRules, [out](OptionReader& item) {
    FilterRule rule;
    double pid = rule.pid;
    item.Read("include", &rule.include);
    item.Read("pid", &pid, -1, 1 << 30);
    rule.pid = static_cast<int>(pid);
    item.Read("comm", &rule.comm);
    item.Read("executable", &rule.executable);
    item.Read("cgroup", &rule.cgroup);
    item.Read("containerId", &rule.containerId);
    item.Read("chosen", &rule.chosen);
    out->filter.push_back(std::move(rule));
  });
  reader.ReadObjects("probes", kMaxProbes, [out](OptionReader& item) {
    ProbeOption probe;
    item.Read("kernel", &probe.kernel);
    item.Read("atReturn", &probe.atReturn);
    item.Read("target", &probe.target);
    item.Read("symbol", &probe.symbol);
    out->probes.push_back(std::move(probe));
  });
}

std::string ReadOptions(Napi::Object object, Options* out) {
  OptionReader reader(object);
  ReadSelection(reader, out);
  std::string demangle = "simplified", mode = "ebpf";
  reader.Read("samplesPerSecond", &out->samplesPerSecond, 1, 20000);
  reader.Read("sendIdleFrames", &out->sendIdleFrames);
  reader.Read("sendErrorFrames", &out->sendErrorFrames);
  reader.Read("includeEnvVars", &out->includeEnvVars);
  reader.Read("pinCpuIds", &out->pinCpuIds);
  reader.Read("disabledRuntimes", &out->disabledRuntimes);
  for (const auto& name : out->disabledRuntimes)
    if (!IsRuntimeName(name)) reader.Fail("disabledRuntimes", "names of known runtimes");
  reader.Read("verifierLogLevel", &out->verifierLogLevel, 0, 7);
  reader.Read("bpfObjectDir", &out->bpfObjectDir);
  reader.Read("maxTableBytes", &out->maxTableBytes, 1 << 20, 1e12);
  reader.Read("maxSymbolBytes", &out->maxSymbolBytes, 1, 1e12);
  reader.Read("groupUnnamedFunctions", &out->groupUnnamedFunctions);
  reader.Read("reportBareFiles", &out->reportBareFiles);
  reader.Read("nameCacheSize", &out->nameCacheSize, 1, 1e8);
  reader.Read("symbolCacheDirectory", &out->symbolCacheDirectory);
  reader.Read("symbolCacheBytes", &out->symbolCacheBytes, 0, 1e15);
  reader.Read("noKernelVersionCheck", &out->noKernelVersionCheck);
  reader.Read("maxLineBytes", &out->maxLineBytes, 1 << 16, 1e12);
  reader.Read("frameKinds", &out->frameKinds, 0, UINT32_MAX);
  reader.Read("processContext", &out->processContext);
  reader.Read("spanMapRoot", &out->spanMapRoot);
  reader.Read("demangle", &demangle);
  reader.Read("mode", &mode);
  if (const auto parsed = ParseDemangleMode(demangle))
    out->demangle = *parsed;
  else
    reader.Fail("demangle", "one of none, simplified, templates, full");
  if (mode == "perf")
    out->mode = ProfilerMode::Perf;
  else if (mode != "ebpf")
    reader.Fail("mode", "one of ebpf, perf");
  if (out->bpfObjectDir.empty() && out->mode == ProfilerMode::Ebpf) reader.Fail("bpfObjectDir", "set");
  return reader.error();
}

/// Runs a function of the profiler off the event loop and settles a promise.
class ProfilerWork : public Napi::AsyncWorker {
 public:
  ProfilerWork(Napi::Env env, std::shared_ptr<Profiler> profiler, bool collect)
      : AsyncWorker(env), deferred_(env), profiler_(std::move(profiler)), collect_(collect) {}

  Napi::Promise promise() const { return deferred_.Promise(); }

 protected:
  void Execute() override {
    if (collect_)
      block_ = profiler_->Collect();
    else
      profiler_->Stop();
  }

  void OnOK() override {
    if (!collect_) return deferred_.Resolve(Env().Undefined());
    // A copy: engines with a memory cage refuse foreign buffers, and a block is small.
    Napi::ArrayBuffer out = Napi::ArrayBuffer::New(Env(), block_.size());
    std::copy(block_.begin(), block_.end(), static_cast<uint8_t*>(out.Data()));
    deferred_.Resolve(out);
  }

  void OnError(const Napi::Error& error) override { deferred_.Reject(error.Value()); }

 private:
  Napi::Promise::Deferred deferred_;
  std::shared_ptr<Profiler> profiler_;
  bool collect_;
  std::vector<uint8_t> block_;
};

class ProfilerWrap : public Napi::ObjectWrap<ProfilerWrap> {
 public:
  static Napi::Function Class(Napi::Env env) {
    return DefineClass(env, "Profiler",
                       {InstanceMethod<&ProfilerWrap::Start>("start"),
                        InstanceMethod<&ProfilerWrap::Collect>("collect"),
                        InstanceMethod<&ProfilerWrap::SetSampling>("setSampling"),
                        InstanceMethod<&ProfilerWrap::TakeBareFiles>("takeBareFiles"),
                        InstanceMethod<&ProfilerWrap::AddDebugFile>("addDebugFile"),
                        InstanceMethod<&ProfilerWrap::SetFraction>("setFraction"),
                        InstanceMethod<&ProfilerWrap::LeaveOut>("leaveOut"),
                        InstanceMethod<&ProfilerWrap::Stats>("stats"),
                        InstanceMethod<&ProfilerWrap::Stop>("stop")});
  }

  explicit ProfilerWrap(const Napi::CallbackInfo& info) : ObjectWrap(info) {
    if (info.Length() < 1 || !info[0].IsObject()) {
      Napi::TypeError::New(info.Env(), "Profiler needs an options object").ThrowAsJavaScriptException();
      return;
    }
    Options options;
    if (const std::string error = ReadOptions(info[0].As<Napi::Object>(), &options); !error.empty()) {
      Napi::TypeError::New(info.Env(), error).ThrowAsJavaScriptException();
      return;
    }
    profiler_ = std::make_shared<Profiler>(std::move(options));
  }

 private:
  Napi::Value Start(const Napi::CallbackInfo& info) {
    const Failure failure = profiler_->Start();
    if (failure) ToError(info.Env(), failure).ThrowAsJavaScriptException();
    return info.Env().Undefined();
  }

  Napi::Value SetSampling(const Napi::CallbackInfo& info) {
    profiler_->SetSampling(info.Length() > 0 && info[0].ToBoolean().Value());
    return info.Env().Undefined();
  }

  Napi::Value SetFraction(const Napi::CallbackInfo& info) {
    if (info.Length() > 0 && info[0].IsNumber()) profiler_->SetFraction(info[0].As<Napi::Number>().DoubleValue());
    return info.Env().Undefined();
  }

  Napi::Value LeaveOut(const Napi::CallbackInfo& info) {
    if (info.Length() == 2 && info[0].IsTypedArray() && info[0].As<Napi::TypedArray>().TypedArrayType() == napi_int32_array &&
        info[1].IsBoolean()) {
      const auto pids = info[0].As<Napi::Int32Array>();
      profiler_->LeaveOut({pids.Data(), pids.Data() + pids.ElementLength()}, info[1].As<Napi::Boolean>().Value());
    } else {
      Napi::TypeError::New(info.Env(), "leaveOut wants an Int32Array of pids and whether").ThrowAsJavaScriptException();
    }
    return info.Env().Undefined();
  }

  Napi::Value Queue(Napi::Env env, bool collect) {
    auto* work = new ProfilerWork(env, profiler_, collect);  // deletes itself when done
    const Napi::Promise promise = work->promise();
    work->Queue();
    return promise;
  }
  Napi::Value Collect(const Napi::CallbackInfo& info) { return Queue(info.Env(), true); }
  Napi::Value Stop(const Napi::CallbackInfo& info) { return Queue(info.Env(), false); }

  Napi::Value TakeBareFiles(const Napi::CallbackInfo& info) {
    const auto ids = profiler_->TakeBareFiles();
    Napi::Array out = Napi::Array::New(info.Env(), ids.size());
    for (uint32_t i = 0; i < ids.size(); i++) out.Set(i, ids[i]);
    return out;
  }

  Napi::Value AddDebugFile(const Napi::CallbackInfo& info) {
    if (info.Length() == 2 && info[0].IsString() && info[1].IsString())
      profiler_->AddDebugFile(info[0].As<Napi::String>(), info[1].As<Napi::String>());
    else
      Napi::TypeError::New(info.Env(), "addDebugFile wants a build id and a path").ThrowAsJavaScriptException();
    return info.Env().Undefined();
  }

  Napi::Value Stats(const Napi::CallbackInfo& info) {
    Napi::Object out = Napi::Object::New(info.Env());
    for (const auto& [name, value] : profiler_->ReadStats()) out.Set(name, Napi::Number::New(info.Env(), value));
    return out;
  }

  std::shared_ptr<Profiler> profiler_;
};

/// Names of a linker as a mode shows them.
Napi::Value DemangleNames(const Napi::CallbackInfo& info) {
  const auto mode = info.Length() == 2 && info[1].IsString() ? ParseDemangleMode(info[1].As<Napi::String>().Utf8Value())
                                                             : std::nullopt;
  if (!mode || !info[0].IsArray()) {
    Napi::TypeError::New(info.Env(), "demangle wants names and a mode").ThrowAsJavaScriptException();
    return info.Env().Undefined();
  }
  const auto names = info[0].As<Napi::Array>();
  Napi::Array out = Napi::Array::New(info.Env(), names.Length());
  for (uint32_t i = 0; i < names.Length(); i++) {
    const std::string name = names.Get(i).ToString().Utf8Value();
    const std::string shown = Demangle(name, *mode);
    out.Set(i, Napi::String::New(info.Env(), shown.empty() ? name : shown));
  }
  return out;
}

/// Compiling tables and indexing symbols frees tens of megabytes at a time. glibc by default keeps what it has
/// once mapped and freed (its threshold grows to 32 MiB) and gives every thread an arena of its own; a fixed
/// threshold hands such blocks back to the kernel. Musl has neither.
void KeepHeapSmall() {
#ifdef __GLIBC__
  mallopt(M_MMAP_THRESHOLD, 1 << 20);
  mallopt(M_TRIM_THRESHOLD, 2 << 20);
  mallopt(M_ARENA_MAX, 2);
#endif
}

Napi::Object Init(Napi::Env env, Napi::Object exports) {
  KeepHeapSmall();
  exports.Set("probe", Napi::Function::New(env, Probe, "probe"));
  exports.Set("Profiler", ProfilerWrap::Class(env));
  exports.Set("demangle", Napi::Function::New(env, DemangleNames, "demangle"));
  RegisterSymbolFile(env, exports);
  RegisterProcessEvents(env, exports);
  return exports;
}

}  // namespace
}  // namespace otelprof

static Napi::Object InitModule(Napi::Env env, Napi::Object exports) { return otelprof::Init(env, exports); }

NODE_API_MODULE(otelcol_profiles, InitModule)
