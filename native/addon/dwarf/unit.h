// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "../elf/byte_reader.h"
#include "sections.h"

namespace otelprof {

/// An attribute's value as its form gives it, not yet looked up anywhere.
struct DwarfValue {
  enum class Kind : uint8_t {
    None,
    Address,
    AddressIndex,
    Constant,
    InlineText,  // value: offset in .debug_info
    StrOffset,
    LineStrOffset,
    StrIndex,
    Reference,  // value: offset in .debug_info
    SectionOffset,
    RangeListIndex,
    Opaque,  // blocks, signatures, references to other files
  };
  Kind kind = Kind::None;
  uint64_t value = 0;
};

/// One .debug_abbrev table.
class AbbrevTable {
 public:
  struct Attribute {
    uint16_t name;
    uint16_t form;
    int32_t implicitIndex;  // into the table's constants; −1 = none
  };
  struct Entry {
    uint16_t tag = 0;  // 0 = no such code
    bool hasChildren = false;
    uint32_t first = 0;  // attributes
    uint32_t count = 0;
  };

  /// False if the bytes end early or counts exceed the limits.
  bool Parse(std::span<const uint8_t> bytes);
  const Entry* Find(uint64_t code) const;
  std::span<const Attribute> attributes(const Entry& entry) const {
    return std::span(attributes_).subspan(entry.first, entry.count);
  }
  int64_t constant(int32_t index) const { return constants_[static_cast<size_t>(index)]; }

 private:
  std::vector<Entry> dense_;  // by code, as compilers number them
  std::map<uint64_t, Entry> sparse_;
  std::vector<Attribute> attributes_;
  std::vector<int64_t> constants_;
};

/// A unit of .debug_info: its header and what its root DIE says about all others.
struct DwarfUnit {
  uint64_t offset = 0;  // of the header in .debug_info
  uint64_t end = 0;
  uint64_t firstDie = 0;
  uint16_t version = 0;
  uint8_t addressSize = 8;
  bool dwarf64 = false;
  uint64_t abbrevOffset = 0;
  std::shared_ptr<const AbbrevTable> abbrevs;

  uint16_t tag = 0;  // of the root DIE
  uint64_t language = 0;
  uint64_t strOffsetsBase = 0;
  uint64_t addrBase = 0;
  uint64_t rnglistsBase = 0;
  std::optional<uint64_t> stmtList;
  uint64_t lowPc = 0;
  DwarfValue name, compDir, low, high, ranges;
};

struct AddressRange {
  uint64_t low;
  uint64_t high;  // exclusive
};

/// Reads units, DIE attributes and what they point to. Keeps abbreviation tables between calls.
class DwarfReader {
 public:
  explicit DwarfReader(DwarfSections* sections) : sections_(*sections) {}

  /// Only the header: false if there is no unit at `offset` that we read; *next is where to go on then
  /// and always, or 0 if that is unknown.
  bool ReadHeader(uint64_t offset, DwarfUnit* unit, uint64_t* next);
  /// The attributes of the root DIE; needs a unit from ReadHeader.
  bool ReadRoot(DwarfUnit* unit);

  /// Moves `reader` behind one attribute.
  static bool ReadForm(const DwarfUnit& unit, uint64_t readerBase, ByteReader* reader, uint16_t form,
                       int64_t implicitConstant, DwarfValue* out);

  std::string_view Text(const DwarfUnit& unit, const DwarfValue& value);
  std::optional<uint64_t> Address(const DwarfUnit& unit, const DwarfValue& value);
  /// Appends the code ranges of a DIE: DW_AT_ranges, or low and high. Empty and dead ones are left out.
  void Ranges(const DwarfUnit& unit, const DwarfValue& low, const DwarfValue& high, const DwarfValue& ranges,
              std::vector<AddressRange>* out);

  DwarfSections& sections() { return sections_; }

 private:
  std::shared_ptr<const AbbrevTable> Abbrevs(uint64_t offset);
  uint64_t Indexed(DwarfSections::Id id, uint64_t base, uint64_t index, unsigned bytes, bool* ok);
  void RangeList(const DwarfUnit& unit, uint64_t offset, std::vector<AddressRange>* out);
  /// False if the bytes end before the list does.
  bool RangesV4(const DwarfUnit& unit, std::span<const uint8_t> bytes, std::vector<AddressRange>* out);
  bool RangesV5(const DwarfUnit& unit, std::span<const uint8_t> bytes, std::vector<AddressRange>* out);
  void Keep(uint64_t low, uint64_t high, std::vector<AddressRange>* out);

  DwarfSections& sections_;
  std::map<uint64_t, std::shared_ptr<const AbbrevTable>> abbrevs_;
};

}  // namespace otelprof
