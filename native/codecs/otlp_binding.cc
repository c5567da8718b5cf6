// SPDX-License-Identifier: Apache-2.0
#include <napi.h>

#include <cmath>

#include "arguments.h"
#include "otlp.h"
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

  Revision TakeRevision() {
    const double revision = TakeNumber();
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
}

}  // namespace otelcodecs
