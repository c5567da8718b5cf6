// SPDX-License-Identifier: Apache-2.0
#include <napi.h>

#include <algorithm>
#include <cmath>
#include <optional>
#include <utility>
#include <vector>

#include "arguments.h"
#include "given.h"
#include "otlp.h"
#include "otlp_merge.h"
#include "parts.h"

namespace otelcodecs {
namespace {

using namespace otlp;

class Arguments : public otelcodecs::Arguments {
 public:
  using otelcodecs::Arguments::Arguments;

  /// The first three of every function: `bytes`, `from`, `to`.
  Message TakeMessage() {
    const auto bytes = TakeArray<const uint8_t>();
    const double from = TakeNumber();
    const double to = TakeNumber();
    const bool inRange = from >= 0 && from <= to && to <= static_cast<double>(bytes.size()) &&
                         to <= UINT32_MAX && from == std::floor(from) && to == std::floor(to);
    if (inRange) return {bytes, static_cast<uint32_t>(from), static_cast<uint32_t>(to)};
    Fail<Napi::RangeError>("\"from\" and \"to\" must be offsets in \"bytes\", below 2 ** 32");
    return {{}, 0, 0};
  }

  Revision TakeRevision() { return RevisionOf(TakeNumber()); }

  Revision RevisionOf(double revision) {
    if (revision == 0 || revision == 1 || revision == 2) return static_cast<Revision>(revision);
    Fail<Napi::RangeError>("\"revision\" must be a WireRevision");
    return Revision::k1x10;
  }
};

/// Runs `call` unless an argument was wrong; nobody sees the result then.
template <typename Call>
Napi::Value Run(const Napi::CallbackInfo& info, const Arguments& arguments, Call call) {
  return arguments.ok() ? Napi::Boolean::New(info.Env(), call()) : info.Env().Undefined();
}

Napi::Value ScanDictionaryJs(const Napi::CallbackInfo& info) {
  Arguments arguments(info);
  const Message message = arguments.TakeMessage();
  const auto out = arguments.TakeArray<uint32_t>();
  return Run(info, arguments, [&] { return ScanDictionary(message, out); });
}

Napi::Value ScanProfilesJs(const Napi::CallbackInfo& info) {
  Arguments arguments(info);
  const Message message = arguments.TakeMessage();
  const Revision revision = arguments.TakeRevision();
  const auto rows = arguments.TakeArray<const uint32_t>();
  const auto out = arguments.TakeArray<uint32_t>();
  return Run(info, arguments, [&] { return ScanProfiles(message, revision, rows, out); });
}

Napi::Value FillStringsJs(const Napi::CallbackInfo& info) {
  Arguments arguments(info);
  const Message message = arguments.TakeMessage();
  StringColumns out;
  arguments.TakeArrays(out.start, out.end);
  return Run(info, arguments, [&] { return FillStrings(message, out); });
}

Napi::Value FillFunctionsJs(const Napi::CallbackInfo& info) {
  Arguments arguments(info);
  const Message message = arguments.TakeMessage();
  FunctionColumns out;
  arguments.TakeArrays(out.name, out.systemName, out.filename, out.startLine);
  return Run(info, arguments, [&] { return FillFunctions(message, out); });
}

Napi::Value FillMappingsJs(const Napi::CallbackInfo& info) {
  Arguments arguments(info);
  const Message message = arguments.TakeMessage();
  MappingColumns out;
  arguments.TakeArrays(out.memoryStart, out.memoryLimit, out.fileOffset, out.filename, out.attributeStart,
                       out.attributes);
  return Run(info, arguments, [&] { return FillMappings(message, out); });
}

Napi::Value FillLocationsJs(const Napi::CallbackInfo& info) {
  Arguments arguments(info);
  const Message message = arguments.TakeMessage();
  LocationColumns out;
  arguments.TakeArrays(out.mapping, out.address, out.attributeStart, out.attributes, out.lineStart,
                       out.lineFunction, out.lineLine, out.lineColumn);
  return Run(info, arguments, [&] { return FillLocations(message, out); });
}

Napi::Value FillStacksJs(const Napi::CallbackInfo& info) {
  Arguments arguments(info);
  const Message message = arguments.TakeMessage();
  StackColumns out;
  arguments.TakeArrays(out.start, out.locations);
  return Run(info, arguments, [&] { return FillStacks(message, out); });
}

Napi::Value FillLinksJs(const Napi::CallbackInfo& info) {
  Arguments arguments(info);
  const Message message = arguments.TakeMessage();
  LinkColumns out;
  arguments.TakeArrays(out.traceIds, out.spanIds);
  return Run(info, arguments, [&] { return FillLinks(message, out); });
}

Napi::Value FillAttributesJs(const Napi::CallbackInfo& info) {
  Arguments arguments(info);
  const Message message = arguments.TakeMessage();
  AttributeColumns out;
  arguments.TakeArrays(out.key, out.unit, out.start, out.end);
  return Run(info, arguments, [&] { return FillAttributes(message, out); });
}

Napi::Value CountSamplesJs(const Napi::CallbackInfo& info) {
  Arguments arguments(info);
  const Message message = arguments.TakeMessage();
  const Revision revision = arguments.TakeRevision();
  const auto out = arguments.TakeArray<uint32_t>();
  return Run(info, arguments, [&] { return CountSamples(message, revision, out); });
}

Napi::Value FillSamplesJs(const Napi::CallbackInfo& info) {
  Arguments arguments(info);
  const Message message = arguments.TakeMessage();
  const Revision revision = arguments.TakeRevision();
  SampleColumns out;
  arguments.TakeArrays(out.stack, out.link, out.attributeStart, out.attributes, out.valueStart, out.values,
                       out.timestampStart, out.timestamps);
  return Run(info, arguments, [&] { return FillSamples(message, revision, out); });
}

/// What a merge reads, and where it says what came of it.
struct MergeCall {
  std::vector<std::span<const uint8_t>> dictionaries;
  std::vector<ScopesPart> parts;
  std::vector<uint32_t> facts;
};

Napi::Value MergedJs(Napi::Env env, std::optional<MergedParts> merged) {
  if (!merged) return env.Undefined();
  const auto result = Napi::Array::New(env, 1 + merged->scopes.size());
  result.Set(0u, Given(env, std::move(merged->dictionary)));
  for (uint32_t i = 0; i < merged->scopes.size(); i++) result.Set(i + 1, Given(env, std::move(merged->scopes[i])));
  return result;
}

/// A merge on a thread of libuv's pool. What it reads is held, not copied: nobody may write to it, or hand its memory
/// to another thread, before the promise settles.
class MergeWork final : public Napi::AsyncWorker {
 public:
  MergeWork(const Napi::CallbackInfo& info, MergeCall call)
      : AsyncWorker(info.Env(), "otelcodecs"),
        promise_(Napi::Promise::Deferred::New(info.Env())),
        facts_(Napi::Persistent(info[4].As<Napi::Uint32Array>())),
        call_(std::move(call)) {
    for (const size_t list : {0, 1}) held_.push_back(Napi::Persistent(info[list].As<Napi::Object>()));
  }

