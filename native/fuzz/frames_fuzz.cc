// SPDX-License-Identifier: Apache-2.0
// Input: what to make of it (a byte), then the contents of .eh_frame or .debug_frame. The rows must be in order and
// found again, and a walk with them over the input itself must end.
#include <elf.h>

#include <array>

#include "elf/eh_frame.h"
#include "fuzz.h"
#include "unwind/unwind.h"

using namespace otelprof;
using namespace otelprof::fuzz;

namespace {

constexpr uint64_t kFrameAddress = 0x300000;
constexpr uint64_t kStack = 0x7000'0000'0000;

enum Form : uint8_t { kEhFrame, kHeaderOnly, kDebugFrame, kBoth, kForms };

std::vector<uint8_t> ImageOf(Form form, std::span<const uint8_t> bytes) {
  // The header points 4 + offset bytes behind itself, here: to the next 16.
  const std::array<uint8_t, 16> header = {1, 0x1b, 0xff, 0xff, 12, 0, 0, 0};
  std::vector<uint8_t> joined(header.begin(), header.end());
  joined.insert(joined.end(), bytes.begin(), bytes.end());
  const Part loaded = {".eh_frame", SHT_PROGBITS, SHF_ALLOC, kFrameAddress, bytes};
  const Part debug = {".debug_frame", SHT_PROGBITS, 0, 0, bytes};
  const Part whole = {".eh_frame", SHT_PROGBITS, SHF_ALLOC, kFrameAddress, joined};
  switch (form) {
    case kHeaderOnly:
      return MakeImage(std::array{whole}, kFrameAddress);
    case kDebugFrame:
      return MakeImage(std::array{debug});
    case kBoth:
      return MakeImage(std::array{loaded, debug});
    default:
      return MakeImage(std::array{loaded});
  }
}

void Walk(const UnwindTable& table, std::span<const uint8_t> stack, uint64_t pc) {
  const auto lookup = [&table](uint64_t at, UnwindMapping* out) {
    *out = {0, UINT32_MAX, 0, 1, &table};
    return at < UINT32_MAX;
  };
  std::vector<op_frame> frames;
  UnwindStack({pc, kStack, kStack + 64}, stack, lookup, &frames);
  FUZZ_CHECK(frames.size() <= OP_LEAF_SLOTS);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  Input in(data, size);
  const auto form = static_cast<Form>(in.Take<uint8_t>() % kForms);
  const auto bytes = in.Rest();
  const auto elf = ElfFile::FromMemory(ImageOf(form, bytes), nullptr);
  FUZZ_CHECK(elf != nullptr);
  EhFrameStats stats;
  const auto rows = CompileEhFrameRows(*elf, &stats);
  for (size_t i = 1; i < rows.size(); i++) FUZZ_CHECK(rows[i - 1].pc < rows[i].pc);
  FUZZ_CHECK(rows.empty() || OP_RULE_KIND(rows.back().rule) == OP_RULE_NONE);
  size_t dropped = 0;
  const UnwindTable table = IndexRows(rows, &dropped);
  for (size_t i = 0; i + dropped < rows.size(); i++) FUZZ_CHECK(FindRule(table, rows[i].pc) == rows[i].rule);
  for (size_t i = 0; i < std::min<size_t>(rows.size(), 4); i++) Walk(table, bytes, rows[i].pc);
  return 0;
}
