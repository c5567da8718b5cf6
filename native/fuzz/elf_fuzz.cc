// SPDX-License-Identifier: Apache-2.0
// Input: an ELF file. Everything that is asked of a file but for unwinding and DWARF.
#include <elf.h>

#include "fuzz.h"
#include "runtimes/python/detect.h"
#include "runtimes/registry.h"
#include "symbols/symbols.h"

using namespace otelprof;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto elf = ElfFile::FromMemory({data, data + size}, nullptr);
  if (!elf) return 0;
  elf->gnuBuildId();
  elf->goBuildId();
  elf->htlHash();
  elf->debugLink();
  for (const auto& section : elf->sections()) {
    const auto bytes = elf->data(section);
    FUZZ_CHECK(bytes.size() <= size);
  }
  bool unknown = false;
  python::Detect(*elf, &unknown);

  const auto symbols = FileSymbols::Load(*elf, DemangleMode::Full);
  FUZZ_CHECK(symbols->sizeBytes() < size * 64 + (8u << 20));
  std::vector<ResolvedFrame> frames;
  for (const auto& segment : elf->segments()) {
    for (uint64_t i = 0; i < 8; i++) {
      const uint64_t address = segment.vaddr + i * (segment.memsz / 8 + 1);
      elf->at(address, i * 64);
      elf->vaddrOfOffset(segment.offset + i);
      const auto range = symbols->FunctionAt(address);
      if (!symbols->Lookup(address, &frames)) continue;
      FUZZ_CHECK(address - range.start < range.size);
      for (const auto& frame : frames) FUZZ_CHECK(ValidUtf8(frame.name) == frame.name);
    }
  }
  return 0;
}
