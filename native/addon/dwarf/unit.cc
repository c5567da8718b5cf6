// SPDX-License-Identifier: Apache-2.0
#include "unit.h"

#include <algorithm>

#include "constants.h"

namespace otelprof {
namespace {

using Kind = DwarfValue::Kind;

constexpr size_t kMaxAbbrevs = 100'000;
constexpr size_t kMaxAttributes = 1'000'000;
constexpr uint64_t kFirstAbbrevBytes = 64 * 1024;  // most tables are far smaller, the section is not
constexpr uint64_t kMaxAbbrevBytes = 16ull << 20;
constexpr size_t kMaxAbbrevTables = 64;
constexpr uint64_t kMaxUnitBytes = 128ull << 20;
constexpr uint64_t kMaxRootBytes = 4096;
constexpr uint64_t kRangeListBytes = 4096;  // enough for nearly all; the section is far larger
constexpr uint64_t kMaxRangeListBytes = 4ull << 20;

}  // namespace

bool AbbrevTable::Parse(std::span<const uint8_t> bytes) {
  ByteReader reader(bytes);
  for (size_t n = 0; n < kMaxAbbrevs; n++) {
    const uint64_t code = reader.Uleb();
    if (!reader.ok()) return false;
    if (code == 0) return true;
    Entry entry;
    entry.tag = static_cast<uint16_t>(std::min<uint64_t>(reader.Uleb(), UINT16_MAX));
    entry.hasChildren = reader.Read<uint8_t>() != 0;
    entry.first = static_cast<uint32_t>(attributes_.size());
    while (true) {
      const uint64_t name = reader.Uleb();
      const uint64_t form = reader.Uleb();
      if (!reader.ok() || attributes_.size() >= kMaxAttributes) return false;
      if (name == 0 && form == 0) break;
      Attribute attribute{static_cast<uint16_t>(std::min<uint64_t>(name, UINT16_MAX)),
                          static_cast<uint16_t>(std::min<uint64_t>(form, UINT16_MAX)), -1};
      if (form == dw::kFormImplicitConst) {
        attribute.implicitIndex = static_cast<int32_t>(constants_.size());
        constants_.push_back(reader.Sleb());
      }
      attributes_.push_back(attribute);
    }
    entry.count = static_cast<uint32_t>(attributes_.size()) - entry.first;
    if (entry.tag == 0) return false;
    if (code == dense_.size() + 1) {
      dense_.push_back(entry);
    } else {
      sparse_.try_emplace(code, entry);
    }
  }
  return false;
}

const AbbrevTable::Entry* AbbrevTable::Find(uint64_t code) const {
  if (code != 0 && code <= dense_.size()) return &dense_[code - 1];
  const auto it = sparse_.find(code);
  return it == sparse_.end() ? nullptr : &it->second;
}

std::shared_ptr<const AbbrevTable> DwarfReader::Abbrevs(uint64_t offset) {
  const auto known = abbrevs_.find(offset);
  if (known != abbrevs_.end()) return known->second;
  const uint64_t size = sections_.Size(DwarfSections::Abbrev);
  if (offset >= size) return nullptr;
  const uint64_t rest = std::min(size - offset, kMaxAbbrevBytes);
  auto table = std::make_shared<AbbrevTable>();
  if (!table->Parse(sections_.Read(DwarfSections::Abbrev, offset, std::min(rest, kFirstAbbrevBytes)))) {
    table = std::make_shared<AbbrevTable>();
    if (rest <= kFirstAbbrevBytes || !table->Parse(sections_.Read(DwarfSections::Abbrev, offset, rest))) table = nullptr;
  }
  if (abbrevs_.size() >= kMaxAbbrevTables) abbrevs_.clear();
  abbrevs_[offset] = table;
  return table;
}

bool DwarfReader::ReadHeader(uint64_t offset, DwarfUnit* unit, uint64_t* next) {
  *next = 0;
  const uint64_t size = sections_.Size(DwarfSections::Info);
  if (offset >= size) return false;
  const auto bytes = sections_.Read(DwarfSections::Info, offset, std::min<uint64_t>(64, size - offset));
  ByteReader reader(bytes);
  *unit = DwarfUnit{};
  unit->offset = offset;
  uint64_t length = reader.Read<uint32_t>();
  if (length == 0xffffffff) {
    unit->dwarf64 = true;
    length = reader.Read<uint64_t>();
  }
  if (!reader.ok() || length > size - offset - reader.position()) return sections_.errors().malformed++, false;
  unit->end = offset + reader.position() + length;
  *next = unit->end;
  const auto word = [&] { return unit->dwarf64 ? reader.Read<uint64_t>() : reader.Read<uint32_t>(); };
  unit->version = reader.Read<uint16_t>();
  if (unit->version < 2 || unit->version > 5) return sections_.errors().malformed++, false;
  uint8_t type = dw::kUnitCompile;
  if (unit->version == 5) {
    type = reader.Read<uint8_t>();
    unit->addressSize = reader.Read<uint8_t>();
    unit->abbrevOffset = word();
    if (type == dw::kUnitSkeleton || type == dw::kUnitSplitCompile) reader.Skip(8);
    if (type == dw::kUnitType || type == dw::kUnitSplitType) reader.Skip(unit->dwarf64 ? 16 : 12);
  } else {
    unit->abbrevOffset = word();
    unit->addressSize = reader.Read<uint8_t>();
  }
  unit->firstDie = offset + reader.position();
  if (!reader.ok() || unit->firstDie > unit->end || (unit->addressSize != 8 && unit->addressSize != 4))
    return sections_.errors().malformed++, false;
  if (unit->end - unit->offset > kMaxUnitBytes) return sections_.errors().overLimit++, false;
  return true;
}

bool DwarfReader::ReadRoot(DwarfUnit* unit) {
  unit->abbrevs = Abbrevs(unit->abbrevOffset);
  const uint64_t length = std::min(unit->end - unit->firstDie, kMaxRootBytes);
  const auto bytes = sections_.Read(DwarfSections::Info, unit->firstDie, length);
  if (!unit->abbrevs || bytes.empty()) return sections_.errors().malformed++, false;
  ByteReader reader(bytes);
  const auto* entry = unit->abbrevs->Find(reader.Uleb());
  if (entry == nullptr) return sections_.errors().malformed++, false;
  unit->tag = entry->tag;
  // What a producer that names no base means: right behind the section's header (DWARF 5, 7.26 to 7.28).
  const uint64_t head = unit->dwarf64 ? 16 : 8;
  unit->strOffsetsBase = unit->addrBase = head;
  unit->rnglistsBase = unit->dwarf64 ? 20 : 12;
  for (const auto& attribute : unit->abbrevs->attributes(*entry)) {
    DwarfValue value;
    const int64_t constant = attribute.implicitIndex < 0 ? 0 : unit->abbrevs->constant(attribute.implicitIndex);
    if (!ReadForm(*unit, unit->firstDie, &reader, attribute.form, constant, &value))
      return sections_.errors().malformed++, false;
    switch (attribute.name) {
      case dw::kAtName: unit->name = value; break;
      case dw::kAtCompDir: unit->compDir = value; break;
      case dw::kAtLanguage: unit->language = value.value; break;
      case dw::kAtStmtList: unit->stmtList = value.value; break;
      case dw::kAtLowPc: unit->low = value; break;
      case dw::kAtHighPc: unit->high = value; break;
      case dw::kAtRanges: unit->ranges = value; break;
      case dw::kAtStrOffsetsBase: unit->strOffsetsBase = value.value; break;
      case dw::kAtAddrBase: unit->addrBase = value.value; break;
      case dw::kAtRnglistsBase: unit->rnglistsBase = value.value; break;
      default: break;
    }
  }
  // Only now: the index form needs the base, which may come later in the DIE.
  unit->lowPc = Address(*unit, unit->low).value_or(0);
  return true;
}

bool DwarfReader::ReadForm(const DwarfUnit& unit, uint64_t readerBase, ByteReader* reader, uint16_t form,
                           int64_t implicitConstant, DwarfValue* out) {
  const auto set = [out](Kind kind, uint64_t value) { *out = {kind, value}; };
  const auto word = [&] { return unit.dwarf64 ? reader->Read<uint64_t>() : uint64_t{reader->Read<uint32_t>()}; };
  const auto u24 = [&] {
    const uint64_t low = reader->Read<uint16_t>();
    return low | uint64_t{reader->Read<uint8_t>()} << 16;
  };
  const auto address = [&] {
    return unit.addressSize == 8 ? reader->Read<uint64_t>() : uint64_t{reader->Read<uint32_t>()};
  };
  if (form == dw::kFormIndirect) {
    form = static_cast<uint16_t>(std::min<uint64_t>(reader->Uleb(), UINT16_MAX));
    // Indirect to indirect would be a loop of the file's choosing; a constant there has nowhere to be.
    if (form == dw::kFormIndirect || form == dw::kFormImplicitConst) return false;
  }
  switch (form) {
    case dw::kFormAddr: set(Kind::Address, address()); break;
    case dw::kFormBlock1: reader->Skip(reader->Read<uint8_t>()), set(Kind::Opaque, 0); break;
    case dw::kFormBlock2: reader->Skip(reader->Read<uint16_t>()), set(Kind::Opaque, 0); break;
    case dw::kFormBlock4: reader->Skip(reader->Read<uint32_t>()), set(Kind::Opaque, 0); break;
    case dw::kFormBlock:
    case dw::kFormExprloc: reader->Skip(reader->Uleb()), set(Kind::Opaque, 0); break;
    case dw::kFormData1:
    case dw::kFormFlag: set(Kind::Constant, reader->Read<uint8_t>()); break;
    case dw::kFormData2: set(Kind::Constant, reader->Read<uint16_t>()); break;
    case dw::kFormData4: set(Kind::Constant, reader->Read<uint32_t>()); break;
    case dw::kFormData8: set(Kind::Constant, reader->Read<uint64_t>()); break;
    case dw::kFormData16: reader->Skip(16), set(Kind::Opaque, 0); break;
    case dw::kFormSdata: set(Kind::Constant, static_cast<uint64_t>(reader->Sleb())); break;
    case dw::kFormUdata: set(Kind::Constant, reader->Uleb()); break;
    case dw::kFormImplicitConst: set(Kind::Constant, static_cast<uint64_t>(implicitConstant)); break;
    case dw::kFormFlagPresent: set(Kind::Constant, 1); break;
    case dw::kFormString:
      set(Kind::InlineText, readerBase + reader->position());
      reader->CString();
      break;
    case dw::kFormStrp: set(Kind::StrOffset, word()); break;
    case dw::kFormLineStrp: set(Kind::LineStrOffset, word()); break;
    case dw::kFormStrx: set(Kind::StrIndex, reader->Uleb()); break;
    case dw::kFormStrx1: set(Kind::StrIndex, reader->Read<uint8_t>()); break;
    case dw::kFormStrx2: set(Kind::StrIndex, reader->Read<uint16_t>()); break;
    case dw::kFormStrx3: set(Kind::StrIndex, u24()); break;
    case dw::kFormStrx4: set(Kind::StrIndex, reader->Read<uint32_t>()); break;
    case dw::kFormAddrx: set(Kind::AddressIndex, reader->Uleb()); break;
    case dw::kFormAddrx1: set(Kind::AddressIndex, reader->Read<uint8_t>()); break;
    case dw::kFormAddrx2: set(Kind::AddressIndex, reader->Read<uint16_t>()); break;
    case dw::kFormAddrx3: set(Kind::AddressIndex, u24()); break;
    case dw::kFormAddrx4: set(Kind::AddressIndex, reader->Read<uint32_t>()); break;
    case dw::kFormRef1: set(Kind::Reference, unit.offset + reader->Read<uint8_t>()); break;
    case dw::kFormRef2: set(Kind::Reference, unit.offset + reader->Read<uint16_t>()); break;
    case dw::kFormRef4: set(Kind::Reference, unit.offset + reader->Read<uint32_t>()); break;
    case dw::kFormRef8: set(Kind::Reference, unit.offset + reader->Read<uint64_t>()); break;
    case dw::kFormRefUdata: set(Kind::Reference, unit.offset + reader->Uleb()); break;
    case dw::kFormRefAddr: set(Kind::Reference, unit.version == 2 ? address() : word()); break;
    case dw::kFormSecOffset: set(Kind::SectionOffset, word()); break;
    case dw::kFormLoclistx: reader->Uleb(), set(Kind::Opaque, 0); break;
    case dw::kFormRnglistx: set(Kind::RangeListIndex, reader->Uleb()); break;
    case dw::kFormRefSig8:
    case dw::kFormRefSup8: reader->Skip(8), set(Kind::Opaque, 0); break;
    case dw::kFormRefSup4: reader->Skip(4), set(Kind::Opaque, 0); break;
    case dw::kFormStrpSup:
    case dw::kFormGnuRefAlt:
    case dw::kFormGnuStrpAlt: word(), set(Kind::Opaque, 0); break;
    default: return false;  // its size is unknown, so all behind it is lost
  }
  return reader->ok();
}

uint64_t DwarfReader::Indexed(DwarfSections::Id id, uint64_t base, uint64_t index, unsigned bytes, bool* ok) {
  *ok = false;
  const uint64_t size = sections_.Size(id);
  if (base > size || index >= (size - base) / bytes) return 0;
  const auto raw = sections_.Read(id, base + index * bytes, bytes);
  if (raw.empty()) return 0;
  *ok = true;
  ByteReader reader(raw);
  return bytes == 8 ? reader.Read<uint64_t>() : reader.Read<uint32_t>();
}

std::string_view DwarfReader::Text(const DwarfUnit& unit, const DwarfValue& value) {
  bool ok = false;
  switch (value.kind) {
    case Kind::InlineText: return sections_.Text(DwarfSections::Info, value.value);
    case Kind::StrOffset: return sections_.Text(DwarfSections::Str, value.value);
    case Kind::LineStrOffset: return sections_.Text(DwarfSections::LineStr, value.value);
    case Kind::StrIndex: {
      const uint64_t offset =
          Indexed(DwarfSections::StrOffsets, unit.strOffsetsBase, value.value, unit.dwarf64 ? 8 : 4, &ok);
      return ok ? sections_.Text(DwarfSections::Str, offset) : std::string_view();
    }
    default: return {};
  }
}

std::optional<uint64_t> DwarfReader::Address(const DwarfUnit& unit, const DwarfValue& value) {
  if (value.kind == Kind::Address) return value.value;
  if (value.kind != Kind::AddressIndex) return std::nullopt;
  bool ok = false;
  const uint64_t address = Indexed(DwarfSections::Addr, unit.addrBase, value.value, unit.addressSize, &ok);
  return ok ? std::optional(address) : std::nullopt;
}

void DwarfReader::Keep(uint64_t low, uint64_t high, std::vector<AddressRange>* out) {
  if (low < high && sections_.IsCode(low) && sections_.IsCode(high - 1)) out->push_back({low, high});
}

void DwarfReader::Ranges(const DwarfUnit& unit, const DwarfValue& low, const DwarfValue& high,
                         const DwarfValue& ranges, std::vector<AddressRange>* out) {
  if (ranges.kind == Kind::RangeListIndex) {
    bool ok = false;
    const uint64_t offset =
        Indexed(DwarfSections::RngLists, unit.rnglistsBase, ranges.value, unit.dwarf64 ? 8 : 4, &ok);
    if (ok && offset <= UINT64_MAX - unit.rnglistsBase) RangeList(unit, unit.rnglistsBase + offset, out);
    return;
  }
  if (ranges.kind == Kind::SectionOffset || ranges.kind == Kind::Constant) return RangeList(unit, ranges.value, out);
  const auto start = Address(unit, low);
  if (!start || high.kind == Kind::None) return;
  if (high.kind == Kind::Constant) {
    if (high.value <= UINT64_MAX - *start) Keep(*start, *start + high.value, out);
  } else if (const auto end = Address(unit, high)) {
    Keep(*start, *end, out);
  }
}

void DwarfReader::RangeList(const DwarfUnit& unit, uint64_t offset, std::vector<AddressRange>* out) {
  const auto id = unit.version >= 5 ? DwarfSections::RngLists : DwarfSections::Ranges;
  const uint64_t size = sections_.Size(id);
  const size_t before = out->size();
  for (const uint64_t limit : {kRangeListBytes, kMaxRangeListBytes}) {
    out->resize(before);
    if (offset >= size) break;
    const auto bytes = sections_.Read(id, offset, std::min(size - offset, limit));
    if (unit.version >= 5 ? RangesV5(unit, bytes, out) : RangesV4(unit, bytes, out)) return;
  }
  sections_.errors().malformed++;
}

bool DwarfReader::RangesV4(const DwarfUnit& unit, std::span<const uint8_t> bytes, std::vector<AddressRange>* out) {
  ByteReader reader(bytes);
  const uint64_t selector = unit.addressSize == 8 ? UINT64_MAX : UINT32_MAX;
  const auto address = [&] {
    return unit.addressSize == 8 ? reader.Read<uint64_t>() : uint64_t{reader.Read<uint32_t>()};
  };
  uint64_t base = unit.lowPc;
  while (true) {
    const uint64_t low = address();
    const uint64_t high = address();
    if (!reader.ok()) return false;
    if (low == 0 && high == 0) return true;
    if (low == selector) {
      base = high;
    } else {
      Keep(base + low, base + high, out);
    }
  }
}

bool DwarfReader::RangesV5(const DwarfUnit& unit, std::span<const uint8_t> bytes, std::vector<AddressRange>* out) {
  ByteReader reader(bytes);
  const auto address = [&] {
    return unit.addressSize == 8 ? reader.Read<uint64_t>() : uint64_t{reader.Read<uint32_t>()};
  };
  const auto indexed = [&] { return Address(unit, {Kind::AddressIndex, reader.Uleb()}).value_or(0); };
  uint64_t base = unit.lowPc;
  while (reader.ok()) {
    uint64_t low = 0, high = 0;
    switch (reader.Read<uint8_t>()) {
      case dw::kRleBaseAddressx: base = indexed(); continue;
      case dw::kRleBaseAddress: base = address(); continue;
      case dw::kRleStartxEndx: low = indexed(), high = indexed(); break;
      case dw::kRleStartxLength: low = indexed(), high = low + reader.Uleb(); break;
      case dw::kRleOffsetPair: low = base + reader.Uleb(), high = base + reader.Uleb(); break;
      case dw::kRleStartEnd: low = address(), high = address(); break;
      case dw::kRleStartLength: low = address(), high = low + reader.Uleb(); break;
      case dw::kRleEndOfList: return reader.ok();
      default: return true;  // an entry of unknown size ends what can be read
    }
    if (reader.ok()) Keep(low, high, out);
  }
  return false;
}

}  // namespace otelprof
