// SPDX-License-Identifier: Apache-2.0
#include "process_context.h"

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <cstring>

#include "elf/byte_reader.h"

namespace otelprof {
namespace {

constexpr uint32_t kVersion = 2;
constexpr uint32_t kMaxPayload = 64u << 10;
constexpr size_t kMaxAttributes = 128;
constexpr size_t kMaxTextBytes = 8u << 10;
constexpr int kTries = 3;
constexpr uint64_t kFirstGapNs = 1'000'000'000;
constexpr uint32_t kMaxDoublings = 6;

struct Header {
  char signature[8];
  uint32_t version;
  uint32_t payloadSize;
  uint64_t publishedNs;  // 0 while it is being changed
  uint64_t payload;
};

enum WireType : uint32_t { kVarint = 0, kFixed64 = 1, kBytes = 2, kFixed32 = 5 };

/// Calls `take(field, type, number, bytes)` for each field; false where it is no protobuf message, or `take` says so.
template <typename F>
bool ForFields(std::span<const uint8_t> message, F take) {
  ByteReader in(message);
  while (!in.done()) {
    const uint64_t tag = in.Uleb();
    uint64_t number = 0;
    std::span<const uint8_t> bytes;
    switch (tag & 7) {
      case kVarint:
        number = in.Uleb();
        break;
      case kFixed64:
        number = in.Read<uint64_t>();
        break;
      case kFixed32:
        number = in.Read<uint32_t>();
        break;
      case kBytes: {
        const uint64_t size = in.Uleb();
        if (!in.ok() || size > in.remaining()) return false;
        bytes = in.Take(size);
        break;
      }
      default:
        return false;
    }
    if (!in.ok() || tag >> 3 == 0 || !take(tag >> 3, static_cast<uint32_t>(tag & 7), number, bytes)) return false;
  }
  return in.ok();
}

std::string TextOf(std::span<const uint8_t> bytes) {
  return std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size());
}

/// An AnyValue; `known` stays false for kinds that are passed over.
bool ReadValue(std::span<const uint8_t> message, PublishedAttribute* out, bool* known) {
  using Kind = PublishedAttribute::Kind;
  return ForFields(message, [&](uint64_t field, uint32_t type, uint64_t number, std::span<const uint8_t> bytes) {
    *known = true;
    if (field == 1 && type == kBytes) {
      out->kind = Kind::String;
      out->value = TextOf(bytes);
    } else if (field == 2 && type == kVarint) {
      out->kind = Kind::Bool;
      out->value = number ? "true" : "false";
    } else if (field == 3 && type == kVarint) {
      out->kind = Kind::Int;
      out->value = std::to_string(static_cast<int64_t>(number));
    } else if (field == 4 && type == kFixed64) {
      double value;
      std::memcpy(&value, &number, sizeof(value));
      char text[32];
      snprintf(text, sizeof(text), "%.17g", value);
      out->kind = Kind::Double;
      out->value = text;
    } else {
      *known = false;
    }
    return true;
  });
}

class Decoder {
 public:
  bool KeyValue(std::span<const uint8_t> message) {
    PublishedAttribute attribute;
    bool hasValue = false, known = false;
    const bool ok =
        ForFields(message, [&](uint64_t field, uint32_t type, uint64_t, std::span<const uint8_t> bytes) {
          if (field == 1 && type == kBytes) attribute.key = TextOf(bytes);
          if (field != 2 || type != kBytes) return true;
          hasValue = true;
          return ReadValue(bytes, &attribute, &known);
        });
    if (!ok || !hasValue || attribute.key.empty()) return false;
    const size_t bytes = attribute.key.size() + attribute.value.size();
    if (!known || out_.size() >= kMaxAttributes || textBytes_ + bytes > kMaxTextBytes) return true;
    textBytes_ += bytes;
    out_.push_back(std::move(attribute));
    return true;
  }

