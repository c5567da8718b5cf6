// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <optional>
#include <span>

#include "../runtime.h"

namespace otelprof::python {

/// CPython in an executable or library: by its exported _PyRuntime and eval loop, not by the file's name.
/// A program linked against libpython does not define them, the library does.
std::shared_ptr<const RuntimeFile> Detect(const ElfFile& image, bool* unknown);

/// Where the thread state is, told from the code of the accessor that returns it.
struct ThreadSlot {
  uint8_t source = 0;  // enum op_thread_source
  uint64_t slot = 0;
};

/// Decodes `code`, the start of an accessor at ELF address `address`: the general-dynamic, the initial-exec and the
/// local-exec access to a thread-local variable. nullopt for anything else.
std::optional<ThreadSlot> DecodeThreadAccessor(std::span<const uint8_t> code, uint64_t address);

}  // namespace otelprof::python
