// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>

#include "buffer.h"
#include "compression.h"

namespace otelcodecs {

/// A pprof file without gzip as an ExportProfilesServiceRequest of OTLP 1.10, which means what
/// src/codecs/pprof/decode.ts makes of the file. Nothing where any rule of pprof is broken, or the file is one that is
/// left to that: ids spread widely, labels of a sample that share a key, much more OTLP than pprof.
std::optional<Buffer<uint8_t>> PprofToOtlp(Input profile);

}  // namespace otelcodecs