  /// Attributes in field `field` of a message.
  bool Attributes(std::span<const uint8_t> message, uint64_t field) {
    return ForFields(message, [&](uint64_t at, uint32_t type, uint64_t, std::span<const uint8_t> bytes) {
      return at != field || (type == kBytes && KeyValue(bytes));
    });
  }

  std::vector<PublishedAttribute> Take() { return std::move(out_); }

 private:
  std::vector<PublishedAttribute> out_;
  size_t textBytes_ = 0;
};

}  // namespace

std::optional<std::vector<PublishedAttribute>> DecodeProcessContext(std::span<const uint8_t> payload) {
  Decoder plain;
  if (plain.Attributes(payload, 1)) return plain.Take();
  Decoder wrapped;
  const bool ok = ForFields(payload, [&](uint64_t field, uint32_t type, uint64_t, std::span<const uint8_t> bytes) {
    return field != 1 || (type == kBytes && wrapped.Attributes(bytes, 1));
  });
  if (!ok) return std::nullopt;
  return wrapped.Take();
}

uint64_t FindProcessContext(std::string_view maps) {
  constexpr std::string_view kNames[] = {"[anon_shmem:OTEL_CTX]", "/memfd:OTEL_CTX", "[anon:OTEL_CTX]"};
  for (size_t at = maps.find("OTEL_CTX"); at != maps.npos; at = maps.find("OTEL_CTX", at + 1)) {
    const size_t newline = maps.rfind('\n', at);
    std::string_view line = maps.substr(newline == maps.npos ? 0 : newline + 1);
    line = line.substr(0, line.find('\n'));
    // address perms offset dev inode path; only the path may hold such a name, and a path has no space before it.
    size_t path = 0;
    for (int field = 0; field < 5 && path != line.npos; field++)
      path = line.find_first_not_of(' ', line.find(' ', path));
    if (path == line.npos) continue;
    const std::string_view name = line.substr(path);
    if (std::none_of(std::begin(kNames), std::end(kNames), [&](auto known) { return name.starts_with(known); }))
      continue;
    uint64_t address = 0;
    std::from_chars(line.data(), line.data() + line.size(), address, 16);
    if (address) return address;
  }
  return 0;
}

void ProcessContext::Looked(std::string_view maps, uint64_t nowNs) {
  nextLookNs_ = nowNs + (kFirstGapNs << std::min(looks_++, kMaxDoublings));
  const uint64_t address = FindProcessContext(maps);
  if (address != address_) publishedNs_ = 0;
  address_ = address;
  if (!address_) attributes_.clear();
}

ContextOutcome ProcessContext::Try(RemoteMemory& memory) {
  Header before, after;
  if (!memory.Read(address_, &before)) return ContextOutcome::Malformed;
  if (std::memcmp(before.signature, "OTEL_CTX", 8) != 0 || before.version != kVersion) return ContextOutcome::Malformed;
  if (before.publishedNs == 0) return ContextOutcome::Busy;
  if (before.publishedNs == publishedNs_) return ContextOutcome::Unchanged;
  if (before.payloadSize > kMaxPayload) return ContextOutcome::Malformed;
  std::vector<uint8_t> payload(before.payloadSize);
  const bool isRead = payload.empty() || memory.Read(before.payload, payload);
  // Torn reads show as another time, or none.
  if (!memory.Read(address_, &after) || std::memcmp(&before, &after, sizeof(before)) != 0) return ContextOutcome::Busy;
  if (!isRead) return ContextOutcome::Malformed;
  auto attributes = DecodeProcessContext(payload);
  if (!attributes) return ContextOutcome::Malformed;
  attributes_ = std::move(*attributes);
  publishedNs_ = before.publishedNs;
  return ContextOutcome::Read;
}

ContextOutcome ProcessContext::Read(RemoteMemory& memory) {
  ContextOutcome outcome = ContextOutcome::Busy;
  for (int i = 0; i < kTries && outcome == ContextOutcome::Busy; i++) outcome = Try(memory);
  // What cannot be read now is looked for again, at the pace of looking.
  if (outcome == ContextOutcome::Malformed) address_ = 0;
  return outcome;
}

}  // namespace otelprof
