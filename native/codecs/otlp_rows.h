// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <bit>

#include "otlp.h"
#include "otlp_wire.h"

namespace otelcodecs::otlp {

// The rows of the dictionary and the samples: read here once, for the scans (with the rows of each table as
// limits, and Counters for the lists) and for the fills (with kAnyRow and Writers). A field given twice counts as
// given last, and every occurrence is checked.

/// More rows than a non-negative int32 can name.
constexpr uint32_t kAnyRow = uint32_t{1} << 31;

/// Rows that an index may name, by TableField.
struct Limits {
  uint32_t rows[kTableFields];
};

constexpr Limits kNoLimits = {{kAnyRow, kAnyRow, kAnyRow, kAnyRow, kAnyRow, kAnyRow, kAnyRow, kAnyRow}};

/// Where lists go: counted only, or written as long as there is room.
struct Counter {
  uint64_t count = 0;

  bool Add(uint64_t) {
    count++;
    return true;
  }
  bool AddFour(uint64_t) {
    count += 4;
    return true;
  }
  bool AddFixed64s(const uint8_t*, size_t size) {
    count += size / 8;
    return true;
  }
};

template <typename T>
class Writer {
 public:
  explicit Writer(std::span<T> out) : begin_(out.data()), at_(begin_), end_(begin_ + out.size()) {}

  bool Add(uint64_t value) {
    if (at_ == end_) return false;
    *at_++ = static_cast<T>(value);
    return true;
  }
  /// Four values of 16 bits, the first one lowest.
  bool AddFour(uint64_t values) {
    if (end_ - at_ < 4) return false;
    for (int i = 0; i < 4; i++) at_[i] = static_cast<T>(values >> (16 * i) & 0xffff);
    at_ += 4;
    return true;
  }
  bool AddFixed64s(const uint8_t* bytes, size_t size) {
    if (static_cast<size_t>(end_ - at_) < size / 8) return false;
    for (size_t i = 0; i < size; i += 8) *at_++ = static_cast<T>(Load64(bytes + i));
    return true;
  }
  uint32_t written() const { return static_cast<uint32_t>(at_ - begin_); }
  bool IsFull() const { return at_ == end_; }

