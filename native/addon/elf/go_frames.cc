// SPDX-License-Identifier: Apache-2.0
#include "go_frames.h"

#include <elf.h>

#include <algorithm>
#include <cstring>
#include <string_view>

#include "../symbols/go_pclntab.h"
#include "byte_reader.h"

namespace otelprof {
namespace {

constexpr uint32_t kMagic118 = 0xfffffff0;
constexpr uint32_t kMagic120 = 0xfffffff1;
constexpr uint8_t kTopFrame = 1;  // runtime/symtab.go, abi.FuncFlag
constexpr uint8_t kSpWrite = 2;
// Longer than sigreturn with the padding behind it.
constexpr uint64_t kTrampolineBytes = 64;
constexpr size_t kFunctabEntry = 8;
constexpr size_t kMaxRows = 8u << 20;
// Functions share tables, so that a hostile file could have a long one run for each.
constexpr size_t kMaxSteps = 64u << 20;

struct GoTable {
  std::span<const uint8_t> bytes;
  uint32_t magic = 0;
  uint64_t functions = 0;
  uint64_t textStart = 0;
  uint64_t names = 0;
  uint64_t pctab = 0;
  uint64_t functab = 0;

  template <typename T>
  T At(uint64_t offset) const {
    return offset < bytes.size() ? ByteReader(bytes.subspan(offset)).Read<T>() : T{};
  }
  /// Of the function whose record is at `function`, without the suffix of its calling convention.
  std::string_view Name(uint64_t function) const {
    constexpr size_t kMaxName = 64;
    const uint64_t at = names + At<uint32_t>(function + 4);
    if (names >= bytes.size() || at >= bytes.size()) return {};
    const auto* text = reinterpret_cast<const char*>(bytes.data() + at);
    std::string_view name(text, strnlen(text, std::min<uint64_t>(kMaxName, bytes.size() - at)));
    if (name.ends_with(".abi0")) name.remove_suffix(5);
    return name;
  }
  uint32_t EntryOffset(uint64_t i) const { return At<uint32_t>(functab + i * kFunctabEntry); }
};

bool ReadHeader(const ElfFile& image, GoTable* table) {
  const auto* section = image.section(".gopclntab");
  if (!section) section = image.section(".data.rel.ro.gopclntab");
  if (!section) return false;
  table->bytes = image.data(*section);
  ByteReader in(table->bytes);
  table->magic = in.Read<uint32_t>();
  in.Skip(2);
  const uint8_t minimumInstruction = in.Read<uint8_t>();
  const uint8_t pointerSize = in.Read<uint8_t>();
  if ((table->magic != kMagic118 && table->magic != kMagic120) || minimumInstruction != 1 || pointerSize != 8)
    return false;
  table->functions = in.Read<uint64_t>();
  in.Skip(8);  // number of files
  table->textStart = in.Read<uint64_t>();
  table->names = in.Read<uint64_t>();
  in.Skip(2 * 8);  // compilation units, files
  table->pctab = in.Read<uint64_t>();
  table->functab = in.Read<uint64_t>();
  return in.ok() && table->functab < table->bytes.size() && table->pctab < table->bytes.size() &&
         table->functions > 0 && table->functions < (table->bytes.size() - table->functab) / kFunctabEntry;
}

/// Since 1.26 the header no longer tells where the text begins. The symbolizer's table knows; the first
/// function of .text that it covers is the first of ours.
bool FindTextStart(const ElfFile& image, GoTable* table) {
  constexpr uint64_t kMaxScan = 4u << 20;
  constexpr uint64_t kFunctionAlign = 16;
  const auto* text = image.section(".text");
  const auto names = GoPclntab::Load(image);
  if (!text || !names) return false;
  uint64_t start = 0, size = 0;
  const uint64_t probe = table->EntryOffset(table->functions / 2);
  for (const uint64_t candidate : {table->textStart, text->addr}) {
    if (candidate && names->range(candidate + probe, &start, &size) && start == candidate + probe) {
      table->textStart = candidate;
      return true;
    }
  }
  for (uint64_t at = 0; at < std::min(text->size, kMaxScan); at += kFunctionAlign) {
    if (!names->range(text->addr + at, &start, &size)) continue;
    table->textStart = start - table->EntryOffset(0);
    return names->range(table->textStart + probe, &start, &size) && start == table->textStart + probe;
  }
  return false;
}

void Append(std::vector<op_row>* rows, uint64_t pc, uint32_t rule) {
  if (pc > UINT32_MAX) return;
  const uint32_t pc32 = static_cast<uint32_t>(pc);
  if (!rows->empty() && rows->back().pc == pc32) rows->pop_back();
  if (rows->empty() || (rows->back().rule != rule && rows->back().pc < pc32)) rows->push_back({pc32, rule});
}

uint32_t RuleForDepth(int64_t depth) {
  if (depth < 0 || (depth & 7) || (depth + 8) / 8 > INT16_MAX) return OP_RULE_NONE;
  // A function with a frame has pushed rbp next to its return address.
  return OP_RULE(OP_RULE_SP, (depth + 8) / 8, depth ? 2 : 0);
}

/// One function's table of stack depths: pairs of zig-zag value delta and pc delta, value starting at −1.
void AppendDepths(const GoTable& table, uint32_t pcsp, uint64_t entry, uint64_t end, size_t* steps,
                  std::vector<op_row>* rows) {
  const uint64_t at = table.pctab + pcsp;
  if (pcsp == 0 || at >= table.bytes.size()) return Append(rows, entry, OP_RULE_NONE);
  ByteReader in(table.bytes.subspan(at));
  int64_t depth = -1;
  uint64_t pc = entry;
  for (; in.ok() && pc < end && *steps < kMaxSteps; (*steps)++) {
    const uint32_t delta = static_cast<uint32_t>(in.Uleb());
    if (delta == 0 && pc != entry) break;
    depth += static_cast<int32_t>((delta >> 1) ^ (~(delta & 1) + 1));
    const uint64_t length = in.Uleb();
    if (!in.ok() || length == 0 || length > end - pc) break;
    Append(rows, pc, RuleForDepth(depth));
    pc += length;
  }
  if (pc < end) Append(rows, pc, OP_RULE_NONE);
}

}  // namespace

std::vector<op_row> CompileGoRows(const ElfFile& image) {
  std::vector<op_row> rows;
  GoTable table;
  if (image.machine() != EM_X86_64 || !ReadHeader(image, &table) || !FindTextStart(image, &table)) return rows;
  const uint64_t flagOffset = table.magic == kMagic120 ? 41 : 37;
  uint64_t end = 0;
  size_t steps = 0;
  for (uint64_t i = 0; i < table.functions && rows.size() < kMaxRows && steps < kMaxSteps; i++) {
    const uint64_t function = table.functab + table.At<uint32_t>(table.functab + i * kFunctabEntry + 4);
    const uint64_t entry = table.textStart + table.EntryOffset(i);
    end = table.textStart + table.EntryOffset(i + 1);
    if (end <= entry) continue;
    const uint8_t flags = table.At<uint8_t>(function + flagOffset);
    const std::string_view name = flags || end - entry <= kTrampolineBytes ? table.Name(function) : std::string_view();
    if (name == "runtime.sigreturn__sigaction" || name == "runtime.sigreturn")
      // The handler returns to its first byte, and a return address is looked up one byte before.
      Append(&rows, entry - 1, OP_RULE(OP_RULE_SIGNAL, 0, 0));
    else if (flags & kTopFrame && name != "runtime.sigtramp")
      Append(&rows, entry, OP_RULE(OP_RULE_END, 0, 0));
    else if (flags & kSpWrite)
      Append(&rows, entry, OP_RULE_NONE);
    else
      AppendDepths(table, table.At<uint32_t>(function + 16), entry, end, &steps, &rows);
  }
  Append(&rows, end, OP_RULE_NONE);
  return rows;
}

std::vector<op_row> OverlayRows(const std::vector<op_row>& base, const std::vector<op_row>& overlay) {
  if (overlay.empty()) return base;
  const auto byPc = [](const op_row& row, uint32_t pc) { return row.pc < pc; };
  const auto from = std::lower_bound(base.begin(), base.end(), overlay.front().pc, byPc);
  const auto to = std::lower_bound(base.begin(), base.end(), overlay.back().pc, byPc);
  std::vector<op_row> out(base.begin(), from);
  out.insert(out.end(), overlay.begin(), overlay.end());
  // The overlay's last row says "nothing from here"; what held in the base at that address holds again.
  if (to != base.begin() && (to == base.end() || to->pc != overlay.back().pc) && std::prev(to) >= from)
    out.back().rule = std::prev(to)->rule;
  else if (to != base.end() && to->pc == overlay.back().pc)
    out.pop_back();
  out.insert(out.end(), to, base.end());
  return out;
}

}  // namespace otelprof
