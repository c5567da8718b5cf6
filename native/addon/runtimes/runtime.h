// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include "../elf/elf_file.h"
#include "../symbols/symbols.h"
#include "../unwind/table.h"
#include "remote_memory.h"

namespace otelprof {

/// Names one function of a process: the address of the runtime's object, and what tells it from another object
/// that was at this address before or will be later.
struct FunctionKey {
  uint64_t address = 0;
  uint64_t cookie = 0;
  uint32_t cookie2 = 0;
  bool operator==(const FunctionKey&) const = default;
};

/// A function as read from a process. Immutable.
class RuntimeFunction {
 public:
  virtual ~RuntimeFunction() = default;
  /// The source-level frame at a position in the runtime's own unit (op_frame_detail.position).
  virtual ResolvedFrame At(uint32_t position) const = 0;
  virtual size_t sizeBytes() const = 0;
};

enum class ReadOutcome : uint8_t {
  Named,
  Gone,    // the memory cannot be read: the process ended
  Stale,   // another object is there by now
  Budget,  // more bytes than may be read at once
  Layout,  // not what the offsets say
};

/// The runtime inside one ELF file. Immutable.
class RuntimeFile {
 public:
  virtual ~RuntimeFile() = default;
  /// What the kernel program needs to know.
  virtual const op_runtime& kernel() const = 0;
  virtual ReadOutcome ReadFunction(RemoteMemory& memory, const FunctionKey& key,
                                   std::shared_ptr<const RuntimeFunction>* out) const = 0;
};

/// What a runtime's folder exports.
struct Runtime {
  const char* name;  // as in `interpreters.NAME.disabled`
  uint32_t id;       // enum op_runtime_id
  FrameKind frameKind;
  /// nullptr if the runtime is not in the image; with *unknown set if it is, in a version or build whose layout
  /// is not known.
  std::shared_ptr<const RuntimeFile> (*detect)(const ElfFile& image, bool* unknown);
};

}  // namespace otelprof
