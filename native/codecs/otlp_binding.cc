// SPDX-License-Identifier: Apache-2.0
#include <napi.h>

#include <cmath>
#include <string>

#include "otlp.h"
#include "parts.h"

namespace otelcodecs {
namespace {

using namespace otlp;

template <typename T>
struct TypedArray;
template <>
struct TypedArray<const uint8_t> {
  static constexpr napi_typedarray_type kType = napi_uint8_array;
  static constexpr const char* kName = "a Uint8Array";
};
template <>
struct TypedArray<uint8_t> : TypedArray<const uint8_t> {};
template <>
struct TypedArray<const uint32_t> {
  static constexpr napi_typedarray_type kType = napi_uint32_array;
  static constexpr const char* kName = "a Uint32Array";
};
template <>
struct TypedArray<uint32_t> : TypedArray<const uint32_t> {};
template <>
struct TypedArray<int32_t> {
  static constexpr napi_typedarray_type kType = napi_int32_array;
  static constexpr const char* kName = "an Int32Array";
};
template <>
struct TypedArray<int64_t> {
  static constexpr napi_typedarray_type kType = napi_bigint64_array;
  static constexpr const char* kName = "a BigInt64Array";
};
template <>
struct TypedArray<uint64_t> {
  static constexpr napi_typedarray_type kType = napi_biguint64_array;
  static constexpr const char* kName = "a BigUint64Array";
};

/// Takes the arguments of one call in order. The first that is wrong leaves a JavaScript error pending, and
/// everything after it empty.
class Arguments {
 public:
  explicit Arguments(const Napi::CallbackInfo& info) : info_(info) {}

  bool ok() const { return ok_; }

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

  template <typename T>
  std::span<T> TakeArray() {
    const size_t i = next_++;
    const napi_env env = info_.Env();
    bool isTypedArray = false;
    napi_typedarray_type type{};
    size_t length = 0;
    void* data = nullptr;
    if (napi_is_typedarray(env, info_[i], &isTypedArray) != napi_ok || !isTypedArray ||
        napi_get_typedarray_info(env, info_[i], &type, &length, &data, nullptr, nullptr) != napi_ok ||
        type != TypedArray<T>::kType) {
      Fail<Napi::TypeError>("argument " + std::to_string(i + 1) + " must be " + TypedArray<T>::kName);
      return {};
    }
    // An empty or detached array may have any pointer.
    return length == 0 ? std::span<T>() : std::span<T>(static_cast<T*>(data), length);
  }
  template <typename... T>
  void TakeArrays(std::span<T>&... arrays) {
    ((arrays = TakeArray<T>()), ...);
  }

 private:
  double TakeNumber() {
    const size_t i = next_++;
    if (info_[i].IsNumber()) return info_[i].As<Napi::Number>().DoubleValue();
    Fail<Napi::TypeError>("argument " + std::to_string(i + 1) + " must be a number");
    return 0;
  }

  template <typename Error>
  void Fail(const std::string& message) {
    if (ok_) Error::New(info_.Env(), message).ThrowAsJavaScriptException();
    ok_ = false;
  }

  const Napi::CallbackInfo& info_;
  size_t next_ = 0;
  bool ok_ = true;
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
