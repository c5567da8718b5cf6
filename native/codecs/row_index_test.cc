// SPDX-License-Identifier: Apache-2.0
#include "row_index.h"

#include <map>
#include <optional>
#include <random>
#include <vector>

#include "test_macros.h"

namespace {

using otelcodecs::HashKey;
using otelcodecs::IndexRows;
using Words = std::vector<int32_t>;

constexpr HashKey kKey{0x03020100, 0x07060504, ~0u};

/// The value itself is held against the TypeScript counterpart, which is the reference.
void TestHash() {
  const Words words{1, 2, 3};
  CHECK_EQ(otelcodecs::HashWords(words, kKey), otelcodecs::HashWords(words, kKey));
  CHECK(otelcodecs::HashWords(words, kKey) != otelcodecs::HashWords(Words{1, 2, 3, 0}, kKey));
  CHECK(otelcodecs::HashWords(words, kKey) != otelcodecs::HashWords(words, {1, 2, ~0u}));
  CHECK_EQ(otelcodecs::HashWords(words, {1, 2, 0}), 0u);
}

void TestRandomRows(uint32_t mask) {
  std::mt19937 random(7);
  for (int round = 0; round < 300; round++) {
    const size_t rows = random() % 70;
    Words words;
    std::vector<uint32_t> starts{0};
    std::map<Words, int32_t> known;
    uint32_t duplicates = 0;
    for (size_t i = 0; i < rows; i++) {
      Words row(random() % 3);
      for (int32_t& word : row) word = static_cast<int32_t>(random() % 4);
      words.insert(words.end(), row.begin(), row.end());
      starts.push_back(static_cast<uint32_t>(words.size()));
      if (!known.emplace(row, static_cast<int32_t>(i + 1)).second) duplicates++;
    }
    Words slots(256 * 2);
    const std::optional<uint32_t> found = IndexRows(words, starts, slots, {1, 2, mask});
    CHECK(found == duplicates);
    size_t used = 0;
    for (size_t slot = 0; slot < slots.size(); slot += 2) {
      if (slots[slot + 1] == 0) continue;
      used++;
      const auto row = static_cast<size_t>(slots[slot + 1]) - 1;
      const Words held(words.begin() + starts[row], words.begin() + starts[row + 1]);
      CHECK_EQ(known.at(held), slots[slot + 1]);
      CHECK_EQ(static_cast<uint32_t>(slots[slot]), otelcodecs::HashWords(held, {1, 2, mask}));
    }
    CHECK_EQ(used, known.size());
  }
}

void TestWhatDoesNotFit() {
  const Words words{1, 2, 3};
  Words slots(8), odd(12), full(8, 1);
  const std::vector<uint32_t> good{0, 1, 3}, beyond{0, 1, 4}, backwards{0, 3, 1}, late{1, 2, 3}, many{0, 1, 2, 3};
  CHECK(IndexRows(words, good, slots, kKey).has_value());
  CHECK(!IndexRows(words, beyond, slots, kKey).has_value());
  CHECK(!IndexRows(words, backwards, slots, kKey).has_value());
  CHECK(!IndexRows(words, late, slots, kKey).has_value());
  CHECK(!IndexRows(words, many, slots, kKey).has_value());
  CHECK(!IndexRows(words, {}, slots, kKey).has_value());
  CHECK(!IndexRows(words, good, odd, kKey).has_value());
  CHECK(!IndexRows(words, good, {}, kKey).has_value());
  for (size_t i = 1; i < full.size(); i += 2) full[i] = 99;
  CHECK(!IndexRows(words, good, full, kKey).has_value());
}

}  // namespace

int main() {
  TestHash();
  for (const uint32_t mask : {~0u, 3u, 0u}) TestRandomRows(mask);
  TestWhatDoesNotFit();
  return testResult("row_index");
}
