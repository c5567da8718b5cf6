// SPDX-License-Identifier: Apache-2.0
#include "otlp_wire.h"

namespace otelcodecs::otlp {
namespace {

/// Joins the low seven bits of the eight bytes of `word`.
uint64_t Join56Bits(uint64_t word) {
  word = (word & 0x007f'007f'007f'007f) | (word & 0x7f00'7f00'7f00'7f00) >> 1;
  word = (word & 0x0000'3fff'0000'3fff) | (word & 0x3fff'0000'3fff'0000) >> 2;
  return (word & 0x0000'0000'0fff'ffff) | (word & 0x0fff'ffff'0000'0000) >> 4;
}

bool IsBetween(uint8_t byte, uint8_t low, uint8_t high) { return byte >= low && byte <= high; }

/// Bytes of the first character, which is not ASCII; 0 where it is none. Source: Unicode 15, table 3-7.
size_t CharacterLength(Cursor text) {
  const uint8_t* at = text.at;
  const uint8_t lead = at[0];
  if (lead < 0xc2 || lead > 0xf4) return 0;
  const size_t length = lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
  if (text.left() < length) return 0;
  const uint8_t low = lead == 0xe0 ? 0xa0 : lead == 0xf0 ? 0x90 : 0x80;
  const uint8_t high = lead == 0xed ? 0x9f : lead == 0xf4 ? 0x8f : 0xbf;
  if (!IsBetween(at[1], low, high)) return 0;
  for (size_t i = 2; i < length; i++)
    if (!IsBetween(at[i], 0x80, 0xbf)) return 0;
  return length;
}

}  // namespace

LongVarint ReadLongVarint(Cursor c) {
  if (c.left() >= 8) {
    const uint64_t word = Load64(c.at);
    const uint64_t stops = ~word & kHighBits;
    if (stops != 0) {
      const int bits = std::countr_zero(stops) + 1;
      const auto length = static_cast<size_t>(bits / 8);
      return {c.at + length, Join56Bits(word & (~uint64_t{0} >> (64 - bits)))};
    }
  }
  uint64_t value = 0;
  for (int shift = 0; c.at < c.end; shift += 7) {
    const uint8_t byte = *c.at++;
    if (shift == 63 && byte > 1) return {};
    value |= static_cast<uint64_t>(byte & 0x7f) << shift;
    if (byte < 0x80) return {c.at, value};
  }
  return {};
}

const uint8_t* EndOfField(Cursor c, uint32_t tag) {
  uint64_t value;
  Cursor inner;
  switch (tag & 7) {
    case Varint(0): return ReadVarint(c, &value) ? c.at : nullptr;
    case I64(0): return c.left() < 8 ? nullptr : c.at + 8;
    case Len(0): return Enter(c, &inner) ? c.at : nullptr;
    case I32(0): return c.left() < 4 ? nullptr : c.at + 4;
    default: return nullptr;
  }
}

bool IsUtf8Beyond7Bits(Cursor text) {
  while (text.at < text.end) {
    if (text.left() >= 8 && (Load64(text.at) & kHighBits) == 0) {
      text.at += 8;
    } else if (*text.at < 0x80) {
      text.at++;
    } else {
      const size_t length = CharacterLength(text);
      if (length == 0) return false;
      text.at += length;
    }
  }
  return true;
}

}  // namespace otelcodecs::otlp
