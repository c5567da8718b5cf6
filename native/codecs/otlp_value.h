// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "otlp_wire.h"

namespace otelcodecs::otlp {

/// Values nested deeper are refused: a hostile request must not cost stack.
constexpr int kMaxValueDepth = 32;

struct ValueFacts {
  /// KeyValue and array entries inside values.
  uint64_t nested = 0;
  /// A value or key refers to the string table.
  bool refers = false;
};

/// An AnyValue message: one kind of value at most; strings are UTF-8, references below `strings`.
bool CheckAnyValue(Cursor message, uint32_t strings, int depth, ValueFacts* facts);

/// A KeyValue message with one value at most.
bool CheckKeyValue(Cursor message, uint32_t strings, int depth, ValueFacts* facts);

}  // namespace otelcodecs::otlp