 private:
  T* begin_;
  T* at_;
  T* end_;
};

/// An int32 index; negative ones are over any limit.
OTLP_INLINE bool ReadRow(Cursor& c, uint32_t limit, uint32_t* row) {
  uint64_t value;
  if (!ReadVarint(c, &value) || value >= limit) return false;
  *row = static_cast<uint32_t>(value);
  return true;
}

template <typename Into>
OTLP_INLINE bool AddRow(Cursor& c, uint32_t limit, Into& into) {
  uint32_t row;
  return ReadRow(c, limit, &row) && into.Add(row);
}

/// The whole rows in the block at `list.at`, up to one that has more bytes than any table needs.
template <typename Into>
OTLP_INLINE bool AddBlockOfRows(Cursor& list, uint32_t limit, Into& into) {
  const uint8_t* block = list.at;
  for (uint32_t ends = EndsInBlock(block); ends != 0; ends &= ends - 1) {
    const uint8_t* end = block + std::countr_zero(ends) + 1;
    const auto bits = static_cast<uint32_t>(end - list.at) * 8;
    if (bits > 32) return true;
    const uint32_t row = Join7Bits(Load32(list.at) & (UINT32_MAX >> (32 - bits)));
    if (row >= limit || !into.Add(row)) return false;
    list.at = end;
  }
  return true;
}

/// All rows of a packed list. In tables of usual size most rows have two bytes: four of them at once. Else how
/// many bytes a row has cannot be foreseen, so where rows end is found without branches, for a block of them.
template <typename Into>
bool AddAllRows(Cursor list, uint32_t limit, Into& into) {
  constexpr uint64_t kPairs = 0x0080'0080'0080'0080, kOnes = 0x0001'0001'0001'0001;
  constexpr uint32_t kPairLimit = 1 << 14;
  const uint64_t toHighBit = kOnes * (0x8000 - std::min(limit, kPairLimit));
  Into added = into;
  while (list.at < list.end) {
    const uint64_t word = list.left() >= 8 ? Load64(list.at) : 0;
    if ((word & kHighBits) == kPairs) {
      const uint64_t rows = (word & 0x7f * kOnes) | (word & 0x7f00 * kOnes) >> 1;
      if (((rows + toHighBit) & 0x8000 * kOnes) != 0 || !added.AddFour(rows)) return false;
      list.at += 8;
      continue;
    }
    if (list.left() >= kBlock + sizeof(uint32_t) && !AddBlockOfRows(list, limit, added)) return false;
    if (!AddRow(list, limit, added)) return false;
  }
  into = added;
  return true;
}

template <typename Into>
OTLP_INLINE bool AddPackedRows(Cursor& c, uint32_t limit, Into& into) {
  Cursor list;
  return Enter(c, &list) && AddAllRows(list, limit, into);
}

template <typename Into>
OTLP_INLINE bool AddVarint(Cursor& c, Into& into) {
  uint64_t value;
  return ReadVarint(c, &value) && into.Add(value);
}

template <typename Into>
bool AddAllVarints(Cursor list, Into& into) {
  Into added = into;
  while (list.at < list.end)
    if (!AddVarint(list, added)) return false;
  into = added;
  return true;
}

template <typename Into>
OTLP_INLINE bool AddPackedVarints(Cursor& c, Into& into) {
  Cursor list;
  return Enter(c, &list) && AddAllVarints(list, into);
}

template <typename Into>
OTLP_INLINE bool AddFixed64(Cursor& c, Into& into) {
  const uint8_t* at = c.at;
  return Skip(c, I64(0)) && into.AddFixed64s(at, 8);
}

template <typename Into>
OTLP_INLINE bool AddPackedFixed64s(Cursor& c, Into& into) {
  Cursor list;
  return Enter(c, &list) && list.left() % 8 == 0 && into.AddFixed64s(list.at, list.left());
}

/// A 64-bit number, and whether any of its occurrences is not zero.
struct Number {
  uint64_t value = 0;
  bool isSet = false;
};

OTLP_INLINE bool ReadNumber(Cursor& c, Number* number) {
  if (!ReadVarint(c, &number->value)) return false;
  number->isSet |= number->value != 0;
  return true;
}

/// Bytes that are `size` long or none.
OTLP_INLINE bool ReadId(Cursor& c, size_t size, Cursor* id) {
  return Enter(c, id) && (id->left() == size || id->left() == 0);
}

struct FunctionRow {
  uint32_t name = 0;
  uint32_t systemName = 0;
  uint32_t filename = 0;
  Number startLine;
};

inline bool ReadFunction(Cursor message, const Limits& limits, FunctionRow* row) {
  const uint32_t strings = limits.rows[kStrings];
  return EachField(message, [&](Cursor& c, uint32_t tag) {
    switch (tag) {
      case Varint(1): return ReadRow(c, strings, &row->name);
      case Varint(2): return ReadRow(c, strings, &row->systemName);
      case Varint(3): return ReadRow(c, strings, &row->filename);
      case Varint(4): return ReadNumber(c, &row->startLine);
      default: return SkipUnknown(c, tag, 4);
    }
  });
}

struct MappingRow {
  uint64_t memoryStart = 0;
  uint64_t memoryLimit = 0;
  uint64_t fileOffset = 0;
  uint32_t filename = 0;
};

template <typename Attributes>
bool ReadMapping(Cursor message, const Limits& limits, MappingRow* row, Attributes& attributes) {
  return EachField(message, [&](Cursor& c, uint32_t tag) {
    switch (tag) {
      case Varint(1): return ReadVarint(c, &row->memoryStart);
      case Varint(2): return ReadVarint(c, &row->memoryLimit);
      case Varint(3): return ReadVarint(c, &row->fileOffset);
      case Varint(4): return ReadRow(c, limits.rows[kStrings], &row->filename);
      case Varint(5): return AddRow(c, limits.rows[kAttributes], attributes);
      case Len(5): return AddPackedRows(c, limits.rows[kAttributes], attributes);
      default: return SkipUnknown(c, tag, 5);
    }
  });
}

struct LineRow {
  uint32_t function = 0;
  Number line;
  Number column;
};

inline bool ReadLine(Cursor message, const Limits& limits, LineRow* row) {
  return EachField(message, [&](Cursor& c, uint32_t tag) {
    switch (tag) {
      case Varint(1): return ReadRow(c, limits.rows[kFunctions], &row->function);
      case Varint(2): return ReadNumber(c, &row->line);
      case Varint(3): return ReadNumber(c, &row->column);
      default: return SkipUnknown(c, tag, 3);
    }
  });
}

struct LocationRow {
  uint32_t mapping = 0;
  uint64_t address = 0;
};

/// Gives each line to `addLine`.
template <typename Attributes, typename AddLine>
bool ReadLocation(Cursor message, const Limits& limits, LocationRow* row, Attributes& attributes,
                  AddLine addLine) {
  return EachField(message, [&](Cursor& c, uint32_t tag) {
    switch (tag) {
      case Varint(1): return ReadRow(c, limits.rows[kMappings], &row->mapping);
      case Varint(2): return ReadVarint(c, &row->address);
      case Len(3): {
        Cursor inner;
        LineRow line;
        return Enter(c, &inner) && ReadLine(inner, limits, &line) && addLine(line);
      }
      case Varint(4): return AddRow(c, limits.rows[kAttributes], attributes);
      case Len(4): return AddPackedRows(c, limits.rows[kAttributes], attributes);
      default: return SkipUnknown(c, tag, 4);
    }
  });
}

template <typename Locations>
bool ReadStack(Cursor message, const Limits& limits, Locations& locations) {
  return EachField(message, [&](Cursor& c, uint32_t tag) {
    switch (tag) {
      case Varint(1): return AddRow(c, limits.rows[kLocations], locations);
      case Len(1): return AddPackedRows(c, limits.rows[kLocations], locations);
      default: return SkipUnknown(c, tag, 1);
    }
  });
}

/// Empty where absent.
struct LinkRow {
  Cursor traceId{};
  Cursor spanId{};
};

inline bool ReadLink(Cursor message, LinkRow* row) {
  return EachField(message, [&](Cursor& c, uint32_t tag) {
    switch (tag) {
      case Len(1): return ReadId(c, 16, &row->traceId);
      case Len(2): return ReadId(c, 8, &row->spanId);
      default: return SkipUnknown(c, tag, 2);
    }
  });
}

/// `value.at` is null where there is no value. The value itself is not checked.
struct AttributeRow {
  uint32_t key = 0;
  uint32_t unit = 0;
  Cursor value{};
};

inline bool ReadAttribute(Cursor message, const Limits& limits, AttributeRow* row) {
  return EachField(message, [&](Cursor& c, uint32_t tag) {
    switch (tag) {
      case Varint(1): return ReadRow(c, limits.rows[kStrings], &row->key);
      // A second value would have to be merged with the first: nobody writes that.
      case Len(2): return row->value.at == nullptr && Enter(c, &row->value);
      case Varint(3): return ReadRow(c, limits.rows[kStrings], &row->unit);
      default: return SkipUnknown(c, tag, 3);
    }
  });
}

struct SampleRow {
  uint32_t stack = 0;
  uint32_t link = 0;
  bool hasLink = false;
};

/// The numbers of Sample's fields that changed in 1.10.
struct OlderSample {
  static constexpr uint32_t kAttributes = 3, kLink = 4, kValues = 2;
};
struct NewerSample {
  static constexpr uint32_t kAttributes = 2, kLink = 3, kValues = 4;
};

template <typename Fields, typename Attributes, typename Values, typename Timestamps>
bool ReadSample(Cursor message, const Limits& limits, SampleRow* row, Attributes& attributes, Values& values,
                Timestamps& timestamps) {
  return EachField(message, [&](Cursor& c, uint32_t tag) {
    switch (tag) {
      case Varint(1): return ReadRow(c, limits.rows[kStacks], &row->stack);
      case Varint(Fields::kAttributes): return AddRow(c, limits.rows[kAttributes], attributes);
      case Len(Fields::kAttributes): return AddPackedRows(c, limits.rows[kAttributes], attributes);
      case Varint(Fields::kLink):
        if (!ReadRow(c, limits.rows[kLinks], &row->link)) return false;
        row->hasLink |= row->link != 0;
        return true;
      case Varint(Fields::kValues): return AddVarint(c, values);
      case Len(Fields::kValues): return AddPackedVarints(c, values);
      case I64(5): return AddFixed64(c, timestamps);
      case Len(5): return AddPackedFixed64s(c, timestamps);
      default: return SkipUnknown(c, tag, 5);
    }
  });
}

/// Calls `row` with the message of each field `field`; other fields are passed over.
template <typename Row>
bool EachRow(Cursor message, uint32_t field, Row row) {
  return EachField(message, [&](Cursor& c, uint32_t tag) {
    if (tag >> 3 != field) return Skip(c, tag);
    Cursor inner;
    return tag == Len(field) && Enter(c, &inner) && row(inner);
  });
}

inline Cursor Open(const Message& message) {
  const uint8_t* bytes = message.all.data();
  return {bytes + message.from, bytes + message.to};
}

}  // namespace otelcodecs::otlp
