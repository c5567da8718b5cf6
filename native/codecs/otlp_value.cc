// SPDX-License-Identifier: Apache-2.0
#include "otlp_value.h"

#include "otlp_rows.h"

namespace otelcodecs::otlp {
namespace {

/// ArrayValue or KeyValueList: both repeat their entries in field 1.
template <bool (*checkEntry)(Cursor, uint32_t, int, ValueFacts*)>
bool CheckEntries(Cursor& c, uint32_t strings, int depth, ValueFacts* facts) {
  Cursor list;
  return Enter(c, &list) && EachRow(list, 1, [&](Cursor entry) {
    facts->nested++;
    return checkEntry(entry, strings, depth + 1, facts);
  });
}

}  // namespace

bool CheckAnyValue(Cursor message, uint32_t strings, int depth, ValueFacts* facts) {
  if (depth > kMaxValueDepth) return false;
  bool known = false;
  return EachField(message, [&](Cursor& c, uint32_t tag) {
    constexpr uint32_t kKinds = 8;
    if (tag >> 3 <= kKinds) {
      if (known) return false;
      known = true;
    }
    switch (tag) {
      case Len(1): return SkipUtf8(c);
      case Varint(2):
      case Varint(3):
      case I64(4):
      case Len(7): return Skip(c, tag);
      case Len(5): return CheckEntries<CheckAnyValue>(c, strings, depth, facts);
      case Len(6): return CheckEntries<CheckKeyValue>(c, strings, depth, facts);
      case Varint(8): {
        uint32_t row;
        facts->refers = true;
        return ReadRow(c, strings, &row);
      }
      default: return SkipUnknown(c, tag, kKinds);
    }
  });
}

bool CheckKeyValue(Cursor message, uint32_t strings, int depth, ValueFacts* facts) {
  bool valued = false;
  bool has_key = false;
  bool has_row = false;
  const bool valid = EachField(message, [&](Cursor& c, uint32_t tag) {
    switch (tag) {
      case Len(1): {
        Cursor before = c;
        Cursor key;
        if (!SkipUtf8(c) || !Enter(before, &key)) return false;
        has_key = key.left() != 0;
        return true;
      }
      case Len(2): {
        if (valued) return false;
        valued = true;
        Cursor value;
        return Enter(c, &value) && CheckAnyValue(value, strings, depth, facts);
      }
      case Varint(3): {
        uint32_t row;
        if (!ReadRow(c, strings, &row)) return false;
        has_row = row != 0;
        facts->refers |= has_row;
        return true;
      }
      default: return SkipUnknown(c, tag, 3);
    }
  });
  return valid && !(has_key && has_row);
}

}  // namespace otelcodecs::otlp
