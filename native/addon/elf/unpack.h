// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "elf_file.h"

namespace otelprof {

/// How a section's contents are packed, and what its header says of their size.
struct Packing {
  enum class Kind : uint8_t { None, Zlib, Zstd, Unknown };
  Kind kind = Kind::None;
  uint64_t headBytes = 0;  // before the packed bytes
  uint64_t size = 0;       // unpacked; of an unpacked section its own
};

/// SHF_COMPRESSED (gABI, "Section Compression"), or the older form of sections named .zdebug_….
Packing PackingOf(const ElfFile& elf, const ElfFile::Section& section);

enum class UnpackOutcome : uint8_t { Done, OverLimit, Malformed };

/// Unpacks the bytes behind the head to exactly `packing.size` bytes. OverLimit beyond `maxBytes`, or where that size
/// cannot come out of so few bytes: what the file says buys no memory.
UnpackOutcome Unpack(const Packing& packing, std::span<const uint8_t> section, uint64_t maxBytes,
                     std::vector<uint8_t>* out);

}  // namespace otelprof
