// SPDX-License-Identifier: Apache-2.0
#include "go_pclntab.h"

#include <elf.h>

#include <algorithm>
#include <cstring>
#include <string>
#include <utility>

namespace otelprof {
namespace {

constexpr uint32_t kMagic12 = 0xfffffffb;
constexpr uint32_t kMagic116 = 0xfffffffa;
constexpr uint32_t kMagic118 = 0xfffffff0;
constexpr uint32_t kMagic120 = 0xfffffff1;

constexpr uint32_t kPcdataInlineIndex = 2;   // internal/abi: PCDATA_InlTreeIndex
constexpr uint32_t kFuncdataInlineTree = 3;  // internal/abi: FUNCDATA_InlTree
constexpr size_t kMaxInlineDepth = 64;
// Of one lookup. A function of a million steps would be larger than any the compiler accepts.
constexpr size_t kMaxPcValueSteps = 1u << 20;
constexpr size_t kMaxName = 4096;
constexpr uint64_t kMaxModuledataScan = 64ull << 20;

// Offsets in runtime.moduledata.
constexpr uint64_t kModuleText = 176;    // Go ≥ 1.16
constexpr uint64_t kModuleGofunc118 = 304;
constexpr uint64_t kModuleGofunc120 = 320;

/// runtime.inlinedCall: offsets of the fields used.
struct InlinedCallLayout {
  uint64_t bytes;
  uint64_t name;
  uint64_t parentPc;
  uint64_t startLine;  // 0 = not there
};
constexpr InlinedCallLayout kInlinedCall118 = {20, 12, 16, 0};
constexpr InlinedCallLayout kInlinedCall120 = {16, 4, 8, 12};

template <typename T>
T readAs(const uint8_t* p) {
  T value;
  std::memcpy(&value, p, sizeof value);
  return value;
}

}  // namespace

struct GoPclntab::Impl {
  std::unique_ptr<ElfFile> elf;
  uint64_t fileOffset = 0;  // of the table
  uint64_t size = 0;
  uint32_t magic = 0;
  uint32_t quantum = 1;
  uint64_t functions = 0;
  uint64_t textStart = 0;
  uint64_t gofunc = 0;  // address of go:func.*, 0 if unknown
  uint64_t names = 0, cutab = 0, filetab = 0, pctab = 0, functab = 0;  // offsets in the table
  std::span<const uint8_t> index;  // functab entries and the end sentinel
  size_t entryBytes = 8;

  struct Function {
    uint64_t entry = 0;
    uint64_t end = 0;
    uint64_t at = 0;  // offset of _func in the table
    uint32_t nameOff = 0, pcfile = 0, pcln = 0, npcdata = 0, cuOffset = 0, startLine = 0;
    uint32_t nfuncdata = 0;
    uint64_t tailAt = 0;  // offset of the pcdata array
  };

  std::span<const uint8_t> read(uint64_t offset, uint64_t length) const {
    if (offset > size || length > size - offset) return {};
    return elf->bytes(fileOffset + offset, length);
  }
  std::optional<uint32_t> u32(uint64_t offset) const {
    auto raw = read(offset, 4);
    if (raw.empty()) return std::nullopt;
    return readAs<uint32_t>(raw.data());
  }
  std::string cstring(uint64_t offset) const {
    if (offset >= size) return "";
    auto raw = read(offset, std::min<uint64_t>(kMaxName, size - offset));
    if (raw.empty()) return "";
    const char* text = reinterpret_cast<const char*>(raw.data());
    return ValidUtf8({text, strnlen(text, raw.size())});
  }

