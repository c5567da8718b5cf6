// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <span>

namespace otelcodecs {

/// Secret of the process, and which bits of a hash count (all but in tests).
struct HashKey {
  uint32_t k0;
  uint32_t k1;
  uint32_t mask;
};

/// HalfSipHash-1-3 over words, their number as the last word: `hashWords` of src/pdata/hash.ts.
uint32_t HashWords(std::span<const int32_t> words, HashKey key);

/// Puts all rows into the empty hash table `slots`, as `WordRows` of src/pdata/rows.ts keeps it: pairs of hash
/// and row + 1, linear probing, 0 for a free slot. Row `i` is `words[starts[i] .. starts[i + 1]]`. Of equal rows
/// the first is known; gives the number of the others. Nothing where the arrays do not fit: `slots` must have room
/// for twice as many rows, and a power of two of entries.
std::optional<uint32_t> IndexRows(std::span<const int32_t> words, std::span<const uint32_t> starts,
                                  std::span<int32_t> slots, HashKey key);

}  // namespace otelcodecs
