// SPDX-License-Identifier: Apache-2.0
#include "eh_frame.h"

#include <elf.h>

#include <algorithm>
#include <cstring>
#include <unordered_map>

#include "aarch64_frames.h"
#include "byte_reader.h"
#include "cfi_program.h"
#include "go_frames.h"
#include "unpack.h"

namespace otelprof {
namespace {

constexpr size_t kMaxFdes = 4u << 20;
constexpr size_t kMaxRows = 16u << 20;
// The largest functions known are eval loops of 200 KB.
constexpr uint64_t kMaxSplitBytes = 1u << 20;
constexpr size_t kMaxSplitParts = 16;
constexpr uint64_t kMaxUnpackedBytes = 64u << 20;
// Real ones have up to some dozen. CIEs may overlap, so that this bounds the work of a hostile file.
constexpr size_t kMaxCieBytes = 512;

// Pointer encodings (LSB, exception frames).
constexpr uint8_t kOmit = 0xff;
constexpr uint8_t kPcRelative = 0x10;
constexpr uint8_t kDataRelative = 0x30;
constexpr uint8_t kIndirect = 0x80;

struct Fde {
  uint64_t start;
  uint64_t end;
  const Cie* cie;
  std::span<const uint8_t> instructions;
};

/// One section of call frame information and where it is mapped.
struct FrameSection {
  std::span<const uint8_t> bytes;
  uint64_t va = 0;
  uint64_t gotVa = 0;  // base of data-relative pointers
  bool debugFrame = false;
  Machine machine = Machine::X86_64;
};

class SectionParser {
 public:
  SectionParser(const FrameSection& section, EhFrameStats* stats) : section_(section), stats_(stats) {}

  /// `take` gets each Fde.
  template <typename F>
  void Collect(F take);

 private:
  bool ReadPointer(ByteReader& in, uint8_t encoding, size_t base, uint64_t* out) const;
  const Cie* CieAt(uint64_t offset);
  Cie ParseCie(uint64_t offset) const;
  template <typename F>
  bool ParseFde(ByteReader body, size_t bodyOffset, const Cie& cie, F& take) const;

