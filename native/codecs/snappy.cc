// SPDX-License-Identifier: Apache-2.0
// Blocks by the library; the framing around them by google/snappy's framing_format.txt.
#include <snappy.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "compression.h"

namespace otelcodecs {
namespace {

constexpr uint8_t kIdentifier[] = {0xff, 0x06, 0x00, 0x00, 's', 'N', 'a', 'P', 'p', 'Y'};
constexpr size_t kHeaderSize = 4;
constexpr size_t kChecksumSize = 4;
constexpr size_t kChunkSize = 65536;

enum ChunkType : uint8_t { kCompressed = 0x00, kPlain = 0x01, kFirstSkippable = 0x80, kStart = 0xff };

using CrcTables = std::array<std::array<uint32_t, 256>, 8>;

/// CRC-32C (Castagnoli), eight bytes a step.
constexpr CrcTables MakeCrcTables() {
  CrcTables tables{};
  for (uint32_t i = 0; i < 256; i++) {
    uint32_t crc = i;
    for (int bit = 0; bit < 8; bit++) crc = (crc >> 1) ^ (crc & 1 ? 0x82f63b78u : 0);
    tables[0][i] = crc;
  }
  for (uint32_t i = 0; i < 256; i++) {
    for (size_t k = 1; k < 8; k++) {
      tables[k][i] = (tables[k - 1][i] >> 8) ^ tables[0][tables[k - 1][i] & 0xff];
    }
  }
  return tables;
}
constexpr CrcTables kCrc = MakeCrcTables();

uint32_t Read32(const uint8_t* at) {
  return at[0] | at[1] << 8 | at[2] << 16 | static_cast<uint32_t>(at[3]) << 24;
}

void Write32(uint8_t* at, uint32_t value) {
  for (int i = 0; i < 4; i++) at[i] = static_cast<uint8_t>(value >> (8 * i));
}

uint32_t MaskedCrc32c(const uint8_t* data, size_t size) {
  uint32_t crc = ~0u;
  for (; size >= 8; data += 8, size -= 8) {
    const uint32_t low = crc ^ Read32(data);
    const uint32_t high = Read32(data + 4);
    crc = kCrc[7][low & 0xff] ^ kCrc[6][(low >> 8) & 0xff] ^ kCrc[5][(low >> 16) & 0xff] ^
          kCrc[4][low >> 24] ^ kCrc[3][high & 0xff] ^ kCrc[2][(high >> 8) & 0xff] ^
          kCrc[1][(high >> 16) & 0xff] ^ kCrc[0][high >> 24];
  }
  for (; size > 0; data++, size--) crc = (crc >> 8) ^ kCrc[0][(crc ^ *data) & 0xff];
  crc = ~crc;
  return ((crc >> 15) | (crc << 17)) + 0xa282ead8u;
}

const char* Chars(const uint8_t* data) { return reinterpret_cast<const char*>(data); }
char* Chars(uint8_t* data) { return reinterpret_cast<char*>(data); }

struct Chunk {
  uint8_t type;
  uint32_t checksum;
  const uint8_t* data;
  size_t size;
  /// Bytes that it becomes; 0 for chunks without content.
  size_t plain;
};

/// Takes one chunk off `in`; false where it is against the format.
bool NextChunk(Input* in, Chunk* chunk) {
  if (in->size < kHeaderSize) return false;
  const uint32_t header = Read32(in->data);
  const size_t size = header >> 8;
  if (size > in->size - kHeaderSize) return false;
  const uint8_t* body = in->data + kHeaderSize;
  *in = {body + size, in->size - kHeaderSize - size};
  *chunk = {static_cast<uint8_t>(header), 0, body, size, 0};
  if (chunk->type == kStart) {
    return size == sizeof kIdentifier - kHeaderSize && memcmp(body, kIdentifier + kHeaderSize, size) == 0;
  }
  if (chunk->type >= kFirstSkippable) return true;
  if (chunk->type > kPlain || size < kChecksumSize) return false;
  chunk->checksum = Read32(body);
  chunk->data = body + kChecksumSize;
  chunk->size = size - kChecksumSize;
  chunk->plain = chunk->size;
  if (chunk->type == kCompressed &&
      !snappy::GetUncompressedLength(Chars(chunk->data), chunk->size, &chunk->plain)) {
    return false;
  }
  return chunk->plain <= kChunkSize;
}

}  // namespace

bool StartsSnappyFrames(Input in) {
  return in.size >= sizeof kIdentifier && memcmp(in.data, kIdentifier, sizeof kIdentifier) == 0;
}

Outcome DecompressSnappyBlock(Input in, Output* out) {
  size_t size = 0;
  if (!snappy::GetUncompressedLength(Chars(in.data), in.size, &size)) return Outcome::kMalformed;
  if (const Outcome made = out->Reserve(size); made != Outcome::kOk) return made;
  // An empty block still has to be one; the library writes nowhere then, but wants a place.
  uint8_t none = 0;
  uint8_t* to = size == 0 ? &none : out->end();
  if (!snappy::RawUncompress(Chars(in.data), in.size, Chars(to))) return Outcome::kMalformed;
  out->Wrote(size);
  return Outcome::kOk;
}

Outcome DecompressSnappyFrames(Input in, Output* out) {
  if (!StartsSnappyFrames(in)) return Outcome::kMalformed;
  Chunk chunk;
  size_t total = 0;
  for (Input rest = in; rest.size > 0; total += chunk.plain) {
    if (!NextChunk(&rest, &chunk)) return Outcome::kMalformed;
  }
  if (const Outcome made = out->Reserve(total); made != Outcome::kOk) return made;
  while (in.size > 0) {
    NextChunk(&in, &chunk);
    if (chunk.type > kPlain) continue;
    uint8_t none = 0;
    uint8_t* to = chunk.plain == 0 ? &none : out->end();
    if (chunk.type == kPlain) {
      memcpy(to, chunk.data, chunk.size);
    } else if (!snappy::RawUncompress(Chars(chunk.data), chunk.size, Chars(to))) {
      return Outcome::kMalformed;
    }
    if (MaskedCrc32c(to, chunk.plain) != chunk.checksum) return Outcome::kMalformed;
    out->Wrote(chunk.plain);
  }
  return Outcome::kOk;
}

Outcome CompressSnappyBlock(Input in, Output* out) {
  if (const Outcome made = out->Reserve(snappy::MaxCompressedLength(in.size)); made != Outcome::kOk) return made;
  size_t wrote = 0;
  snappy::RawCompress(Chars(in.data), in.size, Chars(out->end()), &wrote);
  out->Wrote(wrote);
  return Outcome::kOk;
}

Outcome CompressSnappyFrames(Input in, Output* out) {
  const size_t chunks = in.size / kChunkSize + 1;
  const size_t room =
      sizeof kIdentifier + chunks * (kHeaderSize + kChecksumSize) + snappy::MaxCompressedLength(in.size) + chunks * 64;
  if (const Outcome made = out->Reserve(room); made != Outcome::kOk) return made;
  memcpy(out->end(), kIdentifier, sizeof kIdentifier);
  out->Wrote(sizeof kIdentifier);
  while (in.size > 0) {
    const size_t size = std::min(in.size, kChunkSize);
    uint8_t* body = out->end() + kHeaderSize + kChecksumSize;
    size_t wrote = 0;
    snappy::RawCompress(Chars(in.data), size, Chars(body), &wrote);
    // The format's own advice: less than an eighth saved is not worth the reader's time.
    const bool plain = wrote >= size - size / 8;
    if (plain) {
      memcpy(body, in.data, size);
      wrote = size;
    }
    Write32(out->end(), static_cast<uint32_t>(wrote + kChecksumSize) << 8 | (plain ? kPlain : kCompressed));
    Write32(out->end() + kHeaderSize, MaskedCrc32c(in.data, size));
    out->Wrote(kHeaderSize + kChecksumSize + wrote);
    in = {in.data + size, in.size - size};
  }
  return Outcome::kOk;
}

}  // namespace otelcodecs
