// SPDX-License-Identifier: Apache-2.0
#include "pprof_otlp.h"

#include <string_view>

#include "pprof_test_bytes.h"
#include "test_macros.h"

namespace {

using otelcodecs::Buffer;
using otelcodecs::PprofToOtlp;
using pproftest::Bytes;
using pproftest::Damaged;
using pproftest::File;

/// Of a copy of exactly its size, so that AddressSanitizer sees a read beyond it.
std::optional<Buffer<uint8_t>> Otlp(const Bytes& bytes) {
  const Bytes copy = bytes;
  return PprofToOtlp({copy.data(), copy.size()});
}

bool Holds(const Buffer<uint8_t>& otlp, std::string_view text) {
  const std::string_view all(reinterpret_cast<const char*>(otlp.data()), otlp.size());
  return all.find(text) != std::string_view::npos;
}

void TestTaken() {
  const auto otlp = Otlp(File({{1, 100}, {3, 50}, {1, 7}}));
  CHECK(otlp.has_value());
  // Samples of the stacks in rows 1, 2 and 1 again, with their values; each stack once.
  CHECK(Holds(*otlp, std::string_view("\x12\x05\x08\x01\x22\x01\x64\x12\x05\x08\x02\x22\x01\x32", 14)));
  CHECK(Holds(*otlp, std::string_view("\x12\x05\x08\x01\x22\x01\x07", 7)));
  CHECK(Holds(*otlp, std::string_view("\x3a\0\x3a\x03\x0a\x01\x01\x3a\x03\x0a\x01\x03", 12)));
  CHECK(Holds(*otlp, "pprof.mapping.has_functions") && Holds(*otlp, "alloc_space"));
}

void TestRefused() {
  CHECK(!Otlp({}).has_value());
  CHECK(!Otlp({0x32, 0}).has_value());             // no types
  CHECK(!Otlp(File({{4, 1}})).has_value());        // no such location
  CHECK(!Otlp(File({{1, 1}}, 1, 2)).has_value());  // a function's id used twice
  // 1,000 types for 4,000 samples of two bytes each for a type: a hundred times the file.
  Bytes many = {0x32, 0};
  for (int i = 0; i < 1'000; i++) many.insert(many.end(), {0x0a, 0});
  for (int i = 0; i < 4'000; i++) {
    many.insert(many.end(), {0x12, 0xeb, 0x07, 0x12, 0xe8, 0x07});
    many.insert(many.end(), 1'000, 1);
  }
  CHECK(Otlp(many).has_value());  // seven bytes for one
  const Bytes labels = {0x1a, 2, 0x18, 1, 0x1a, 4, 8, 1, 0x18, 1, 0x1a, 4, 8, 2, 0x18, 1};
  Bytes labelled = {0x32, 0, 0x32, 1, 'k', 0x32, 1, 'l'};
  for (int i = 0; i < 200; i++) labelled.insert(labelled.end(), {0x0a, 0});
  for (int i = 0; i < 9'000; i++) {
    labelled.insert(labelled.end(), {0x12, 0xdb, 0x01, 0x12, 0xc8, 0x01});
    labelled.insert(labelled.end(), 200, 1);
    labelled.insert(labelled.end(), labels.begin(), labels.end());
  }
  CHECK(!Otlp(labelled).has_value());  // the labels once for each type: more than eight
}

void TestHostile() {
  const Bytes good = File({{1, 1}, {2, 900}, {3, -5}, {1, 7}});
  for (size_t size = 0; size < good.size(); size++) Otlp(Bytes(good.begin(), good.begin() + size));
  size_t taken = 0;
  Damaged(good, [&](const Bytes& damaged, bool) { taken += Otlp(damaged).has_value(); });
  CHECK(taken > 50);
}

}  // namespace

int main() {
  TestTaken();
  TestRefused();
  TestHostile();
  return testResult("pprof_otlp");
}
