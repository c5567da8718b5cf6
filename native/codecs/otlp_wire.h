// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>

namespace otelcodecs::otlp {

/// A place in a protobuf message, and the end of that message; nothing behind it is read. Two words, so that
/// calls pass it in registers.
/// Source: https://protobuf.dev/programming-guides/encoding/
struct Cursor {
  const uint8_t* at;
  const uint8_t* end;

  size_t left() const { return static_cast<size_t>(end - at); }
};

/// The high bit of each byte.
constexpr uint64_t kHighBits = 0x8080'8080'8080'8080;

/// Tags by wire type. Groups (3, 4) are refused: no message we read has them.
constexpr uint32_t Varint(uint32_t field) { return field << 3; }
constexpr uint32_t I64(uint32_t field) { return field << 3 | 1; }
constexpr uint32_t Len(uint32_t field) { return field << 3 | 2; }
constexpr uint32_t I32(uint32_t field) { return field << 3 | 5; }

inline uint64_t Load64(const uint8_t* at) {
  uint64_t word;
  std::memcpy(&word, at, sizeof word);
  if constexpr (std::endian::native == std::endian::big) word = __builtin_bswap64(word);
  return word;
}

inline uint32_t Load32(const uint8_t* at) {
  uint32_t word;
  std::memcpy(&word, at, sizeof word);
  if constexpr (std::endian::native == std::endian::big) word = __builtin_bswap32(word);
  return word;
}

/// Joins the low seven bits of the four bytes of `word`.
inline uint32_t Join7Bits(uint32_t word) {
  word = (word & 0x007f'007f) | (word & 0x7f00'7f00) >> 1;
  return (word & 0x3fff) | (word & 0x3fff'0000) >> 2;
}

constexpr size_t kBlock = 32;

/// Bit i is set where byte i of the 32 bytes at `at` is the last one of a varint.
inline uint32_t EndsInBlock(const uint8_t* at) {
  uint32_t ends = 0;
  for (size_t i = 0; i < kBlock; i += 8) {
    const uint64_t last = (~Load64(at + i) & kHighBits) >> 7;
    // Gathers the lowest bits of all bytes in the highest byte.
    ends |= static_cast<uint32_t>(last * 0x0102'0408'1020'4080 >> 56) << i;
  }
  return ends;
}

// What is not inlined takes cursors by value, and what takes them by reference is inlined always: a cursor whose
// address is known cannot stay in registers.
#define OTLP_INLINE [[gnu::always_inline]] inline

/// A varint and where it ends; null where it is none.
struct LongVarint {
  const uint8_t* end;
  uint64_t value;
};

/// For varints of any length: at most ten bytes, 64 bits; over-long forms are read.
LongVarint ReadLongVarint(Cursor c);

OTLP_INLINE bool ReadVarint(Cursor& c, uint64_t* value) {
  if (c.at < c.end && c.at[0] < 0x80) {
    *value = *c.at++;
    return true;
  }
  if (c.left() >= 2 && c.at[1] < 0x80) {
    *value = (c.at[0] & 0x7fu) | static_cast<uint32_t>(c.at[1]) << 7;
    c.at += 2;
    return true;
  }
  const LongVarint read = ReadLongVarint(c);
  if (read.end == nullptr) return false;
  c.at = read.end;
  *value = read.value;
  return true;
}

OTLP_INLINE bool ReadUint32(Cursor& c, uint32_t* value) {
  uint64_t wide;
  if (!ReadVarint(c, &wide) || wide > UINT32_MAX) return false;
  *value = static_cast<uint32_t>(wide);
  return true;
}

OTLP_INLINE bool ReadTag(Cursor& c, uint32_t* tag) { return ReadUint32(c, tag) && *tag >= 8; }

/// The message or bytes behind a LEN tag; `c` then stands behind it.
OTLP_INLINE bool Enter(Cursor& c, Cursor* inner) {
  uint32_t length;
  if (!ReadUint32(c, &length) || length > c.left()) return false;
  *inner = {c.at, c.at + length};
  c.at += length;
  return true;
}

/// Where the field behind `tag` ends; null where it does not.
const uint8_t* EndOfField(Cursor c, uint32_t tag);

OTLP_INLINE bool Skip(Cursor& c, uint32_t tag) {
  const uint8_t* end = EndOfField(c, tag);
  if (end == nullptr) return false;
  c.at = end;
  return true;
}

/// Passes over a field that the message does not have; fields up to `known` have come with a wrong wire type.
OTLP_INLINE bool SkipUnknown(Cursor& c, uint32_t tag, uint32_t known) {
  return tag >> 3 > known && Skip(c, tag);
}

/// Calls `field(c, tag, start)` for each field up to the end of the message, `start` being where its tag is; false as
/// soon as one is wrong.
template <typename Field>
OTLP_INLINE bool EachPlacedField(Cursor c, Field field) {
  while (c.at < c.end) {
    const uint8_t* start = c.at;
    uint32_t tag;
    if (!ReadTag(c, &tag) || !field(c, tag, start)) return false;
  }
  return true;
}

/// The same without the place.
template <typename Field>
OTLP_INLINE bool EachField(Cursor c, Field field) {
  return EachPlacedField(c, [&](Cursor& at, uint32_t tag, const uint8_t*) { return field(at, tag); });
}

/// Strict: no surrogates, no over-long forms, nothing over U+10FFFF.
bool IsUtf8Beyond7Bits(Cursor text);

OTLP_INLINE bool IsUtf8(Cursor text) {
  const uint8_t* at = text.at;
  uint64_t bits = 0;
  if (text.left() >= 8) {
    for (; text.end - at >= 8; at += 8) bits |= Load64(at);
    bits |= Load64(text.end - 8);
  } else {
    for (; at < text.end; at++) bits |= *at;
  }
  return (bits & kHighBits) == 0 || IsUtf8Beyond7Bits(text);
}

/// A LEN field that must be UTF-8.
OTLP_INLINE bool SkipUtf8(Cursor& c) {
  Cursor text;
  return Enter(c, &text) && IsUtf8(text);
}

}  // namespace otelcodecs::otlp
