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
  return EachField(message, [&](Cursor& c, uint32_t tag) {
    switch (tag) {
      case Len(1): return SkipUtf8(c);
      case Len(2): {
        if (valued) return false;
        valued = true;
        Cursor value;
        return Enter(c, &value) && CheckAnyValue(value, strings, depth, facts);
      }
      case Varint(3): {
        uint32_t row;
        if (!ReadRow(c, strings, &row)) return false;
        facts->refers |= row != 0;
        return true;
      }
      default: return SkipUnknown(c, tag, 3);
    }
  });
}

}  // namespace otelcodecs::otlp
