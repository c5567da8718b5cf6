// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "runtime.h"

namespace otelprof {

/// All runtimes. With runtimes.bpf.h the only place that names one outside its folder.
std::span<const Runtime> Runtimes();
/// The type of frames of op_frame.kind `kind`.
FrameKind RuntimeFrameKind(uint8_t kind);
bool IsRuntimeName(std::string_view name);
/// The runtime in an image, of those not disabled by name.
std::shared_ptr<const RuntimeFile> DetectRuntime(const ElfFile& image, const std::vector<std::string>& disabled,
                                                 bool* unknown);

}  // namespace otelprof
