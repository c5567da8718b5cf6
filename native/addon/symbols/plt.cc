// SPDX-License-Identifier: Apache-2.0
#include "plt.h"

#include <elf.h>

#include <algorithm>
#include <cstring>
#include <optional>
#include <utility>

namespace otelprof {
namespace {

constexpr size_t kMaxSlots = 200'000;
constexpr size_t kMaxNameBytes = 4096;

using Slot = std::pair<uint64_t, uint32_t>;  // address of the GOT slot, index in .dynsym

template <typename T>
T readAs(const uint8_t* p) {
  T value;
  std::memcpy(&value, p, sizeof value);
  return value;
}

bool isSlotRelocation(uint16_t machine, uint64_t type) {
  if (machine == EM_X86_64) return type == R_X86_64_JUMP_SLOT || type == R_X86_64_GLOB_DAT;
  return type == R_AARCH64_JUMP_SLOT || type == R_AARCH64_GLOB_DAT;
}

void appendSlots(const ElfFile& elf, std::string_view section, std::vector<Slot>* slots) {
  const ElfFile::Section* s = elf.section(section);
  if (s == nullptr || s->type != SHT_RELA) return;
  auto raw = elf.data(*s);
  for (size_t i = 0; i + sizeof(Elf64_Rela) <= raw.size(); i += sizeof(Elf64_Rela)) {
    auto r = readAs<Elf64_Rela>(raw.data() + i);
    if (!isSlotRelocation(elf.machine(), ELF64_R_TYPE(r.r_info))) continue;
    if (slots->size() == kMaxSlots) return;
    slots->emplace_back(r.r_offset, static_cast<uint32_t>(ELF64_R_SYM(r.r_info)));
  }
}

/// Slot that the x86-64 stub at `pc` jumps through: [endbr64] [bnd] jmp *disp32(%rip).
std::optional<uint64_t> slotOfX86Stub(std::span<const uint8_t> code, uint64_t pc) {
  size_t i = 0;
  if (code.size() >= 4 && readAs<uint32_t>(code.data()) == 0xfa1e0ff3) i = 4;
  if (i < code.size() && code[i] == 0xf2) i++;
  if (i + 6 > code.size() || code[i] != 0xff || code[i + 1] != 0x25) return std::nullopt;
  return pc + i + 6 + static_cast<uint64_t>(int64_t{readAs<int32_t>(code.data() + i + 2)});
}

/// The same for arm64: adrp x16, page; ldr x17, [x16, #offset] (an optional bti c before them).
std::optional<uint64_t> slotOfArmStub(std::span<const uint8_t> code, uint64_t pc) {
  size_t i = code.size() >= 4 && readAs<uint32_t>(code.data()) == 0xd503245f ? 4 : 0;
  if (i + 8 > code.size()) return std::nullopt;
  uint32_t adrp = readAs<uint32_t>(code.data() + i);
  uint32_t ldr = readAs<uint32_t>(code.data() + i + 4);
  if ((adrp & 0x9f00001f) != 0x90000010 || (ldr & 0xffc003ff) != 0xf9400211) return std::nullopt;
  uint32_t pages = ((adrp >> 5 & 0x7ffff) << 2) | (adrp >> 29 & 3);
  auto delta = static_cast<int64_t>(static_cast<int32_t>(pages << 11) >> 11) * 4096;
  return ((pc + i) & ~uint64_t{0xfff}) + static_cast<uint64_t>(delta) + (ldr >> 10 & 0xfff) * 8;
}

/// One entry of the symbol table at a time: of a large program, stubs need a small part of it.
std::string nameOfSymbol(const ElfFile& elf, const ElfFile::Section& table, const ElfFile::Section& strings,
                         uint32_t index) {
  const uint64_t at = uint64_t{index} * sizeof(Elf64_Sym);
  if (table.size < sizeof(Elf64_Sym) || at > table.size - sizeof(Elf64_Sym) || table.offset > UINT64_MAX - at) return "";
  const auto raw = elf.bytes(table.offset + at, sizeof(Elf64_Sym));
  if (raw.empty()) return "";
  const auto symbol = readAs<Elf64_Sym>(raw.data());
  if (symbol.st_name >= strings.size || strings.offset > UINT64_MAX - strings.size) return "";
  const uint64_t rest = std::min<uint64_t>(strings.size - symbol.st_name, kMaxNameBytes);
  const auto text = elf.bytes(strings.offset + symbol.st_name, rest);
  const char* name = reinterpret_cast<const char*>(text.data());
  return text.empty() ? "" : std::string(name, strnlen(name, text.size()));
}

}  // namespace

void AppendPltSymbols(const ElfFile& elf, std::vector<RawSymbol>* symbols,
                      std::vector<std::string>* names) {
  const ElfFile::Section* dynsym = elf.section(".dynsym");
  const ElfFile::Section* dynstr = elf.section(".dynstr");
  bool arm = elf.machine() == EM_AARCH64;
  if (dynsym == nullptr || dynstr == nullptr || (!arm && elf.machine() != EM_X86_64)) return;
  std::vector<Slot> slots;
  appendSlots(elf, ".rela.plt", &slots);
  // Tens of megabytes in large programs, and of use only to stubs of slots that are bound at once.
  if (elf.section(".plt.got") != nullptr) appendSlots(elf, ".rela.dyn", &slots);
  if (slots.empty()) return;
  std::sort(slots.begin(), slots.end());

  struct Stub {
    uint64_t start;
    uint64_t size;
    uint64_t limit;
  };
  std::vector<Stub> stubs;
  size_t nameBytes = 0;
  for (const char* section : {".plt", ".plt.sec", ".plt.got"}) {
    const ElfFile::Section* s = elf.section(section);
    if (s == nullptr) continue;
    auto code = elf.data(*s);
    size_t stride = s->entsize == 8 || s->entsize == 16 ? s->entsize : 16;
    for (size_t at = 0; at + stride <= code.size() && nameBytes < kMaxPltNameBytes; at += stride) {
      uint64_t pc = s->addr + at;
      auto window = code.subspan(at, stride);
      auto slot = arm ? slotOfArmStub(window, pc) : slotOfX86Stub(window, pc);
      if (!slot) continue;
      auto found = std::lower_bound(slots.begin(), slots.end(), Slot{*slot, 0});
      if (found == slots.end() || found->first != *slot) continue;
      std::string name = found->second == 0 ? "" : nameOfSymbol(elf, *dynsym, *dynstr, found->second);
      if (name.empty()) continue;
      names->push_back(std::move(name.append("@plt")));
      nameBytes += names->back().size();
      stubs.push_back({pc, stride, s->addr + code.size()});
    }
  }
  // Only now: growing `names` would have moved short strings.
  for (size_t i = 0; i < stubs.size(); i++) {
    symbols->push_back({stubs[i].start, stubs[i].size, stubs[i].limit, (*names)[i], kRankLocal});
  }
}

}  // namespace otelprof
