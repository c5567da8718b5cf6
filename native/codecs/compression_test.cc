// SPDX-License-Identifier: Apache-2.0
#include "compression.h"

#include <cstring>
#include <random>
#include <string>
#include <vector>

#include "test_macros.h"

namespace {

using otelcodecs::Algorithm;
using otelcodecs::Input;
using otelcodecs::Outcome;
using otelcodecs::Output;
using Bytes = std::vector<uint8_t>;

constexpr const char* kNames[] = {"gzip", "zlib", "deflate", "zstd", "snappy", "x-snappy-framed", "lz4"};

/// The input is a block of exactly its size, so that AddressSanitizer sees a read beyond it.
Outcome Decompress(Algorithm algorithm, const Bytes& bytes, size_t limit, Bytes* plain) {
  Output out(limit);
  const Outcome outcome = otelcodecs::Decompress(algorithm, {bytes.data(), bytes.size()}, &out);
  CHECK(out.size() <= limit);
  if (outcome == Outcome::kOk) plain->assign(out.data(), out.data() + out.size());
  return outcome;
}

Bytes Compress(Algorithm algorithm, const Bytes& bytes) {
  Output out(SIZE_MAX);
  CHECK(otelcodecs::Compress(algorithm, {bytes.data(), bytes.size()}, 3, &out) == Outcome::kOk);
  const size_t size = out.size();
  uint8_t* released = out.Release();
  Bytes packed(released, released + size);
  free(released);
  return packed;
}

/// Half noise, half repetition.
Bytes Sample(size_t size, uint32_t seed) {
  std::mt19937 random(seed);
  Bytes bytes(size);
  for (size_t i = 0; i < size; i++) {
    bytes[i] = (i / 64) % 2 == 0 ? static_cast<uint8_t>(random()) : static_cast<uint8_t>("stack"[i % 5]);
  }
  return bytes;
}

void TestRoundTrips(Algorithm algorithm) {
  for (const size_t size : {0, 1, 63, 65535, 65536, 65537, 300000}) {
    const Bytes bytes = Sample(size, 1);
    Bytes plain;
    const Bytes packed = Compress(algorithm, bytes);
    CHECK(Decompress(algorithm, packed, size, &plain) == Outcome::kOk);
    CHECK(plain == bytes);
    if (size > 0) CHECK(Decompress(algorithm, packed, size - 1, &plain) == Outcome::kTooLarge);
  }
}

/// A shortened stream is malformed, except where it ends between two parts that stand alone.
void TestTruncation(Algorithm algorithm) {
  const Bytes bytes = Sample(700, 2);
  const Bytes packed = Compress(algorithm, bytes);
  for (size_t size = 0; size < packed.size(); size++) {
    Bytes plain;
    const Outcome outcome = Decompress(algorithm, {packed.begin(), packed.begin() + size}, 1 << 20, &plain);
    const bool onlyIdentifier = algorithm == Algorithm::kSnappyFramed && size == 10;
    CHECK(onlyIdentifier ? plain.empty() : outcome == Outcome::kMalformed);
  }
}

/// Whatever the bytes are, the verdict comes and no memory is touched that is not ours.
void TestDamage(Algorithm algorithm) {
  std::mt19937 random(3);
  const Bytes packed = Compress(algorithm, Sample(5000, 3));
  for (int round = 0; round < 2000; round++) {
    Bytes damaged = packed;
    for (size_t n = 1 + random() % 4; n > 0; n--) damaged[random() % damaged.size()] = static_cast<uint8_t>(random());
    if (random() % 4 == 0) damaged.resize(random() % damaged.size());
    Bytes plain;
    Decompress(algorithm, damaged, 8192, &plain);
    CHECK(plain.size() <= 8192);
  }
}

void TestGzipMembers() {
  const Bytes first = Sample(100000, 4);
  Bytes two = Compress(Algorithm::kGzip, first);
  const Bytes second = Compress(Algorithm::kGzip, Sample(10, 5));
  two.insert(two.end(), second.begin(), second.end());
  Bytes plain;
  // The last member's size, 10, is the only hint there is.
  CHECK(Decompress(Algorithm::kGzip, two, 100010, &plain) == Outcome::kOk);
  CHECK_EQ(plain.size(), 100010u);
  CHECK(memcmp(plain.data(), first.data(), first.size()) == 0);
  two.push_back(0);
  CHECK(Decompress(Algorithm::kGzip, two, 1 << 20, &plain) == Outcome::kMalformed);
}

/// google/snappy framing_format.txt: 4.4 padding, 4.5 reserved unskippable, 4.6 reserved skippable chunks.
void TestSnappyChunks() {
  const Bytes bytes = Sample(100000, 6);
  const Bytes packed = Compress(Algorithm::kSnappyFramed, bytes);
  const auto with = [&](const Bytes& chunk) {
    Bytes all = packed;
    all.insert(all.end(), chunk.begin(), chunk.end());
    all.insert(all.end(), packed.begin(), packed.end());
    return all;
  };
  Bytes plain;
  for (const Bytes& skipped : {Bytes{0xfe, 2, 0, 0, 0, 0}, Bytes{0x80, 0, 0, 0}, Bytes{}}) {
    CHECK(Decompress(Algorithm::kSnappyFramed, with(skipped), 200000, &plain) == Outcome::kOk);
    CHECK_EQ(plain.size(), 200000u);
  }
  CHECK(Decompress(Algorithm::kSnappyFramed, with({0x02, 0, 0, 0}), 200000, &plain) == Outcome::kMalformed);
  // A plain chunk with the checksum of nothing is empty; with another one it is damaged.
  CHECK(Decompress(Algorithm::kSnappyFramed, with({0x01, 4, 0, 0, 0xd8, 0xea, 0x82, 0xa2}), 200000, &plain) ==
        Outcome::kOk);
  CHECK(Decompress(Algorithm::kSnappyFramed, with({0x01, 4, 0, 0, 0, 0, 0, 0}), 200000, &plain) ==
        Outcome::kMalformed);
  CHECK(Decompress(Algorithm::kSnappy, packed, 100000, &plain) == Outcome::kOk);
  CHECK(plain == bytes);
}

/// The checksum of one damaged byte in a chunk that is not compressed is the only witness.
void TestSnappyChecksum() {
  Bytes noise(1000);
  std::mt19937 random(7);
  for (uint8_t& byte : noise) byte = static_cast<uint8_t>(random());
  Bytes packed = Compress(Algorithm::kSnappyFramed, noise);
  packed[500] ^= 1;
  Bytes plain;
  CHECK(Decompress(Algorithm::kSnappyFramed, packed, 1000, &plain) == Outcome::kMalformed);
}

void TestHugeClaims() {
  Bytes plain;
  // A snappy block that says it becomes 4 GiB - 1, and a zstd frame that says 1 TiB.
  CHECK(Decompress(Algorithm::kSnappy, {0xff, 0xff, 0xff, 0xff, 0x0f, 0}, 1 << 20, &plain) == Outcome::kTooLarge);
  CHECK(Decompress(Algorithm::kZstd, {0x28, 0xb5, 0x2f, 0xfd, 0xe0, 0, 0, 0, 0, 0, 1, 0, 0, 1, 0, 0}, 1 << 20,
                   &plain) == Outcome::kTooLarge);
}

}  // namespace

int main() {
  for (const char* name : kNames) {
    const auto algorithm = otelcodecs::AlgorithmOf(name);
    CHECK(algorithm.has_value());
    TestRoundTrips(*algorithm);
    TestTruncation(*algorithm);
    TestDamage(*algorithm);
  }
  CHECK(!otelcodecs::AlgorithmOf("br").has_value());
  TestGzipMembers();
  TestSnappyChunks();
  TestSnappyChecksum();
  TestHugeClaims();
  return testResult("compression");
}
