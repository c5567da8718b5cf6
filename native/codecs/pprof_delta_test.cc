// SPDX-License-Identifier: Apache-2.0
#include "pprof_delta.h"

#include <string_view>
#include <vector>

#include "pprof_test_bytes.h"
#include "test_macros.h"

namespace {

using otelcodecs::DeltaPprof;
using otelcodecs::PprofDelta;
using pproftest::Bytes;
using pproftest::Damaged;
using pproftest::File;
using Outcome = PprofDelta::Outcome;

/// Of a copy of exactly its size, so that AddressSanitizer sees a read beyond it.
std::optional<PprofDelta> Delta(const Bytes& bytes, std::span<const uint64_t> last = {}, bool sendsFirst = false) {
  const Bytes copy = bytes;
  return DeltaPprof({copy.data(), copy.size()}, last, sendsFirst);
}

bool Holds(const PprofDelta& delta, std::string_view text) {
  const auto all = delta.file.all();
  return std::string_view(reinterpret_cast<const char*>(all.data()), all.size()).find(text) != std::string_view::npos;
}

void TestDifference() {
  const auto first = Delta(File({{1, 100}, {2, 50}}, 1'000));
  CHECK(first && first->outcome == Outcome::kFirst && first->samplesBefore == 2);
  CHECK_EQ(first->samples, 0u);
  CHECK_EQ(first->file.size(), 0u);
  const auto next = Delta(File({{2, 50}, {1, 130}, {3, 7}}, 3'000), first->totals.all());
  CHECK(next && next->outcome == Outcome::kDelta && next->samples == 2 && next->sampleTypes == 1);
  // What nobody refers to any more is gone; it can be read again, and holds the time between the two.
  CHECK(Holds(*next, "\x32\x01" "a") && !Holds(*next, "\x32\x01" "b") && Holds(*next, "\x32\x01" "c"));
  CHECK(Holds(*next, "alloc_space") && Holds(*next, "/bin/it"));
  CHECK(Holds(*next, std::string_view("\x50\xd0\x0f", 3)));
  const auto all = next->file.all();
  const auto again = Delta({all.begin(), all.end()}, {}, true);
  CHECK(again && again->samples == 2 && again->file.size() == next->file.size());
  const auto reset = Delta(File({{1, 5}}, 4'000), next->totals.all());
  CHECK(reset && reset->outcome == Outcome::kReset && reset->samples == 1);
  const auto nothing = Delta(File({}, 1));
  const auto after = Delta(File({{1, 5}}, 2), nothing->totals.all());
  CHECK(after && after->outcome == Outcome::kDelta && after->samples == 1);
  const auto same = Delta(File({{1, 5}}, 5'000), reset->totals.all());
  CHECK(same && same->outcome == Outcome::kDelta && same->samples == 0 && same->file.size() == 0);
}

void TestTotalsOfOthers() {
  const auto first = Delta(File({{1, 100}}));
  const auto words = first->totals.all();
  std::vector<uint64_t> bad(words.begin(), words.end());
  for (const size_t at : {0u, 3u, 4u}) {
    for (const uint64_t word : {uint64_t{0}, uint64_t{2}, UINT64_MAX, UINT64_MAX / 3}) {
      std::vector<uint64_t> other = bad;
      other[at] = word;
      const auto delta = Delta(File({{1, 120}}), other);
      CHECK(delta && delta->outcome == Outcome::kFirst);
    }
  }
  bad.pop_back();
  CHECK(Delta(File({{1, 120}}), bad)->outcome == Outcome::kFirst);
}

void TestRefused() {
  const Bytes good = File({{1, 1}});
  CHECK(Delta(good).has_value());
  CHECK(!Delta(File({{4, 1}})).has_value());                 // no such location
  CHECK(!Delta(File({{0, 1}})).has_value());                 // nor that
  CHECK(!Delta(File({{1, 1}}, 1, 2)).has_value());           // a function's id used twice
  CHECK(!Delta(File({{1, 1}}, 1, 1u << 30)).has_value());    // ids spread widely
  CHECK(!Delta({}).has_value());                             // no strings
  Bytes twoValues = good;
  twoValues.insert(twoValues.end(), {0x12, 7, 0x0a, 1, 1, 0x12, 2, 1, 1});
  CHECK(!Delta(twoValues).has_value());
  // Every shorter one, and thousands of damaged ones: refused or read, never beyond the end.
  const auto first = Delta(good);
  for (size_t size = 0; size < good.size(); size++) Delta(Bytes(good.begin(), good.begin() + size), first->totals.all());
  size_t read = 0;
  Damaged(File({{1, 1}, {2, 900}, {3, -5}, {1, 7}}), [&](const Bytes& damaged, bool isOdd) {
    read += Delta(damaged, first->totals.all(), isOdd).has_value();
  });
  CHECK(read > 100);
}

}  // namespace

int main() {
  TestDifference();
  TestTotalsOfOthers();
  TestRefused();
  return testResult("pprof_delta");
}
