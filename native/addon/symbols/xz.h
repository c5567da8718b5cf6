// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace otelprof {

/// Unpacks an .xz stream of at most `maxBytes`; empty on any error, or in builds without the header of liblzma.
std::vector<uint8_t> UnpackXz(std::span<const uint8_t> packed, size_t maxBytes);

}  // namespace otelprof
