// SPDX-License-Identifier: Apache-2.0
#include "pprof_delta.h"

#include <random>
#include <string_view>
#include <vector>

#include "test_macros.h"
#include "wire_writer.h"

namespace {

using otelcodecs::DeltaPprof;
using otelcodecs::PprofDelta;
using otelcodecs::otlp::Len;
using otelcodecs::otlp::Varint;
using otelcodecs::otlp::WireWriter;
using Bytes = std::vector<uint8_t>;
using Outcome = PprofDelta::Outcome;

/// A stack of one location and its value of alloc_space.
struct Row {
  uint64_t location;
  int64_t value;
};

/// Locations 1 to 3, each of the function and the mapping with its id, in functions "a", "b" and "c".
Bytes File(const std::vector<Row>& rows, int64_t timeNanos = 1, uint64_t lastId = 3) {
  WireWriter w;
  const auto message = [&](uint32_t field, std::initializer_list<std::pair<uint32_t, uint64_t>> fields) {
    const size_t begin = w.Begin(Len(field));
    for (const auto& [number, value] : fields) w.Field(Varint(number), value);
    w.End(begin);
  };
  message(1, {{1, 4}, {2, 5}});
  for (const Row& row : rows) {
    const size_t begin = w.Begin(Len(2));
    const uint32_t stack[] = {static_cast<uint32_t>(row.location)};
    w.Packed(Len(1), stack);
    const size_t values = w.Begin(Len(2));
    w.Varint(static_cast<uint64_t>(row.value));
    w.End(values);
    w.End(begin);
  }
  message(3, {{1, 1}, {5, 6}});
  for (uint64_t id = 1; id <= 3; id++) {
    const uint64_t function = id == 3 ? lastId : id;
    const size_t begin = w.Begin(Len(4));
    w.Field(Varint(1), id);
    w.Field(Varint(2), 1);
    const size_t line = w.Begin(Len(4));
    w.Field(Varint(1), function);
    w.Field(Varint(2), 10);
    w.End(line);
    w.End(begin);
    message(5, {{1, function}, {2, id}});
  }
  for (const std::string_view text : {"", "a", "b", "c", "alloc_space", "bytes", "/bin/it"})
    w.Bytes(Len(6), {reinterpret_cast<const uint8_t*>(text.data()), text.size()});
  w.Field(Varint(9), static_cast<uint64_t>(timeNanos));
  const auto all = w.all();
  return {all.begin(), all.end()};
}

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
  std::mt19937 random(1);
  const Bytes larger = File({{1, 1}, {2, 900}, {3, -5}, {1, 7}});
  size_t read = 0;
  for (int i = 0; i < 20'000; i++) {
    Bytes damaged = larger;
    for (int k = 0; k < 3; k++) damaged[random() % damaged.size()] = static_cast<uint8_t>(random());
    read += Delta(damaged, first->totals.all(), i % 2 == 0).has_value();
  }
  CHECK(read > 100);
}

}  // namespace

int main() {
  TestDifference();
  TestTotalsOfOthers();
  TestRefused();
  return testResult("pprof_delta");
}
