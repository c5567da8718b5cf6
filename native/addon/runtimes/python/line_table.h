// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <span>

#include "offsets.h"

namespace otelprof::python {

struct Place {
  uint32_t line = 0;    // 0: the instruction belongs to no line
  uint32_t column = 0;  // from 1; 0 = unknown
};

/// The source place of the instruction `offset` bytes into the bytecode. `table` is hostile; a table that ends
/// early gives the last place it told of, a position before the first instruction (a function that is just being
/// entered) the first line.
Place FindPlace(LineFormat format, std::span<const uint8_t> table, uint32_t firstLine, uint32_t offset);

}  // namespace otelprof::python
