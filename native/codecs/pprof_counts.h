// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>

#include "compression.h"

namespace otelcodecs {

/// What the top level of a pprof file says of its size.
struct PprofCounts {
  uint32_t sampleTypes = 0;
  uint32_t samples = 0;
  uint32_t strings = 0;
  /// Bytes without gzip.
  uint64_t plainBytes = 0;
};

/// Walks over the fields of a Profile (pprof's profile.proto) without looking into its messages. Nothing where any
/// rule of the format is broken: what it accepts src/codecs/pprof/scan.ts accepts, which says what is wrong with the
/// rest.
std::optional<PprofCounts> CountPprof(Input profile);

/// The same of a gzipped file, which becomes no larger than `limit`.
std::optional<PprofCounts> CountGzippedPprof(Input file, size_t limit);

}  // namespace otelcodecs
