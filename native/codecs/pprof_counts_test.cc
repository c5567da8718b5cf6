// SPDX-License-Identifier: Apache-2.0
#include "pprof_counts.h"

#include <initializer_list>
#include <vector>

#include "test_macros.h"

namespace {

using otelcodecs::Algorithm;
using otelcodecs::CountGzippedPprof;
using otelcodecs::CountPprof;
using otelcodecs::Outcome;
using otelcodecs::Output;
using otelcodecs::PprofCounts;
using Bytes = std::vector<uint8_t>;

/// A copy of exactly its size, so that AddressSanitizer sees a read beyond it.
std::optional<PprofCounts> Count(const Bytes& bytes) { return CountPprof({bytes.data(), bytes.size()}); }

Bytes Gzip(const Bytes& bytes) {
  Output out(SIZE_MAX);
  CHECK(otelcodecs::Compress(Algorithm::kGzip, {bytes.data(), bytes.size()}, 6, &out) == Outcome::kOk);
  return {out.data(), out.data() + out.size()};
}

/// Two sample types, three samples, a string that says `text`, times and a period.
Bytes Profile(size_t text = 1) {
  Bytes bytes = {0x0a, 0, 0x0a, 2, 8, 1, 0x12, 0, 0x12, 1, 0, 0x12, 0, 0x48, 0xff, 1, 0x5a, 0, 0x60, 1};
  bytes.push_back(0x32);
  for (; text >= 0x80; text >>= 7) bytes.push_back(static_cast<uint8_t>(text | 0x80));
  bytes.push_back(static_cast<uint8_t>(text));
  return bytes;
}

void TestCounts() {
  Bytes bytes = Profile();
  bytes.push_back('x');
  const auto counts = Count(bytes);
  CHECK(counts.has_value());
  if (!counts) return;
  CHECK_EQ(counts->sampleTypes, 2u);
  CHECK_EQ(counts->samples, 3u);
  CHECK_EQ(counts->strings, 1u);
  CHECK_EQ(counts->plainBytes, bytes.size());
  // Every shorter one ends within a field or is another file; none is read beyond its end.
  for (size_t size = 0; size < bytes.size(); size++) Count(Bytes(bytes.begin(), bytes.begin() + size));
}

void TestRefused() {
  const std::initializer_list<Bytes> bad = {
      {0x0a},                                      // no length
      {0x0a, 5, 1},                                // length past the end
      {0x08, 1},                                   // a sample type that is a number
      {0x12, 0x80},                                // length cut
      {0x3a, 0},                                   // drop_frames that is a text
      {0x38, 0xff, 0xff, 0xff, 0xff, 0x0f},        // an index over 31 bits
      {0x4a, 0},                                   // time_nanos that is a text
      {0x58, 1},                                   // period_type that is a number
      {0x68, 1},                                   // comments are for others to look at
      {0x03},                                      // field 0
      {0x13, 0x14},                                // a group
      {'<', 'h', 't', 'm', 'l', '>'},
  };
  for (const Bytes& bytes : bad) CHECK(!Count(bytes).has_value());
}

void TestGzip() {
  Bytes bytes = Profile(200'000);
  bytes.resize(bytes.size() + 200'000, 'x');
  const Bytes file = Gzip(bytes);
  // Again and again, larger and smaller ones, in memory that is kept.
  for (const size_t limit : {bytes.size(), bytes.size() + 5'000'000, bytes.size()}) {
    const auto counts = CountGzippedPprof({file.data(), file.size()}, limit);
    CHECK(counts.has_value() && counts->samples == 3 && counts->plainBytes == bytes.size());
    const Bytes small = Gzip({0x32, 0});
    const auto other = CountGzippedPprof({small.data(), small.size()}, 2);
    CHECK(other.has_value() && other->samples == 0 && other->strings == 1 && other->plainBytes == 2);
  }
  CHECK(!CountGzippedPprof({file.data(), file.size()}, bytes.size() - 1).has_value());
  CHECK(!CountGzippedPprof({file.data(), file.size() - 1}, bytes.size()).has_value());
  CHECK(!CountGzippedPprof({file.data(), 0}, 10).has_value());
  Bytes damaged = file;
  damaged[file.size() - 6] ^= 1;  // its checksum
  CHECK(!CountGzippedPprof({damaged.data(), damaged.size()}, bytes.size()).has_value());
}

}  // namespace

int main() {
  TestCounts();
  TestRefused();
  TestGzip();
  return testResult("pprof_counts");
}
