// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <initializer_list>
#include <random>
#include <string_view>
#include <utility>
#include <vector>

#include "wire_writer.h"

namespace pproftest {

using otelcodecs::otlp::Len;
using otelcodecs::otlp::Varint;
using otelcodecs::otlp::WireWriter;
using Bytes = std::vector<uint8_t>;

/// A stack of one location and its value of alloc_space.
struct Row {
  uint64_t location;
  int64_t value;
};

/// Locations 1 to 3, each of the function and the mapping with its id, in functions "a", "b" and "c".
inline Bytes File(const std::vector<Row>& rows, int64_t timeNanos = 1, uint64_t lastId = 3) {
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

/// Calls `use` with many files of which three bytes are others; every other time with true.
template <typename Use>
void Damaged(const Bytes& good, Use use) {
  std::mt19937 random(1);
  for (int i = 0; i < 20'000; i++) {
    Bytes damaged = good;
    for (int k = 0; k < 3; k++) damaged[random() % damaged.size()] = static_cast<uint8_t>(random());
    use(damaged, i % 2 == 0);
  }
}

}  // namespace pproftest
