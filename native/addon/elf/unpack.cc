// SPDX-License-Identifier: Apache-2.0
#include "unpack.h"

#include <elf.h>
#include <zlib.h>
#include <zstd.h>

#include <cstring>

namespace otelprof {
namespace {

constexpr uint32_t kCompressZstd = 2;  // ELFCOMPRESS_ZSTD, younger than some <elf.h>
constexpr uint64_t kMaxRatio = 1032;   // deflate's best; debug sections come to about 10
constexpr char kOldMagic[] = {'Z', 'L', 'I', 'B'};
constexpr uint64_t kOldHeadBytes = 12;  // the magic and the size, most significant byte first

bool UnpackZlib(std::span<const uint8_t> packed, std::vector<uint8_t>* out) {
  z_stream stream{};
  if (packed.size() > UINT32_MAX || inflateInit(&stream) != Z_OK) return false;
  stream.next_in = const_cast<Bytef*>(packed.data());
  stream.avail_in = static_cast<uInt>(packed.size());
  stream.next_out = out->data();
  stream.avail_out = static_cast<uInt>(out->size());
  const int result = inflate(&stream, Z_FINISH);
  const bool whole = result == Z_STREAM_END && stream.avail_out == 0;
  inflateEnd(&stream);
  return whole;
}

bool UnpackZstd(std::span<const uint8_t> packed, std::vector<uint8_t>* out) {
  return ZSTD_decompress(out->data(), out->size(), packed.data(), packed.size()) == out->size();
}

}  // namespace

Packing PackingOf(const ElfFile& elf, const ElfFile::Section& section) {
  if (section.flags & SHF_COMPRESSED) {
    const auto head = elf.bytes(section.offset, sizeof(Elf64_Chdr));
    Elf64_Chdr chdr{};
    if (!head.empty()) std::memcpy(&chdr, head.data(), sizeof(chdr));
    const auto kind = chdr.ch_type == ELFCOMPRESS_ZLIB ? Packing::Kind::Zlib
                      : chdr.ch_type == kCompressZstd  ? Packing::Kind::Zstd
                                                       : Packing::Kind::Unknown;
    return {kind, sizeof(chdr), chdr.ch_size};
  }
  if (!section.name.starts_with(".zdebug_")) return {Packing::Kind::None, 0, section.size};
  const auto head = elf.bytes(section.offset, kOldHeadBytes);
  if (head.empty() || std::memcmp(head.data(), kOldMagic, sizeof(kOldMagic)) != 0)
    return {Packing::Kind::Unknown, kOldHeadBytes, 0};
  uint64_t size = 0;
  for (const uint8_t byte : head.subspan(sizeof(kOldMagic))) size = size << 8 | byte;
  return {Packing::Kind::Zlib, kOldHeadBytes, size};
}

UnpackOutcome Unpack(const Packing& packing, std::span<const uint8_t> section, uint64_t maxBytes,
                     std::vector<uint8_t>* out) {
  if (section.size() <= packing.headBytes) return UnpackOutcome::Malformed;
  const auto packed = section.subspan(packing.headBytes);
  if (packing.size == 0 || packing.size > maxBytes || packing.size / kMaxRatio > packed.size())
    return UnpackOutcome::OverLimit;
  out->resize(packing.size);
  const bool whole = packing.kind == Packing::Kind::Zlib   ? UnpackZlib(packed, out)
                     : packing.kind == Packing::Kind::Zstd ? UnpackZstd(packed, out)
                                                           : false;
  if (!whole) *out = {};
  return whole ? UnpackOutcome::Done : UnpackOutcome::Malformed;
}

}  // namespace otelprof
