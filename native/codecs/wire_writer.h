// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <bit>

#include "buffer.h"
#include "otlp_wire.h"

namespace otelcodecs::otlp {

constexpr size_t kMaxVarint = 10;

inline size_t VarintSize(uint64_t value) { return (static_cast<size_t>(std::bit_width(value | 1)) + 6) / 7; }

inline uint8_t* PutVarint(uint8_t* at, uint64_t value) {
  for (; value >= 0x80; value >>= 7) *at++ = static_cast<uint8_t>(value | 0x80);
  *at++ = static_cast<uint8_t>(value);
  return at;
}

/// Writes protobuf messages front to back.
class WireWriter {
 public:
  void Varint(uint64_t value) { out_.WroteTo(PutVarint(out_.Reserve(kMaxVarint), value)); }

  /// A number; also where it is 0.
  void Field(uint32_t tag, uint64_t value) {
    out_.WroteTo(PutVarint(PutVarint(out_.Reserve(2 * kMaxVarint), tag), value));
  }
  void FieldUnlessZero(uint32_t tag, uint64_t value) {
    if (value != 0) Field(tag, value);
  }

  void Fixed64(uint32_t tag, uint64_t value) {
    Varint(tag);
    uint8_t* at = out_.Reserve(8);
    for (int shift = 0; shift < 64; shift += 8) *at++ = static_cast<uint8_t>(value >> shift);
    out_.WroteTo(at);
  }

  void Bytes(uint32_t tag, std::span<const uint8_t> bytes) {
    Field(tag, bytes.size());
    out_.Append(bytes);
  }

  void PackedUnlessEmpty(uint32_t tag, std::span<const uint32_t> values) {
    if (!values.empty()) Packed(tag, values);
  }
  void Packed(uint32_t tag, std::span<const uint32_t> values) {
    size_t size = 0;
    for (const uint32_t value : values) size += VarintSize(value);
    Field(tag, size);
    uint8_t* at = out_.Reserve(size);
    for (const uint32_t value : values) at = PutVarint(at, value);
    out_.WroteTo(at);
  }

  /// What is written from here to `End` is the message behind `tag`.
  size_t Begin(uint32_t tag) {
    Field(tag, 0);
    return out_.size();
  }
  void End(size_t begin) {
    const size_t size = out_.size() - begin;
    const size_t more = VarintSize(size) - 1;
    if (more > 0) out_.Open(begin, more);
    PutVarint(out_.data() + begin - 1, size);
  }

  /// Fields as they are.
  void Raw(const uint8_t* from, const uint8_t* to) { out_.Append(from, static_cast<size_t>(to - from)); }
  void Raw(std::span<const uint8_t> bytes) { out_.Append(bytes); }

  void Reserve(size_t more) { out_.Reserve(more); }
  size_t size() const { return out_.size(); }
  std::span<const uint8_t> all() const { return out_.all(); }
  Buffer<uint8_t> Take() { return std::move(out_); }

 private:
  Buffer<uint8_t> out_;
};

}  // namespace otelcodecs::otlp
