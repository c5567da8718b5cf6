// SPDX-License-Identifier: Apache-2.0
// Input: form (a byte), length (four bytes) and bytes of .gopclntab, length (two bytes) and bytes of the section that
// holds runtime.moduledata, then what the inline trees are read from. Where they lie is fixed: see the constants.
#include <elf.h>

#include <array>

#include "elf/go_frames.h"
#include "fuzz.h"
#include "symbols/go_pclntab.h"

using namespace otelprof;
using namespace otelprof::fuzz;

namespace {

// scripts/fuzz-seeds.mjs writes these into the seeds.
constexpr uint64_t kText = 0x400000;
constexpr uint64_t kTable = 0x600000;
constexpr uint64_t kModule = 0x800000;
constexpr uint64_t kInline = 0x900000;
constexpr size_t kTextBytes = 4096;

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const std::vector<uint8_t> text(kTextBytes, 0xcc);
  Input in(data, size);
  const bool positionIndependent = in.Take<uint8_t>() & 1;
  const auto table = in.Bytes(in.Take<uint32_t>());
  const auto module = in.Piece();
  const auto inlined = in.Rest();
  const std::array parts = {
      Part{".text", SHT_PROGBITS, SHF_ALLOC | SHF_EXECINSTR, kText, text},
      Part{positionIndependent ? ".data.rel.ro.gopclntab" : ".gopclntab", SHT_PROGBITS, SHF_ALLOC, kTable, table},
      positionIndependent ? Part{".rela.dyn", SHT_RELA, SHF_ALLOC, kModule, module}
                          : Part{".noptrdata", SHT_PROGBITS, SHF_ALLOC, kModule, module},
      Part{".rodata", SHT_PROGBITS, SHF_ALLOC, kInline, inlined},
  };
  const auto elf = ElfFile::FromMemory(MakeImage(parts), nullptr);
  FUZZ_CHECK(elf != nullptr);
  const auto rows = CompileGoRows(*elf);
  for (size_t i = 1; i < rows.size(); i++) FUZZ_CHECK(rows[i - 1].pc < rows[i].pc);
  const auto go = GoPclntab::Load(*elf);
  if (!go) return 0;
  std::vector<ResolvedFrame> frames;
  for (uint64_t pc = kText - 16; pc < kText + kTextBytes; pc += 37) {
    uint64_t start = 0, length = 0;
    frames.clear();
    const bool covered = go->range(pc, &start, &length);
    const bool named = go->lookup(pc, &frames);
    FUZZ_CHECK(!covered || pc - start < length);
    FUZZ_CHECK(named == !frames.empty() && frames.size() <= 65);
    for (const auto& frame : frames)
      FUZZ_CHECK(!frame.name.empty() && ValidUtf8(frame.name) == frame.name && ValidUtf8(frame.file) == frame.file);
  }
  return 0;
}
