// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <bit>
#include <cstdint>

#include "otlp_wire.h"

namespace otelcodecs {

/// What something says, in 128 bits: equal contents have equal keys, and no others share one by chance.
struct ContentKey {
  uint64_t a = 0;
  uint64_t b = 0;

  bool operator==(const ContentKey&) const = default;
};

/// Takes words and keys in, and gives the key of them all: two products of 64 bits side by side, under a secret of the
/// process, so that nobody outside can make up two contents with one key. Keys mean nothing in another process.
class KeyMixer {
 public:
  KeyMixer() : a_(kSecret.a), b_(kSecret.b) {}

  void Word(uint64_t word) {
    a_ = Folded(a_ ^ word, kSecret.forA);
    b_ = Folded(b_ ^ word, kSecret.forB);
  }
  void Key(const ContentKey& key) {
    a_ = Folded(a_ ^ key.a, kSecret.forA);
    b_ = Folded(b_ ^ key.b, kSecret.forB);
  }
  /// And how many they are.
  void Bytes(otlp::Cursor bytes) {
    const size_t size = bytes.left();
    for (; bytes.left() >= 8; bytes.at += 8) Word(otlp::Load64(bytes.at));
    uint64_t rest = 0;
    for (; bytes.at < bytes.end; bytes.at++) rest = rest << 8 | *bytes.at;
    // The rest has at most seven bytes.
    Word(rest << 8 | (size & 0xff));
    if (size > 0xff) Word(size);
  }
  ContentKey key() const { return {Folded(a_, kSecret.b | 1), Folded(b_, kSecret.a | 1)}; }

 private:
  struct Secret {
    uint64_t a, b, forA, forB;
  };
  static Secret MakeSecret();
  static const Secret kSecret;

  static uint64_t Folded(uint64_t word, uint64_t multiplier) {
    const auto product = static_cast<unsigned __int128>(word) * multiplier;
    // The sum keeps a word that happens to be 0 from losing what came before.
    return (static_cast<uint64_t>(product) ^ static_cast<uint64_t>(product >> 64)) + std::rotl(word, 32);
  }

  uint64_t a_, b_;
};

}  // namespace otelcodecs
