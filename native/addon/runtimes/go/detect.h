// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string_view>

#include "../runtime.h"

namespace otelprof::go {

/// The runtime of a Go program: where it keeps the pprof labels of the goroutine that runs. Its frames are native.
std::shared_ptr<const RuntimeFile> Detect(const ElfFile& image, bool* unknown);

/// Minor version in the contents of .go.buildinfo of Go 1.18 and later ("go1.26.8" gives 26); 0 if there is none.
uint32_t MinorVersion(std::span<const uint8_t> buildInfo);

/// Offsets for a minor version; nullopt if not known.
std::optional<op_go> LayoutOf(uint32_t minor);

/// Where a thread has its g, told from the first code that loads g and then its m; nullopt if none does.
struct ThreadSlot {
  uint8_t source = 0;  // enum op_thread_source
  uint64_t slot = 0;
};
std::optional<ThreadSlot> FindThreadSlot(std::span<const uint8_t> text, uint64_t address, uint8_t mOffset);

}  // namespace otelprof::go