  bool parseHeader();
  uint64_t entryOf(uint64_t i) const {
    const uint8_t* p = index.data() + i * entryBytes;
    return entryBytes == 8 ? textStart + readAs<uint32_t>(p) : readAs<uint64_t>(p);
  }
  bool find(uint64_t pc, Function* f) const;
  bool readFunction(Function* f) const;
  /// `steps` counts over all tables of one lookup.
  std::optional<int32_t> pcValue(uint64_t table, uint64_t entry, uint64_t pc, size_t* steps) const;
  void position(const Function& f, uint64_t pc, size_t* steps, ResolvedFrame* frame) const;
  const InlinedCallLayout& inlinedCall() const {
    return magic == kMagic118 ? kInlinedCall118 : kInlinedCall120;
  }
  std::span<const uint8_t> inlineTree(const Function& f, int32_t i) const;
  void findModuledata(const ElfFile& image, uint64_t tableAddress);
  bool acceptModuledata(uint64_t text, uint64_t gofuncAddress);
};

bool GoPclntab::Impl::parseHeader() {
  auto raw = read(0, 8);
  if (raw.empty()) return false;
  magic = readAs<uint32_t>(raw.data());
  quantum = raw[6];
  if (raw[4] != 0 || raw[5] != 0 || raw[7] != 8) return false;
  if (quantum != 1 && quantum != 2 && quantum != 4) return false;
  auto words = read(8, magic == kMagic12 ? 8 : magic == kMagic116 ? 56 : 64);
  if (words.empty()) return false;
  auto word = [&words](size_t i) { return readAs<uint64_t>(words.data() + 8 * i); };
  functions = word(0);
  switch (magic) {
    case kMagic118:
    case kMagic120:
      textStart = word(2);
      names = word(3), cutab = word(4), filetab = word(5), pctab = word(6), functab = word(7);
      entryBytes = 8;
      break;
    case kMagic116:
      names = word(2), cutab = word(3), filetab = word(4), pctab = word(5), functab = word(6);
      entryBytes = 16;
      break;
    case kMagic12:
      functab = 16;
      entryBytes = 16;
      break;
    default:
      return false;
  }
  if (functions == 0 || functions > size / entryBytes) return false;
  index = read(functab, functions * entryBytes + entryBytes / 2);
  if (index.empty()) return false;
  if (magic == kMagic12) {
    auto offset = u32(functab + functions * entryBytes + 8);
    if (!offset) return false;
    filetab = *offset;
  }
  return true;
}

/// Positions in Go ≥ 1.18 are relative to runtime.text; since 1.26 only moduledata tells where that is.
bool GoPclntab::Impl::acceptModuledata(uint64_t text, uint64_t gofuncAddress) {
  if (elf->at(text, 1).empty()) return false;
  if (magic == kMagic118 || magic == kMagic120) textStart = text;
  if (entryBytes == 8 && !elf->at(gofuncAddress, 1).empty()) gofunc = gofuncAddress;
  return true;
}

void GoPclntab::Impl::findModuledata(const ElfFile& image, uint64_t tableAddress) {
  if (magic == kMagic12) return;
  uint64_t gofuncAt = magic == kMagic118 ? kModuleGofunc118 : kModuleGofunc120;
  uint64_t namesAddress = tableAddress + names;
  for (const char* name : {".go.module", ".noptrdata", ".data", ".data.rel.ro"}) {
    const ElfFile::Section* s = image.section(name);
    if (s == nullptr || s->size > kMaxModuledataScan) continue;
    auto raw = image.data(*s);
    for (size_t i = 0; i + gofuncAt + 8 <= raw.size(); i += 8) {
      if (readAs<uint64_t>(raw.data() + i) != tableAddress ||
          readAs<uint64_t>(raw.data() + i + 8) != namesAddress) {
        continue;
      }
      if (acceptModuledata(readAs<uint64_t>(raw.data() + i + kModuleText),
                           readAs<uint64_t>(raw.data() + i + gofuncAt))) {
        return;
      }
    }
  }
  // Position-independent: the pointers are addends of relative relocations, sorted or not.
  for (const char* name : {".rela.dyn", ".rela"}) {
    const ElfFile::Section* s = image.section(name);
    if (s == nullptr || s->size > kMaxModuledataScan) continue;
    auto raw = image.data(*s);
    auto addendAt = [raw](uint64_t address) -> uint64_t {
      for (size_t i = 0; i + sizeof(Elf64_Rela) <= raw.size(); i += sizeof(Elf64_Rela)) {
        auto r = readAs<Elf64_Rela>(raw.data() + i);
        if (r.r_offset == address) return static_cast<uint64_t>(r.r_addend);
      }
      return 0;
    };
    size_t tries = 0;
    for (size_t i = 0; i + sizeof(Elf64_Rela) <= raw.size() && tries < 8; i += sizeof(Elf64_Rela)) {
      auto r = readAs<Elf64_Rela>(raw.data() + i);
      if (static_cast<uint64_t>(r.r_addend) != tableAddress) continue;
      tries++;
      if (addendAt(r.r_offset + 8) != namesAddress) continue;
      if (acceptModuledata(addendAt(r.r_offset + kModuleText), addendAt(r.r_offset + gofuncAt))) {
        return;
      }
    }
  }
}

bool GoPclntab::Impl::find(uint64_t pc, Function* f) const {
  if (pc < entryOf(0) || pc >= entryOf(functions)) return false;
  uint64_t low = 0;
  uint64_t high = functions;  // entryOf(low) <= pc < entryOf(high)
  while (high - low > 1) {
    uint64_t mid = low + (high - low) / 2;
    (entryOf(mid) <= pc ? low : high) = mid;
  }
  f->entry = entryOf(low);
  f->end = entryOf(low + 1);
  const uint8_t* p = index.data() + low * entryBytes;
  f->at = entryBytes == 8 ? readAs<uint32_t>(p + 4) : readAs<uint64_t>(p + 8);
  // Offsets count from the table before 1.16, from functab since.
  if (magic != kMagic12) f->at = f->at > size ? size : f->at + functab;
  return true;
}

bool GoPclntab::Impl::readFunction(Function* f) const {
  uint64_t entrySize = entryBytes == 8 ? 4 : 8;
  bool hasCu = magic != kMagic12;
  bool hasStartLine = magic == kMagic120;
  // entry, nameOff, args, deferreturn, pcsp, pcfile, pcln, npcdata, [cuOffset], [startLine], four bytes
  uint64_t length = entrySize + 4 * (7 + (hasCu ? 1 : 0) + (hasStartLine ? 1 : 0)) + 4;
  auto raw = read(f->at, length);
  if (raw.empty()) return false;
  const uint8_t* p = raw.data() + entrySize;
  f->nameOff = readAs<uint32_t>(p);
  f->pcfile = readAs<uint32_t>(p + 16);
  f->pcln = readAs<uint32_t>(p + 20);
  f->npcdata = readAs<uint32_t>(p + 24);
  if (hasCu) f->cuOffset = readAs<uint32_t>(p + 28);
  if (hasStartLine) f->startLine = readAs<uint32_t>(p + 32);
  f->nfuncdata = raw[length - 1];
  f->tailAt = f->at + length;
  return true;
}

/// Runs a pc-value table: pairs of (zigzag value delta, pc delta), ended by a zero value delta.
std::optional<int32_t> GoPclntab::Impl::pcValue(uint64_t table, uint64_t entry, uint64_t pc, size_t* steps) const {
  if (table == 0) return std::nullopt;
  constexpr uint64_t kWindow = 512;
  uint64_t at = pctab + table;
  if (at < pctab || at >= size) return std::nullopt;
  std::span<const uint8_t> window;
  auto uvarint = [&](uint32_t* value) {
    *value = 0;
    for (int shift = 0; shift < 35; shift += 7) {
      if (window.empty()) {
        if (at >= size) return false;
        window = read(at, std::min(kWindow, size - at));
        if (window.empty()) return false;
      }
      uint8_t b = window[0];
      window = window.subspan(1);
      at++;
      *value |= static_cast<uint32_t>(uint64_t{b & 0x7fu} << shift);
      if ((b & 0x80) == 0) return true;
    }
    return false;
  };
  uint32_t value = UINT32_MAX;  // −1, in arithmetic modulo 2^32 as Go's
  uint64_t current = entry;
  for (bool isFirst = true; *steps < kMaxPcValueSteps; isFirst = false, ++*steps) {
    uint32_t delta;
    uint32_t pcDelta;
    if (!uvarint(&delta) || (delta == 0 && !isFirst) || !uvarint(&pcDelta)) return std::nullopt;
    value += (delta & 1) != 0 ? ~(delta >> 1) : delta >> 1;
    current += uint64_t{pcDelta} * quantum;
    if (pc < current) return static_cast<int32_t>(value);
  }
  return std::nullopt;
}

void GoPclntab::Impl::position(const Function& f, uint64_t pc, size_t* steps, ResolvedFrame* frame) const {
  auto line = pcValue(f.pcln, f.entry, pc, steps);
  if (line && *line > 0) frame->line = static_cast<uint32_t>(*line);
  auto file = pcValue(f.pcfile, f.entry, pc, steps);
  if (!file || *file < 0) return;
  auto number = static_cast<uint64_t>(*file);
  if (magic == kMagic12) {
    auto offset = u32(filetab + 4 * number);
    if (offset && number != 0) frame->file = cstring(*offset);
    return;
  }
  auto offset = u32(cutab + 4 * (f.cuOffset + number));
  if (offset && *offset != UINT32_MAX) frame->file = cstring(filetab + *offset);
}

/// runtime.inlinedCall number `i` of the function, or empty.
std::span<const uint8_t> GoPclntab::Impl::inlineTree(const Function& f, int32_t i) const {
  if (f.nfuncdata <= kFuncdataInlineTree) return {};
  auto offset = u32(f.tailAt + 4 * (uint64_t{f.npcdata} + kFuncdataInlineTree));
  if (!offset || *offset == UINT32_MAX) return {};
  uint64_t bytes = inlinedCall().bytes;
  return elf->at(gofunc + *offset + bytes * static_cast<uint32_t>(i), bytes);
}

GoPclntab::GoPclntab() : impl_(std::make_unique<Impl>()) {}
GoPclntab::~GoPclntab() = default;

std::unique_ptr<GoPclntab> GoPclntab::Load(const ElfFile& image) {
  const ElfFile::Section* section = image.section(".gopclntab");
  if (section == nullptr) section = image.section(".data.rel.ro.gopclntab");
  if (section == nullptr || section->type == SHT_NOBITS || section->size < 16 ||
      (section->flags & SHF_COMPRESSED) != 0 || section->offset > image.sizeBytes() ||
      section->size > image.sizeBytes() - section->offset) {
    return nullptr;
  }
  std::unique_ptr<GoPclntab> table(new GoPclntab());
  Impl& impl = *table->impl_;
  impl.elf = image.reopen();
  if (!impl.elf) return nullptr;
  impl.fileOffset = section->offset;
  impl.size = section->size;
  if (!impl.parseHeader()) return nullptr;
  impl.findModuledata(image, section->addr);
  if (impl.entryBytes == 8 && impl.textStart == 0) {
    const ElfFile::Section* text = image.section(".text");
    if (text == nullptr) return nullptr;
    impl.textStart = text->addr;
  }
  return table;
}

bool GoPclntab::lookup(uint64_t pc, std::vector<ResolvedFrame>* out) const {
  Impl::Function f;
  if (!impl_->find(pc, &f) || !impl_->readFunction(&f)) return false;
  uint64_t at = pc;
  size_t steps = 0;
  if (impl_->gofunc != 0 && f.npcdata > kPcdataInlineIndex && f.npcdata < 64) {
    auto indexTable = impl_->u32(f.tailAt + 4 * kPcdataInlineIndex);
    for (size_t depth = 0; indexTable && depth < kMaxInlineDepth; depth++) {
      auto i = impl_->pcValue(*indexTable, f.entry, at, &steps);
      if (!i || *i < 0) break;
      auto call = impl_->inlineTree(f, *i);
      if (call.empty()) break;
      ResolvedFrame frame;
      const InlinedCallLayout& layout = impl_->inlinedCall();
      frame.name = impl_->cstring(impl_->names + readAs<uint32_t>(call.data() + layout.name));
      if (layout.startLine != 0) frame.startLine = readAs<uint32_t>(call.data() + layout.startLine);
      impl_->position(f, at, &steps, &frame);
      if (frame.name.empty()) break;
      out->push_back(std::move(frame));
      uint64_t parent = f.entry + readAs<uint32_t>(call.data() + layout.parentPc);
      if (parent >= f.end || parent == at) break;
      at = parent;
    }
  }
  ResolvedFrame frame;
  frame.name = impl_->cstring(impl_->names + f.nameOff);
  frame.startLine = f.startLine;
  impl_->position(f, at, &steps, &frame);
  if (frame.name.empty()) {
    out->clear();
    return false;
  }
  out->push_back(std::move(frame));
  return true;
}

bool GoPclntab::range(uint64_t pc, uint64_t* start, uint64_t* size) const {
  Impl::Function f;
  if (!impl_->find(pc, &f)) return false;
  *start = f.entry;
  *size = f.end - f.entry;
  return true;
}

size_t GoPclntab::functionCount() const { return impl_->functions; }
size_t GoPclntab::sizeBytes() const { return impl_->elf->residentBytes(); }

}  // namespace otelprof