  Napi::Promise promise() const { return promise_.Promise(); }

  void Execute() override { merged_ = MergeParts(call_.dictionaries, call_.parts, call_.facts); }

  void OnOK() override {
    Napi::Uint32Array facts = facts_.Value();
    std::copy_n(call_.facts.begin(), std::min(facts.ElementLength(), call_.facts.size()), facts.Data());
    promise_.Resolve(MergedJs(Env(), std::move(merged_)));
  }

 private:
  Napi::Promise::Deferred promise_;
  Napi::Reference<Napi::Uint32Array> facts_;
  std::vector<Napi::ObjectReference> held_;
  MergeCall call_;
  std::optional<MergedParts> merged_;
};

/// (dictionaries: Uint8Array[], scopes: Uint8Array[], owners: Uint32Array, revisions: Uint32Array, facts: Uint32Array,
/// offLoop: boolean): Uint8Array[] | undefined, or a promise of it
Napi::Value MergeDictionariesJs(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  Arguments arguments(info);
  MergeCall call;
  call.dictionaries = arguments.TakeArrayList<const uint8_t>();
  const auto scopes = arguments.TakeArrayList<const uint8_t>();
  const auto owners = arguments.TakeArray<const uint32_t>();
  const auto revisions = arguments.TakeArray<const uint32_t>();
  const auto facts = arguments.TakeArray<uint32_t>();
  if (arguments.ok() && (owners.size() != scopes.size() || revisions.size() != scopes.size()))
    arguments.Fail<Napi::RangeError>("each scopes must have an owner and a revision");
  for (size_t i = 0; arguments.ok() && i < scopes.size(); i++)
    call.parts.push_back({scopes[i], arguments.RevisionOf(revisions[i]), owners[i]});
  if (!arguments.ok()) return env.Undefined();
  if (!info[5].ToBoolean()) return MergedJs(env, MergeParts(call.dictionaries, call.parts, facts));
  call.facts.assign(facts.begin(), facts.end());
  // It deletes itself when it is done.
  auto* work = new MergeWork(info, std::move(call));
  work->Queue();
  return work->promise();
}

}  // namespace

void RegisterOtlp(Napi::Env env, Napi::Object exports) {
  const auto add = [&]<Napi::Value (*function)(const Napi::CallbackInfo&)>(const char* name) {
    exports.Set(name, Napi::Function::New<function>(env, name));
  };
  add.operator()<ScanDictionaryJs>("scanDictionary");
  add.operator()<ScanProfilesJs>("scanProfiles");
  add.operator()<FillStringsJs>("fillStrings");
  add.operator()<FillFunctionsJs>("fillFunctions");
  add.operator()<FillMappingsJs>("fillMappings");
  add.operator()<FillLocationsJs>("fillLocations");
  add.operator()<FillStacksJs>("fillStacks");
  add.operator()<FillLinksJs>("fillLinks");
  add.operator()<FillAttributesJs>("fillAttributes");
  add.operator()<CountSamplesJs>("countSamples");
  add.operator()<FillSamplesJs>("fillSamples");
  add.operator()<MergeDictionariesJs>("mergeDictionaries");
}

}  // namespace otelcodecs