  const FrameSection& section_;
  EhFrameStats* stats_;
  std::unordered_map<uint64_t, std::unique_ptr<Cie>> cies_;
};

/// `base` is the section offset of the reader's first byte.
bool SectionParser::ReadPointer(ByteReader& in, uint8_t encoding, size_t base, uint64_t* out) const {
  if (encoding == kOmit || (encoding & kIndirect)) return false;
  const uint64_t here = section_.va + base + in.position();
  uint64_t value = 0;
  switch (encoding & 0x0f) {
    case 0x00:
    case 0x04:
    case 0x0c:
      value = in.Read<uint64_t>();
      break;
    case 0x01:
      value = in.Uleb();
      break;
    case 0x02:
      value = in.Read<uint16_t>();
      break;
    case 0x03:
      value = in.Read<uint32_t>();
      break;
    case 0x09:
      value = static_cast<uint64_t>(in.Sleb());
      break;
    case 0x0a:
      value = static_cast<uint64_t>(int64_t{in.Read<int16_t>()});
      break;
    case 0x0b:
      value = static_cast<uint64_t>(int64_t{in.Read<int32_t>()});
      break;
    default:
      return false;
  }
  switch (encoding & 0x70) {
    case 0:
      break;
    case kPcRelative:
      value += here;
      break;
    case kDataRelative:
      value += section_.gotVa;
      break;
    default:
      return false;
  }
  *out = value;
  return in.ok();
}

/// Length and id of the entry at the reader; the reader then stands behind the id.
struct EntryHead {
  uint64_t length = 0;  // of what follows the length field
  uint64_t id = 0;
  size_t idOffset = 0;
  size_t idSize = 4;
};

bool ReadHead(ByteReader& in, EntryHead* head) {
  head->length = in.Read<uint32_t>();
  head->idSize = 4;
  if (head->length == 0xffffffff) {
    head->length = in.Read<uint64_t>();
    head->idSize = 8;
  }
  if (head->length == 0) return in.ok();
  head->idOffset = in.position();
  if (!in.ok() || head->length > in.remaining() || head->length < head->idSize) return false;
  head->id = head->idSize == 8 ? in.Read<uint64_t>() : in.Read<uint32_t>();
  return in.ok();
}

Cie SectionParser::ParseCie(uint64_t offset) const {
  Cie cie;
  cie.machine = section_.machine;
  if (offset >= section_.bytes.size()) return cie;
  ByteReader outer(section_.bytes.subspan(offset));
  EntryHead head;
  if (!ReadHead(outer, &head) || head.length == 0) return cie;
  const uint64_t cieId = !section_.debugFrame ? 0 : head.idSize == 8 ? UINT64_MAX : UINT32_MAX;
  if (head.id != cieId) return cie;
  const size_t base = offset + outer.position();
  ByteReader in(outer.Take(head.length - head.idSize));

  const uint8_t version = in.Read<uint8_t>();
  if (version != 1 && version != 3 && version != 4) return cie;
  const std::string_view augmentation = in.CString();
  if (version == 4) {
    if (in.Read<uint8_t>() != 8 || in.Read<uint8_t>() != 0) return cie;  // address size, segment size
  }
  cie.codeAlign = in.Uleb();
  cie.dataAlign = in.Sleb();
  cie.returnRegister = version == 1 ? in.Read<uint8_t>() : in.Uleb();
  if (!augmentation.empty() && augmentation[0] == 'z') {
    cie.hasAugmentationData = true;
    const uint64_t size = in.Uleb();
    const size_t dataBase = base + in.position();
    ByteReader data(in.Take(size));
    for (const char letter : augmentation.substr(1)) {
      uint64_t personality = 0;
      if (letter == 'R') {
        cie.pointerEncoding = data.Read<uint8_t>();
      } else if (letter == 'L') {
        data.Read<uint8_t>();
      } else if (letter == 'P') {
        const uint8_t encoding = data.Read<uint8_t>() & static_cast<uint8_t>(~kIndirect);
        if (!ReadPointer(data, encoding, dataBase, &personality)) return cie;
      } else if (letter == 'S') {
        cie.signalFrame = true;
      } else if (letter != 'B' && letter != 'G') {  // aarch64: how return addresses and memory are tagged
        break;  // unknown letters end what can be read; the instructions are still found by size
      }
    }
    if (!data.ok()) return cie;
  } else if (!augmentation.empty()) {
    return cie;
  }
  const auto instructions = in.Take(in.remaining());
  cie.valid = in.ok() && instructions.size() <= kMaxCieBytes && RunCieProgram(instructions, &cie);
  return cie;
}

const Cie* SectionParser::CieAt(uint64_t offset) {
  auto& slot = cies_[offset];
  if (!slot) {
    slot = std::make_unique<Cie>(ParseCie(offset));
    if (!slot->valid && stats_) stats_->badEntries++;
  }
  return slot->valid ? slot.get() : nullptr;
}

template <typename F>
bool SectionParser::ParseFde(ByteReader body, size_t bodyOffset, const Cie& cie, F& take) const {
  uint64_t start = 0;
  uint64_t size = 0;
  if (!ReadPointer(body, cie.pointerEncoding, bodyOffset, &start)) return false;
  if (!ReadPointer(body, cie.pointerEncoding & 0x0f, bodyOffset, &size)) return false;
  if (cie.hasAugmentationData) body.Skip(body.Uleb());
  if (!body.ok()) return false;
  uint64_t end = 0;
  // Linkers leave FDEs of discarded functions behind, with start 0.
  if (size == 0 || start == 0 || __builtin_add_overflow(start, size, &end)) return true;
  take(Fde{start, end, &cie, body.Take(body.remaining())});
  return true;
}

template <typename F>
void SectionParser::Collect(F take) {
  ByteReader in(section_.bytes);
  for (size_t entries = 0; !in.done() && entries < kMaxFdes; entries++) {
    EntryHead head;
    if (!ReadHead(in, &head)) {
      if (stats_) stats_->badEntries++;
      return;
    }
    if (head.length == 0) continue;  // terminator of one input file's contribution
    const size_t bodyOffset = in.position();
    const auto body = in.Take(head.length - head.idSize);
    const uint64_t cieId = !section_.debugFrame ? 0 : head.idSize == 8 ? UINT64_MAX : UINT32_MAX;
    if (head.id == cieId) continue;
    if (!section_.debugFrame && head.id > head.idOffset) {
      if (stats_) stats_->badEntries++;
      continue;
    }
    const uint64_t cieOffset = section_.debugFrame ? head.id : head.idOffset - head.id;
    const Cie* cie = CieAt(cieOffset);
    if (cie && !ParseFde(ByteReader(body), bodyOffset, *cie, take) && stats_) stats_->badEntries++;
  }
}

/// .eh_frame by name, or through PT_GNU_EH_FRAME for files without section headers.
FrameSection FindEhFrame(const ElfFile& image) {
  FrameSection out;
  if (const auto* got = image.section(".got")) out.gotVa = got->addr;
  if (const auto* section = image.section(".eh_frame")) {
    out.bytes = image.data(*section);
    out.va = section->addr;
    if (!out.bytes.empty()) return out;
  }
  for (const auto& segment : image.segments()) {
    if (segment.type != PT_GNU_EH_FRAME) continue;
    ByteReader header(image.at(segment.vaddr, std::min<uint64_t>(segment.filesz, 16)));
    if (header.Read<uint8_t>() != 1 || header.Read<uint8_t>() != 0x1b) return out;  // version 1, pcrel sdata4
    header.Skip(2);
    const uint64_t va = segment.vaddr + 4 + static_cast<uint64_t>(int64_t{header.Read<int32_t>()});
    if (!header.ok()) return out;
    for (const auto& load : image.segments()) {
      if (load.type != PT_LOAD || va < load.vaddr || va >= load.vaddr + load.filesz) continue;
      out.bytes = image.at(va, load.vaddr + load.filesz - va);
      out.va = va;
    }
  }
  return out;
}

/// .debug_frame; a packed one is unpacked into `unpacked`.
FrameSection FindDebugFrame(const ElfFile& image, std::vector<uint8_t>* unpacked, EhFrameStats* stats) {
  FrameSection out;
  out.debugFrame = true;
  const auto* section = image.section(".debug_frame");
  if (!section) section = image.section(".zdebug_frame");
  if (!section) return out;
  const Packing packing = PackingOf(image, *section);
  if (packing.kind == Packing::Kind::None) {
    out.bytes = image.data(*section);
  } else if (Unpack(packing, image.bytes(section->offset, section->size), kMaxUnpackedBytes, unpacked) ==
             UnpackOutcome::Done) {
    out.bytes = *unpacked;
  } else if (stats) {
    stats->badEntries++;
  }
  return out;
}

/// Rows in address order; what no FDE covers becomes an OP_RULE_NONE row. Of overlapping FDEs the one
/// that starts first keeps its range.
void EmitRows(std::vector<Fde>& fdes, std::vector<op_row>* rows, EhFrameStats* stats) {
  std::stable_sort(fdes.begin(), fdes.end(), [](const Fde& a, const Fde& b) { return a.start < b.start; });
  size_t unsupported = 0;
  uint64_t coveredTo = 0;
  for (size_t i = 0; i < fdes.size(); i++) {
    const Fde& fde = fdes[i];
    if (fde.end <= coveredTo) continue;
    if (fde.end > UINT32_MAX || rows->size() >= kMaxRows) {
      if (stats) stats->droppedRows++;
      continue;
    }
    if (fde.start < coveredTo) continue;
    if (coveredTo && fde.start > coveredTo && rows->back().rule != OP_RULE_NONE)
      rows->push_back({static_cast<uint32_t>(coveredTo), OP_RULE_NONE});
    const bool ok = RunCfiProgram(*fde.cie, fde.instructions, fde.start, fde.end, {rows, &unsupported});
    if (!ok && stats) stats->badEntries++;
    if (rows->empty()) continue;
    coveredTo = fde.end;
    // Inside sigreturn the next instruction is the one behind the system call, with which the function ends.
    const bool isLast = i + 1 == fdes.size() || fdes[i + 1].start > fde.end;
    if (fde.cie->signalFrame && isLast) coveredTo++;
  }
  if (coveredTo && rows->back().rule != OP_RULE_NONE)
    rows->push_back({static_cast<uint32_t>(coveredTo), OP_RULE_NONE});
  if (stats) {
    stats->fdes += fdes.size();
    stats->rows = rows->size();
    stats->unsupportedRows += unsupported;
  }
}

/// Targets outside of it of the relative jumps in `code`, ascending. Any byte may look like a jump: some are none.
std::vector<uint64_t> JumpTargets(std::span<const uint8_t> code, CodeRange function) {
  std::vector<uint64_t> out;
  for (size_t i = 0; i + 5 <= code.size(); i++) {
    const bool isConditional = i > 0 && code[i - 1] == 0x0f && (code[i] & 0xf0) == 0x80;
    if (code[i] != 0xe9 && !isConditional) continue;
    int32_t distance;
    std::memcpy(&distance, code.data() + i + 1, sizeof(distance));
    const uint64_t target = function.start + i + 5 + static_cast<uint64_t>(int64_t{distance});
    if (target < function.start || target >= function.end) out.push_back(target);
  }
  std::sort(out.begin(), out.end());
  return out;
}

/// True if the range cannot begin with a call: behind one the return address is on top of the stack.
bool BeginsInsideFunction(const Fde& fde) {
  std::vector<op_row> rows;
  size_t unsupported = 0;
  if (fde.end > UINT32_MAX || !RunCfiProgram(*fde.cie, fde.instructions, fde.start, fde.end, {&rows, &unsupported}))
    return false;
  if (rows.empty() || rows.front().pc != fde.start) return false;
  for (const op_row& row : rows)
    if (OP_RULE_KIND(row.rule) == OP_RULE_PLT) return false;
  const uint32_t rule = rows.front().rule;
  return OP_RULE_KIND(rule) == OP_RULE_FP || (OP_RULE_KIND(rule) == OP_RULE_SP && rule >> 16 > 1);
}

}  // namespace

std::vector<CodeRange> FindSplitParts(const ElfFile& image, CodeRange function) {
  std::vector<CodeRange> parts;
  if (image.machine() != EM_X86_64 || function.end <= function.start || function.end - function.start > kMaxSplitBytes)
    return parts;
  const FrameSection section = FindEhFrame(image);
  SectionParser parser(section, nullptr);
  std::vector<Fde> fdes;
  parser.Collect([&](const Fde& fde) { fdes.push_back(fde); });
  const auto targets = JumpTargets(image.at(function.start, function.end - function.start), function);
  for (size_t i = 0; i < fdes.size() && parts.size() < kMaxSplitParts; i++) {
    const Fde& fde = fdes[i];
    if (fde.start < function.end && fde.end > function.start) continue;
    const auto from = std::lower_bound(targets.begin(), targets.end(), fde.start);
    const auto jumps = std::lower_bound(from, targets.end(), fde.end) - from;
    // The compiler writes the parts of a function one behind the other; elsewhere one jump may be none.
    const bool isNext = i > 0 && fdes[i - 1].start == function.start;
    if (jumps >= (isNext ? 1 : 2) && fde.end - fde.start <= kMaxSplitBytes && BeginsInsideFunction(fde))
      parts.push_back({fde.start, fde.end});
  }
  return parts;
}

std::vector<op_row> CompileEhFrameRows(const ElfFile& image, EhFrameStats* stats) {
  std::vector<op_row> rows;
  if (image.machine() != EM_X86_64 && image.machine() != EM_AARCH64) return rows;
  FrameSection ehFrame = FindEhFrame(image);
  std::vector<uint8_t> unpacked;
  FrameSection debugFrame = FindDebugFrame(image, &unpacked, stats);
  ehFrame.machine = debugFrame.machine = image.machine() == EM_AARCH64 ? Machine::Aarch64 : Machine::X86_64;
  SectionParser ehParser(ehFrame, stats);
  SectionParser debugParser(debugFrame, stats);
  std::vector<Fde> fdes;
  const auto keep = [&fdes](const Fde& fde) { fdes.push_back(fde); };
  ehParser.Collect(keep);
  debugParser.Collect(keep);
  EmitRows(fdes, &rows, stats);
  return rows;
}

void ForEachFunction(const ElfFile& image, const std::function<void(uint64_t start, uint64_t end)>& take) {
  if (image.section(".eh_frame") == nullptr) return;
  const FrameSection section = FindEhFrame(image);
  SectionParser(section, nullptr).Collect([&](const Fde& fde) { take(fde.start, fde.end); });
}

UnwindTable CompileUnwindTable(const ElfFile& image, EhFrameStats* stats) {
  size_t dropped = 0;
  std::vector<op_row> rows = OverlayRows(CompileEhFrameRows(image, stats), CompileGoRows(image));
  rows = OverlayRows(rows, CompileAarch64PltRows(image));
  rows = OverlayRows(rows, CompileAarch64SignalRows(image));
  UnwindTable table = IndexRows(rows, &dropped);
  if (stats) stats->droppedRows += dropped;
  return table;
}

}  // namespace otelprof
