// SPDX-License-Identifier: Apache-2.0
#include "detect.h"

#include <elf.h>

#include <algorithm>
#include <charconv>
#include <cstring>

namespace otelprof::go {
namespace {

constexpr size_t kMaxTextScan = 64u << 20;
constexpr std::string_view kBuildInfoMagic = "\xff Go buildinf:";
constexpr size_t kFlagsAt = 15;
constexpr uint8_t kInlineStrings = 2;
constexpr size_t kStringsAt = 32;

class File final : public RuntimeFile {
 public:
  explicit File(const op_runtime& kernel) : kernel_(kernel) {}
  const op_runtime& kernel() const override { return kernel_; }
  ReadOutcome ReadFunction(RemoteMemory&, const FunctionKey&, std::shared_ptr<const RuntimeFunction>*) const override {
    return ReadOutcome::Layout;  // never asked: there are no frames of this runtime
  }

 private:
  const op_runtime kernel_;
};

struct Row {
  uint32_t firstMinor;
  uint16_t curg;
  uint16_t labels;
  bool isList;
};

// From DWARF of programs of each version; g.m is at 48 in all. The newest last.
constexpr Row kRows[] = {
    {21, 192, 344, false}, {23, 192, 352, false}, {24, 192, 352, true}, {25, 184, 344, true}, {26, 184, 352, true},
};
constexpr uint32_t kLastMinor = 27;
constexpr uint16_t kMOffset = 48;

}  // namespace

uint32_t MinorVersion(std::span<const uint8_t> buildInfo) {
  if (buildInfo.size() <= kStringsAt || std::memcmp(buildInfo.data(), kBuildInfoMagic.data(), kBuildInfoMagic.size()) != 0 ||
      !(buildInfo[kFlagsAt] & kInlineStrings))
    return 0;
  const size_t length = buildInfo[kStringsAt];  // of the version, which is shorter than 128
  const auto text = buildInfo.subspan(kStringsAt + 1);
  if (length > text.size() || length >= 128) return 0;
  std::string_view version(reinterpret_cast<const char*>(text.data()), length);
  const size_t at = version.find("go1.");
  if (at == std::string_view::npos) return 0;
  version.remove_prefix(at + 4);
  uint32_t minor = 0;
  std::from_chars(version.data(), version.data() + version.size(), minor);
  return minor;
}

std::optional<op_go> LayoutOf(uint32_t minor) {
  std::optional<op_go> out;
  if (minor > kLastMinor) return out;
  for (const Row& row : kRows) {
    if (minor < row.firstMinor) continue;
    op_go go{};
    go.is_list = row.isList;
    go.g_m = kMOffset;
    go.m_curg = row.curg;
    go.g_labels = row.labels;
    out = go;
  }
  return out;
}

std::optional<ThreadSlot> FindThreadSlot(std::span<const uint8_t> text, uint64_t address, uint8_t mOffset) {
  const auto word = [&](size_t at) {
    int32_t value;
    std::memcpy(&value, text.data() + at, sizeof(value));
    return int64_t{value};
  };
  // Bytes of mov m(%r),%r2, of registers without a REX extension, at `at`.
  const auto loadsM = [&](size_t at, uint8_t reg) {
    return text[at] == 0x48 && text[at + 1] == 0x8b && (text[at + 2] & 0xc7) == (0x40 | reg) && text[at + 3] == mOffset;
  };
  constexpr size_t kBefore = 7, kBehind = 13;
  const auto begin = text.begin();
  for (auto it = begin; text.end() - it >= static_cast<ptrdiff_t>(kBehind); ++it) {
    it = std::find(it, text.end() - kBehind + 1, 0x64);
    const auto at = static_cast<size_t>(it - begin);
    if (at + kBehind > text.size()) break;
    if (text[at + 1] != 0x48 || text[at + 2] != 0x8b) continue;
    const uint8_t mode = text[at + 3], reg = mode >> 3 & 7, base = mode & 7;
    if (mode >> 6 != 0) continue;
    if (base == 4) {  // mov %fs:x,%r
      if (text[at + 4] == 0x25 && loadsM(at + 9, reg) && word(at + 5) < 0)
        return ThreadSlot{OP_THREAD_OFFSET, static_cast<uint64_t>(word(at + 5))};
      continue;
    }
    if (at < kBefore || !loadsM(at + 4, reg) || text[at - 7] != 0x48) continue;
    const int64_t value = word(at - 4);
    // mov $x,%r or mov x(%rip),%r; mov %fs:(%r),%r1
    if (text[at - 6] == 0xc7 && text[at - 5] == (0xc0 | base) && value < 0)
      return ThreadSlot{OP_THREAD_OFFSET, static_cast<uint64_t>(value)};
    if (text[at - 6] == 0x8b && text[at - 5] == (base << 3 | 5))
      return ThreadSlot{OP_THREAD_GOT_OFFSET, address + at + static_cast<uint64_t>(value)};
  }
  return std::nullopt;
}

std::shared_ptr<const RuntimeFile> Detect(const ElfFile& image, bool* unknown) {
  if (image.machine() != EM_X86_64) return nullptr;
  const auto* info = image.section(".go.buildinfo");
  const auto* text = image.section(".text");
  if (!info || !text) return nullptr;
  const auto layout = LayoutOf(MinorVersion(image.data(*info)));
  const auto code = image.at(text->addr, std::min<uint64_t>(text->size, kMaxTextScan));
  const auto slot = layout ? FindThreadSlot(code, text->addr, kMOffset) : std::nullopt;
  if (!slot) {
    *unknown = true;
    return nullptr;
  }
  op_runtime kernel{};
  kernel.id = OP_RUNTIME_GO;
  kernel.go = *layout;
  kernel.go.thread_source = slot->source;
  kernel.go.thread_slot = slot->slot;
  return std::make_shared<File>(kernel);
}

}  // namespace otelprof::go
