// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

namespace otelprof {

using SipKey = std::array<uint64_t, 2>;

/// SipHash-c-d (Aumasson and Bernstein, 2012): who does not know the key cannot make two inputs of one hash.
template <int kRounds, int kLastRounds>
class SipHash {
 public:
  explicit SipHash(const SipKey& key)
      : v_{key[0] ^ 0x736f6d6570736575, key[1] ^ 0x646f72616e646f6d, key[0] ^ 0x6c7967656e657261,
           key[1] ^ 0x7465646279746573} {}

  void update(std::span<const uint8_t> bytes) {
    total_ += bytes.size();
    if (pendingBytes_ > 0) {
      const size_t taken = std::min(bytes.size(), sizeof(pending_) - pendingBytes_);
      std::memcpy(reinterpret_cast<uint8_t*>(&pending_) + pendingBytes_, bytes.data(), taken);
      pendingBytes_ += taken;
      bytes = bytes.subspan(taken);
      if (pendingBytes_ < sizeof(pending_)) return;
      word(pending_);
      pending_ = 0;
      pendingBytes_ = 0;
    }
    for (; bytes.size() >= sizeof(uint64_t); bytes = bytes.subspan(sizeof(uint64_t))) {
      uint64_t next;
      std::memcpy(&next, bytes.data(), sizeof(next));
      word(next);
    }
    if (!bytes.empty()) std::memcpy(&pending_, bytes.data(), bytes.size());
    pendingBytes_ = bytes.size();
  }

  void update(uint64_t value) { update({reinterpret_cast<const uint8_t*>(&value), sizeof(value)}); }

  uint64_t finish() {
    word(pending_ | total_ << 56);
    v_[2] ^= 0xff;
    for (int i = 0; i < kLastRounds; i++) round();
    return v_[0] ^ v_[1] ^ v_[2] ^ v_[3];
  }

 private:
  void word(uint64_t m) {
    v_[3] ^= m;
    for (int i = 0; i < kRounds; i++) round();
    v_[0] ^= m;
  }
  void round() {
    v_[0] += v_[1];
    v_[2] += v_[3];
    v_[1] = std::rotl(v_[1], 13) ^ v_[0];
    v_[3] = std::rotl(v_[3], 16) ^ v_[2];
    v_[0] = std::rotl(v_[0], 32);
    v_[2] += v_[1];
    v_[0] += v_[3];
    v_[1] = std::rotl(v_[1], 17) ^ v_[2];
    v_[3] = std::rotl(v_[3], 21) ^ v_[0];
    v_[2] = std::rotl(v_[2], 32);
  }

  std::array<uint64_t, 4> v_;
  uint64_t pending_ = 0;
  size_t pendingBytes_ = 0;
  uint64_t total_ = 0;
};

}  // namespace otelprof
