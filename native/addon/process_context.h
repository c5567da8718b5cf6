// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "runtimes/remote_memory.h"

namespace otelprof {

/// A resource attribute that a process publishes. Values are text; arrays, lists and bytes are passed over.
struct PublishedAttribute {
  enum class Kind : uint8_t { String, Int, Double, Bool };
  std::string key;
  std::string value;
  Kind kind = Kind::String;
};

enum class ContextOutcome : uint8_t { Read, Unchanged, Busy, Malformed };

/// The OpenTelemetry process context of one process: resource attributes that its SDK publishes in a mapping
/// named OTEL_CTX. All of it is the process's to write: at most 64 KiB are read, 8 KiB of text kept.
/// Source: https://github.com/open-telemetry/opentelemetry-specification/blob/main/oteps/profiles/4719-process-ctx.md
/// Belongs to one thread.
class ProcessContext {
 public:
  /// Whether the mapping should be looked for: seldomer and seldomer for a process that has none.
  bool IsDue(uint64_t nowNs) const { return nowNs >= nextLookNs_; }
  bool isFound() const { return address_ != 0; }
  /// Notes what a look into /proc/PID/maps gave.
  void Looked(std::string_view maps, uint64_t nowNs);
  /// Reads the context if it changed since. `memory` is that of the process.
  ContextOutcome Read(RemoteMemory& memory);

  const std::vector<PublishedAttribute>& attributes() const { return attributes_; }

 private:
  ContextOutcome Try(RemoteMemory& memory);

  uint64_t address_ = 0;
  uint64_t publishedNs_ = 0;
  uint64_t nextLookNs_ = 0;
  uint32_t looks_ = 0;
  std::vector<PublishedAttribute> attributes_;
};

/// Where the context is, in the text of /proc/PID/maps; 0 if nowhere.
uint64_t FindProcessContext(std::string_view maps);

/// The attributes in a payload: a Resource, or a message whose field 1 is one, as later drafts have it.
/// Nothing where it is no such message.
std::optional<std::vector<PublishedAttribute>> DecodeProcessContext(std::span<const uint8_t> payload);

}  // namespace otelprof
