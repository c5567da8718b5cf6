// SPDX-License-Identifier: Apache-2.0
#include "detect.h"

#include <elf.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "../../elf/eh_frame.h"
#include "../elf_names.h"
#include "offsets.h"
#include "symbolize.h"

namespace otelprof::python {
namespace {

constexpr size_t kAccessorBytes = 48;
constexpr const char* kLoop = "_PyEval_EvalFrameDefault";
// Loops have 30 KB and more. What is smaller only calls one: each instruction is a function of its own then.
constexpr uint64_t kMinLoopBytes = 16u << 10;
// Exported; the first one was renamed in 3.13.
constexpr const char* kAccessors[] = {"PyThreadState_GetUnchecked", "_PyThreadState_UncheckedGet",
                                      "PyThreadState_Get"};

class File final : public RuntimeFile {
 public:
  File(const Layout& layout, const op_runtime& kernel) : layout_(layout), kernel_(kernel) {}
  const op_runtime& kernel() const override { return kernel_; }
  ReadOutcome ReadFunction(RemoteMemory& memory, const FunctionKey& key,
                           std::shared_ptr<const RuntimeFunction>* out) const override {
    return ReadCode(memory, layout_, key, out);
  }

 private:
  const Layout layout_;
  const op_runtime kernel_;
};

std::optional<Layout> FindLayout(const ElfFile& image, const NamedSymbol& runtime) {
  if (auto stated = LayoutFromDebugOffsets(image.at(runtime.value, kDebugOffsetBytes))) return stated;
  const auto symbol = FindNamedSymbol(image, "Py_Version");
  if (!symbol) return LayoutOf(VersionOfRuntimeSize(runtime.size));
  const auto bytes = image.at(symbol->value, sizeof(uint32_t));
  uint32_t version = 0;
  if (bytes.size() != sizeof(version)) return std::nullopt;
  std::memcpy(&version, bytes.data(), sizeof(version));
  return LayoutOf(version >> 16);
}

bool FindThreadSlot(const ElfFile& image, const NamedSymbol& runtime, const Layout& layout, op_python* out) {
  if (layout.keyRecord) {
    out->thread_slot = runtime.value + layout.keyRecord;
    return true;
  }
  for (const char* name : kAccessors) {
    const auto accessor = FindNamedSymbol(image, name);
    if (!accessor) continue;
    const auto code = image.at(accessor->value, kAccessorBytes);
    if (const auto slot = DecodeThreadAccessor(code, accessor->value)) {
      out->thread_source = slot->source;
      out->thread_slot = slot->slot;
      return true;
    }
  }
  return false;
}

void SetLoop(const ElfFile& image, const NamedSymbol& loop, op_runtime* out) {
  size_t count = 0;
  const auto add = [&](uint64_t start, uint64_t end) {
    const bool isKnown = std::any_of(out->loop, out->loop + count, [&](const op_code_range& part) {
      return start < part.end && end > part.start;
    });
    if (!isKnown && count < OP_LOOP_PARTS) out->loop[count++] = {start, end};
  };
  add(loop.value, loop.value + loop.size);
  if (const auto cold = FindNamedSymbol(image, std::string(kLoop) + ".cold")) add(cold->value, cold->value + cold->size);
  auto parts = FindSplitParts(image, {loop.value, loop.value + loop.size});
  std::sort(parts.begin(), parts.end(), [](const CodeRange& a, const CodeRange& b) {
    return a.end - a.start > b.end - b.start;
  });
  for (const CodeRange& part : parts) add(part.start, part.end);
}

uint64_t LoopBytes(const op_runtime& runtime) {
  uint64_t bytes = 0;
  for (const op_code_range& part : runtime.loop) bytes += part.end - part.start;
  return bytes;
}

template <size_t N>
bool StartsWith(std::span<const uint8_t> code, const std::array<uint8_t, N>& pattern) {
  return code.size() >= N && std::equal(pattern.begin(), pattern.end(), code.begin());
}

int32_t Displacement(std::span<const uint8_t> code, size_t at) {
  int32_t value = 0;
  std::memcpy(&value, code.data() + at, sizeof(value));
  return value;
}

}  // namespace

std::optional<ThreadSlot> DecodeThreadAccessor(std::span<const uint8_t> code, uint64_t address) {
  constexpr std::array<uint8_t, 4> kGeneralDynamic = {0x66, 0x48, 0x8d, 0x3d};    // data16 lea x(%rip),%rdi
  constexpr std::array<uint8_t, 3> kLoadRelative = {0x48, 0x8b, 0x05};            // mov x(%rip),%rax
  constexpr std::array<uint8_t, 4> kThreadIndirect = {0x64, 0x48, 0x8b, 0x00};    // mov %fs:(%rax),%rax
  constexpr std::array<uint8_t, 5> kThreadDirect = {0x64, 0x48, 0x8b, 0x04, 0x25};  // mov %fs:x,%rax
  for (size_t i = 0; i + 12 <= code.size(); i++) {
    const auto rest = code.subspan(i);
    const auto relative = [&](size_t at) {
      return address + i + at + 4 + static_cast<uint64_t>(int64_t{Displacement(rest, at)});
    };
    if (StartsWith(rest, kGeneralDynamic)) return ThreadSlot{OP_THREAD_DTV, relative(4)};
    if (StartsWith(rest, kLoadRelative) && StartsWith(rest.subspan(7), kThreadIndirect))
      return ThreadSlot{OP_THREAD_GOT_OFFSET, relative(3)};
    if (StartsWith(rest, kThreadDirect))
      return ThreadSlot{OP_THREAD_OFFSET, static_cast<uint64_t>(int64_t{Displacement(rest, 5)})};
  }
  return std::nullopt;
}

std::shared_ptr<const RuntimeFile> Detect(const ElfFile& image, bool* unknown) {
  if (image.machine() != EM_X86_64 || !MentionsName(image, "_PyRuntime")) return nullptr;
  const auto runtime = FindNamedSymbol(image, "_PyRuntime");
  if (!runtime) return nullptr;  // only uses an interpreter
  const auto loop = FindNamedSymbol(image, kLoop);
  // Where threads keep their data is glibc's affair; with another library every read would be a guess.
  const auto layout = MentionsName(image, "libc.so.6") ? FindLayout(image, *runtime) : std::nullopt;
  op_runtime kernel{};
  kernel.id = OP_RUNTIME_PYTHON;
  if (layout) kernel.python = layout->kernel;
  if (loop) SetLoop(image, *loop, &kernel);
  const bool hasLoop = LoopBytes(kernel) >= kMinLoopBytes;
  if (!layout || !FindThreadSlot(image, *runtime, *layout, &kernel.python) ||
      (!hasLoop && layout->kernel.segment != OP_PYTHON_SHIM)) {
    *unknown = true;
    return nullptr;
  }
  kernel.python.without_loop = !hasLoop;
  return std::make_shared<File>(*layout, kernel);
}

}  // namespace otelprof::python
