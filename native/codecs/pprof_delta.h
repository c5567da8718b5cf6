// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include "buffer.h"
#include "compression.h"

namespace otelcodecs {

/// What is new in a pprof file since the one before of the same program.
struct PprofDelta {
  enum class Outcome : uint8_t { kNoTotals, kFirst, kDelta, kReset };

  Outcome outcome = Outcome::kNoTotals;
  /// Of the file as it came.
  uint32_t samplesBefore = 0;
  uint32_t sampleTypes = 0;
  uint32_t samples = 0;
  /// A pprof file without gzip; nothing where there are no samples, or no totals to subtract.
  Buffer<uint8_t> file;
  /// To be given with the next one.
  Buffer<uint64_t> totals;
};

/// The difference as src/codecs/pprof/delta/delta.ts says, of bytes to bytes: what nobody refers to any more is left
/// out, strings become empty. `last`: of the file before, or empty; with `sendsFirst` totals stand where there is
/// nothing to compare with. Nothing where any rule of the format is broken or the file is unusual.
std::optional<PprofDelta> DeltaPprof(Input profile, std::span<const uint64_t> last, bool sendsFirst);

}  // namespace otelcodecs
