// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace otelprof {

/// Unpacks an .xz stream of at most `maxBytes`; empty on any error, also where more than 80 MiB of memory would be
/// needed for it.
std::vector<uint8_t> UnpackXz(std::span<const uint8_t> packed, size_t maxBytes);

}  // namespace otelprof
