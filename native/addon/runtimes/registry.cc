// SPDX-License-Identifier: Apache-2.0
#include "registry.h"

#include <algorithm>

#include "go/detect.h"
#include "python/detect.h"

namespace otelprof {
namespace {

constexpr Runtime kRuntimes[] = {
    {"python", OP_RUNTIME_PYTHON, FrameKind::CPython, python::Detect},
    {"go", OP_RUNTIME_GO, FrameKind::Go, go::Detect},
};

}  // namespace

std::span<const Runtime> Runtimes() { return kRuntimes; }

FrameKind RuntimeFrameKind(uint8_t kind) {
  for (const auto& runtime : kRuntimes)
    if (kind == OP_FRAME_RUNTIME + runtime.id) return runtime.frameKind;
  return FrameKind::Unknown;
}

bool IsRuntimeName(std::string_view name) {
  return std::any_of(std::begin(kRuntimes), std::end(kRuntimes),
                     [&](const Runtime& runtime) { return name == runtime.name; });
}

std::shared_ptr<const RuntimeFile> DetectRuntime(const ElfFile& image, const std::vector<std::string>& disabled,
                                                 bool* unknown) {
  for (const auto& runtime : kRuntimes) {
    if (std::find(disabled.begin(), disabled.end(), runtime.name) != disabled.end()) continue;
    if (auto found = runtime.detect(image, unknown)) return found;
  }
  return nullptr;
}

}  // namespace otelprof
