// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>

namespace otelprof {

/// A cursor over hostile bytes. A read past the end returns 0 and makes ok() false for good.
class ByteReader {
 public:
  explicit ByteReader(std::span<const uint8_t> bytes) : bytes_(bytes) {}

  bool ok() const { return ok_; }
  size_t position() const { return position_; }
  size_t remaining() const { return bytes_.size() - position_; }
  bool done() const { return !ok_ || position_ >= bytes_.size(); }

  template <typename T>
  T Read() {
    T value{};
    if (remaining() < sizeof(T)) {
      Fail();
      return value;
    }
    std::memcpy(&value, bytes_.data() + position_, sizeof(T));
    position_ += sizeof(T);
    return value;
  }

  uint64_t Uleb() {
    uint64_t value = 0;
    for (unsigned shift = 0; ok_; shift += 7) {
      const uint8_t byte = Read<uint8_t>();
      if (shift < 64) value |= uint64_t{byte & 0x7fu} << shift;
      if (!(byte & 0x80)) break;
      if (shift >= kMaxLebShift) Fail();
    }
    return value;
  }

  int64_t Sleb() {
    uint64_t value = 0;
    unsigned shift = 0;
    uint8_t byte = 0x80;
    while (ok_ && (byte & 0x80)) {
      byte = Read<uint8_t>();
      if (shift < 64) value |= uint64_t{byte & 0x7fu} << shift;
      shift += 7;
      if (shift > kMaxLebShift && (byte & 0x80)) Fail();
    }
    if (shift < 64 && (byte & 0x40)) value |= ~uint64_t{0} << shift;
    return static_cast<int64_t>(value);
  }

  std::string_view CString() {
    const auto* start = reinterpret_cast<const char*>(bytes_.data() + position_);
    const size_t length = strnlen(start, remaining());
    if (length == remaining()) {
      Fail();
      return {};
    }
    position_ += length + 1;
    return {start, length};
  }

  std::span<const uint8_t> Take(uint64_t size) {
    if (size > remaining()) {
      Fail();
      return {};
    }
    const auto out = bytes_.subspan(position_, size);
    position_ += size;
    return out;
  }

  void Skip(uint64_t size) { Take(size); }

 private:
  /// Assemblers pad LEB128 to the width of a relocation; nobody to more than 16 bytes.
  static constexpr unsigned kMaxLebShift = 7 * 15;

  void Fail() {
    ok_ = false;
    position_ = bytes_.size();
  }

  std::span<const uint8_t> bytes_;
  size_t position_ = 0;
  bool ok_ = true;
};

}  // namespace otelprof
