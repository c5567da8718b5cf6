// SPDX-License-Identifier: Apache-2.0
// Input: an ELF file with debug sections.
#include <elf.h>

#include "dwarf/dwarf_file.h"
#include "fuzz.h"

using namespace otelprof;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto elf = ElfFile::FromMemory({data, data + size}, nullptr);
  if (!elf) return 0;
  DwarfErrors errors;
  const auto dwarf = DwarfFile::Open(*elf, nullptr, &errors);
  if (!dwarf) return 0;
  std::vector<SourceFrame> frames;
  std::shared_ptr<const UnitTable> table;
  for (const auto& segment : elf->segments()) {
    if (segment.type != PT_LOAD || !(segment.flags & PF_X)) continue;
    const uint64_t step = segment.memsz / 16 + 1;
    for (uint64_t i = 0; i < 16; i++) {
      const uint64_t address = segment.vaddr + i * step;
      dwarf->Load(address);
      frames.clear();
      // Whatever the file says, an address is not asked for again and again.
      FUZZ_CHECK(dwarf->Find(address, &frames, &table) != DwarfFile::Answer::NotLoaded);
    }
  }
  FUZZ_CHECK(dwarf->sizeBytes() < (32u << 20));
  while (dwarf->unitCount() > 0) FUZZ_CHECK(dwarf->EvictOldest() > 0);
  return 0;
}
