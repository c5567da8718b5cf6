// SPDX-License-Identifier: Apache-2.0
#include "aarch64_frames.h"

#include <elf.h>

#include <cstring>

namespace otelprof {
namespace {

// The first stub, which calls the dynamic linker, pushes two registers.
constexpr uint64_t kPltHeadBytes = 32;
// A library with these two instructions of its own does not get a signal frame for them; the vDSO has a few pages.
constexpr uint64_t kMaxVdsoBytes = 64u << 10;
constexpr uint8_t kSigreturn[] = {0x68, 0x11, 0x80, 0xd2, 0x01, 0x00, 0x00, 0xd4};  // mov x8, #139; svc #0
constexpr uint32_t kInstruction = 4;

bool Fits(uint64_t start, uint64_t size) { return size <= UINT32_MAX && start <= UINT32_MAX - size; }

}  // namespace

std::vector<op_row> CompileAarch64PltRows(const ElfFile& image) {
  const auto* plt = image.section(".plt");
  if (image.machine() != EM_AARCH64 || !plt || plt->size <= kPltHeadBytes || !Fits(plt->addr, plt->size)) return {};
  return {{static_cast<uint32_t>(plt->addr + kPltHeadBytes), OP_RULE_AARCH64(OP_RULE_SP, 0, 0, false)},
          {static_cast<uint32_t>(plt->addr + plt->size), OP_RULE_NONE}};
}

std::vector<op_row> CompileAarch64SignalRows(const ElfFile& image) {
  if (image.machine() != EM_AARCH64) return {};
  for (const auto& segment : image.segments()) {
    if (segment.type != PT_LOAD || !(segment.flags & PF_X)) continue;
    if (segment.filesz > kMaxVdsoBytes || !Fits(segment.vaddr, segment.filesz)) continue;
    const auto code = image.at(segment.vaddr, segment.filesz);
    for (size_t at = 0; at + sizeof(kSigreturn) <= code.size(); at += kInstruction) {
      if (std::memcmp(code.data() + at, kSigreturn, sizeof(kSigreturn)) != 0) continue;
      // The handler returns to the first of them, and return addresses are looked up one byte lower: the kernel has
      // put an instruction there that is never executed. Inside the system call the next one is that behind.
      const uint32_t pc = static_cast<uint32_t>(segment.vaddr + at);
      const uint32_t before = at ? kInstruction : 0;
      return {{pc - before, OP_RULE(OP_RULE_SIGNAL, 0, 0)},
              {pc + static_cast<uint32_t>(sizeof(kSigreturn)) + 1, OP_RULE_NONE}};
    }
  }
  return {};
}

}  // namespace otelprof
