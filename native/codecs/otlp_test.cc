// SPDX-License-Identifier: Apache-2.0
// otlp_test [REQUEST_FILE…]: mutates a built request, and the files, and holds every function to its memory. All
// bytes and columns are of exactly their size on the heap, so that a sanitizer sees one byte too many.
#include <algorithm>
#include <fstream>
#include <iterator>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "otlp.h"
#include "otlp_rows.h"
#include "test_macros.h"

using namespace otelcodecs::otlp;

namespace {

using Bytes = std::vector<uint8_t>;

// A writer for test messages.

Bytes VarintBytes(uint64_t value) {
  Bytes out;
  for (; value >= 0x80; value >>= 7) out.push_back(static_cast<uint8_t>(value | 0x80));
  out.push_back(static_cast<uint8_t>(value));
  return out;
}

void Append(Bytes* out, const Bytes& more) { out->insert(out->end(), more.begin(), more.end()); }

Bytes Join(const std::vector<Bytes>& parts) {
  Bytes out;
  for (const Bytes& part : parts) Append(&out, part);
  return out;
}

Bytes Number(uint32_t field, uint64_t value) { return Join({VarintBytes(Varint(field)), VarintBytes(value)}); }

Bytes Fixed(uint32_t field, uint64_t value) {
  Bytes out = VarintBytes(I64(field));
  for (int shift = 0; shift < 64; shift += 8) out.push_back(static_cast<uint8_t>(value >> shift));
  return out;
}

Bytes Nested(uint32_t field, const std::vector<Bytes>& parts) {
  const Bytes body = Join(parts);
  return Join({VarintBytes(Len(field)), VarintBytes(body.size()), body});
}

Bytes Text(uint32_t field, const std::string& text) { return Nested(field, {Bytes(text.begin(), text.end())}); }

Bytes Packed(uint32_t field, const std::vector<uint64_t>& values) {
  std::vector<Bytes> parts;
  for (uint64_t value : values) parts.push_back(VarintBytes(value));
  return Nested(field, parts);
}

Bytes SmallDictionary() {
  const Bytes value = Nested(
      2, {Nested(6, {Nested(1, {Text(1, "clé"),
                                Nested(2, {Nested(5, {Nested(1, {Number(3, ~0ull)}), Nested(1, {})})})}),
                     Nested(1, {Number(3, 2), Nested(2, {Number(8, 1)})})})});
  std::vector<Bytes> rows;
  for (const char* text : {"", "main", "größe 日本 🔥", "a string of more than thirty-two bytes, all ASCII"})
    rows.push_back(Text(kStrings, text));
  for (uint64_t i = 0; i < 300; i++)
    rows.push_back(Nested(kFunctions, {Number(1, i % 4), Number(3, 2), Number(4, i << 40)}));
  rows.push_back(Nested(kMappings, {Number(1, 1ull << 46), Number(2, ~0ull), Number(3, 4096), Number(4, 3),
                                    Packed(5, {0, 1})}));
  rows.push_back(Nested(kAttributes, {}));
  rows.push_back(Nested(kAttributes, {Number(1, 1), value, Number(3, 2)}));
  rows.push_back(Nested(kLinks, {Text(1, std::string(16, 't')), Text(2, std::string(8, 's'))}));
  rows.push_back(Nested(kLocations, {Number(2, 0x7f00'1234'5678), Number(4, 1), Number(4, 0)}));
  rows.push_back(Nested(kLocations, {Nested(3, {Number(1, 299), Number(2, 7)}), Nested(3, {Number(3, 9)}),
                                     Packed(4, {1, 1})}));
  for (int i = 0; i < 200; i++) rows.push_back(Nested(kLocations, {Number(1, 0)}));
  rows.push_back(Nested(kStacks, {Packed(1, {0, 1, 199, 200, 5}), Number(1, 3)}));
  rows.push_back(Nested(kStacks, {}));
  rows.push_back(Nested(9, {Bytes{1, 2, 3}}));
  return Join(rows);
}

Bytes SmallProfiles() {
  const std::vector<Bytes> samples = {
      Nested(2, {Number(1, 1), Packed(2, {0, 1}), Packed(4, {5})}),
      Nested(2, {Fixed(5, 1), Fixed(5, 2), Number(4, 1), Number(4, ~0ull)}),
      Nested(2, {Number(3, 0), Nested(5, {Bytes(24, 1)})}),
  };
  const Bytes attribute = Join({Text(1, "service.name"), Nested(2, {Text(1, "shop")})});
  const Bytes profile = Join({Nested(1, {Number(1, 1), Number(2, 2)}), Join(samples), Fixed(3, 7), Number(4, 9),
                              Nested(5, {Number(1, 3)}), Number(6, 100), Text(7, std::string(16, 'p')), Number(8, 1),
                              Text(9, "pprof"), Text(10, "\xff"), Packed(11, {0, 1}), Number(20, 1)});
  const Bytes scope = Nested(1, {Text(1, "profiler"), Text(2, "1"), Nested(3, {attribute}), Number(4, 0)});
  const Bytes entity = Nested(3, {Text(2, "host"), Text(3, "host.id")});
  const Bytes resource = Nested(1, {Nested(1, {attribute}), Number(2, 1), entity});
  return Nested(1, {resource, Nested(2, {scope, Nested(2, {profile}), Text(3, "url")}), Text(3, "url")});
}

/// Heap memory of exactly `size` elements, without spare room.
template <typename T>
class Column {
 public:
  explicit Column(size_t size) : data_(new T[size]()), size_(size) {}
  operator std::span<T>() const { return {data_.get(), size_}; }
  std::span<T> span() const { return *this; }

 private:
  std::unique_ptr<T[]> data_;
  size_t size_;
};

class Fuzzer {
 public:
  explicit Fuzzer(uint32_t seed) : random_(seed) {}

  uint64_t accepted = 0;
  uint64_t filled = 0;

  size_t Below(size_t limit) { return std::uniform_int_distribution<size_t>(0, limit - 1)(random_); }

  Bytes Mutate(Bytes bytes) {
    for (size_t changes = 1 + Below(3); changes > 0 && !bytes.empty(); changes--) {
      const size_t at = Below(bytes.size());
      const auto place = bytes.begin() + static_cast<ptrdiff_t>(at);
      const size_t length = Below(std::min<size_t>(12, bytes.size() - at) + 1);
      switch (Below(7)) {
        case 0: bytes.resize(at); break;
        case 1:
        case 2: *place ^= static_cast<uint8_t>(1u << Below(8)); break;
        case 3: bytes.insert(place, static_cast<uint8_t>(Below(256))); break;
        case 4: bytes.erase(place, place + static_cast<ptrdiff_t>(length)); break;
        case 5: {
          const Bytes piece(place, place + static_cast<ptrdiff_t>(length));
          bytes.insert(place, piece.begin(), piece.end());
          break;
        }
        default: *place += static_cast<uint8_t>(Below(2) ? 1 : 255);
      }
    }
    return bytes;
  }

  /// Everything, on `bytes` as a dictionary and as a request: columns as counted, and columns that are not.
  void Try(const Bytes& bytes) {
    const Column<uint8_t> exact(bytes.size());
    std::ranges::copy(bytes, exact.span().begin());
    const Message message{exact.span(), 0, static_cast<uint32_t>(bytes.size())};
    TryDictionary(message);
    EachRow(Open(message), 2, [&](Cursor dictionary) {
      TryDictionary(Part(message, dictionary));
      return true;
    });
    const Column<uint32_t> rows(kTableFields);
    std::ranges::fill(rows.span(), 100'000);
    for (const Revision revision : {Revision::k1x8, Revision::k1x9, Revision::k1x10}) {
      for (const size_t resources : {0, 1, 80}) {
        const Column<uint32_t> totals(profiles_fact::kPerResource * resources + profiles_fact::kSize);
        accepted += ScanProfiles(message, revision, rows.span(), totals);
      }
      FillProfiles(message, revision);
    }
  }

 private:
  /// `size`, or now and then another that is near.
  size_t About(size_t size, bool exact) {
    if (exact || Below(3) != 0) return size;
    return Below(2) ? size + 1 : size == 0 ? 0 : Below(size);
  }

  static Message Part(const Message& message, const Cursor& c) {
    const uint8_t* origin = message.all.data();
    return {message.all, static_cast<uint32_t>(c.at - origin), static_cast<uint32_t>(c.end - origin)};
  }

  void TryDictionary(const Message& message) {
    const Column<uint32_t> facts(dictionary_fact::kSize);
    const bool ok = ScanDictionary(message, facts);
    accepted += ok;
    FillTables(message, facts, ok);
  }

  void FillTables(const Message& message, const Column<uint32_t>& facts, bool accepted) {
    // What a scan has seen must be readable; columns of any other size must not be overrun.
    for (const bool exact : {true, false}) {
      const auto count = [&](size_t fact) { return About(facts.span()[fact] % 100'000, exact); };
      const auto rows = [&](size_t field) { return count(dictionary_fact::kRows + field); };
      const auto starts = [&](size_t field) { return field != kStacks && Below(4) == 0 ? 0 : rows(field) + 1; };
      const bool all = FillTable(message, rows, starts, count);
      if (exact && accepted) CHECK(all);
      filled += all;
    }
  }

  template <typename Rows, typename Starts, typename Count>
  static bool FillTable(const Message& m, Rows rows, Starts starts, Count count) {
    namespace fact = dictionary_fact;
    using I32s = Column<int32_t>;
    using U32s = Column<uint32_t>;
    using I64s = Column<int64_t>;
    using U64s = Column<uint64_t>;
    const U32s stringStart(rows(kStrings)), stringEnd(rows(kStrings));
    bool all = FillStrings(m, {stringStart, stringEnd});
    const I32s name(rows(kFunctions)), systemName(rows(kFunctions)), file(rows(kFunctions));
    const I64s startLine(count(fact::kStartLines) ? rows(kFunctions) : 0);
    all &= FillFunctions(m, {name, systemName, file, startLine});
    const U64s start(rows(kMappings)), limit(rows(kMappings)), offset(rows(kMappings));
    const I32s mappingFile(rows(kMappings)), mappingAttributes(count(fact::kMappingAttributes));
    const U32s mappingStart(starts(kMappings));
    all &= FillMappings(m, {start, limit, offset, mappingFile, mappingStart, mappingAttributes});
    const I32s mapping(rows(kLocations)), locationAttributes(count(fact::kLocationAttributes));
    const I32s function(count(fact::kLines));
    const U64s address(rows(kLocations));
    const U32s attributeStart(starts(kLocations)), lineStart(starts(kLocations));
    const I64s line(count(fact::kLines)), column(count(fact::kColumns) ? count(fact::kLines) : 0);
    all &= FillLocations(
        m, {mapping, address, attributeStart, locationAttributes, lineStart, function, line, column});
    const U32s stackStart(starts(kStacks));
    const I32s frames(count(fact::kFrames));
    all &= FillStacks(m, {stackStart, frames});
    const Column<uint8_t> traceIds(rows(kLinks) * 16), spanIds(rows(kLinks) * 8);
    all &= FillLinks(m, {traceIds, spanIds});
    const I32s key(rows(kAttributes)), unit(rows(kAttributes));
    const U32s valueStart(rows(kAttributes)), valueEnd(rows(kAttributes));
    return FillAttributes(m, {key, unit, valueStart, valueEnd}) && all;
  }

  /// Wherever a profile may be: whole, and three messages deep.
  void FillProfiles(const Message& message, Revision revision) {
    FillProfile(message, revision);
    EachRow(Open(message), 1, [&](Cursor resource) {
      return EachRow(resource, 2, [&](Cursor scope) {
        return EachRow(scope, 2, [&](Cursor profile) {
          FillProfile(Part(message, profile), revision);
          return true;
        });
      });
    });
  }

  void FillProfile(const Message& m, Revision revision) {
    const Column<uint32_t> facts(samples_fact::kSize);
    const bool counted = CountSamples(m, revision, facts);
    for (const bool exact : {true, false}) {
      const auto count = [&](size_t fact) { return About(facts.span()[fact], exact); };
      const size_t rows = count(samples_fact::kSamples);
      const size_t starts = Below(4) == 0 ? 0 : rows + 1;
      const Column<int32_t> stack(rows), link(count(samples_fact::kLinks) ? rows : 0);
      const Column<int32_t> attributes(count(samples_fact::kAttributes));
      const Column<uint32_t> attributeStart(starts), timestampStart(starts);
      const Column<uint32_t> valueStart(count(samples_fact::kOneValueEach) ? 0 : starts);
      const Column<int64_t> values(count(samples_fact::kValues));
      const Column<uint64_t> timestamps(count(samples_fact::kTimestamps));
      const bool all = FillSamples(
          m, revision,
          {stack, link, attributeStart, attributes, valueStart, values, timestampStart, timestamps});
      if (exact) CHECK_EQ(all, counted);
      filled += all;
    }
  }

  std::mt19937 random_;
};

void Varints() {
  const auto read = [](const Bytes& bytes, uint64_t* value) {
    const Column<uint8_t> exact(bytes.size());
    std::ranges::copy(bytes, exact.span().begin());
    const uint8_t* at = exact.span().data();
    Cursor c{at, at + bytes.size()};
    return ReadVarint(c, value) && c.at == c.end;
  };
  uint64_t value = 0;
  for (int bits = 0; bits < 64; bits++) {
    const uint64_t mixed = 0x5a5a'a5a5'1234'5678;
    for (const uint64_t wanted : {uint64_t{1} << bits, (uint64_t{1} << bits) - 1, ~uint64_t{0} >> bits, mixed >> bits}) {
      Bytes bytes = VarintBytes(wanted);
      for (; bytes.size() <= 10; bytes.push_back(0)) {
        CHECK(read(bytes, &value));
        CHECK_EQ(value, wanted);
        bytes.back() |= 0x80;
        CHECK(!read(bytes, &value));
      }
      CHECK(!read(bytes, &value));
    }
  }
  CHECK(!read({0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x02}, &value));
}

/// Packed rows of all widths, many at once, against one at a time.
void Lists() {
  std::mt19937_64 random(3);
  const uint32_t borders[] = {1, 127, 128, 200, 16383, 16384, 16385, 1u << 21, 1u << 28, kAnyRow};
  for (int round = 0; round < 20000; round++) {
    const uint32_t limit = borders[random() % std::size(borders)];
    const uint64_t width = random() % 3 ? limit : std::min<uint64_t>(limit, 300);
    std::vector<Bytes> rows;
    std::vector<int32_t> wanted;
    bool accepted = true;
    for (size_t left = random() % 80; left > 0; left--) {
      uint64_t row = random() % width;
      if (random() % 4000 == 0) row = limit + random() % 3;
      accepted &= row < limit;
      wanted.push_back(static_cast<int32_t>(row));
      rows.push_back(VarintBytes(row));
      while (random() % 500 == 0 && rows.back().size() < 10) {
        rows.back().back() |= 0x80;
        rows.back().push_back(0);
      }
    }
    Bytes bytes = Join(rows);
    if (random() % 20 == 0 && !bytes.empty()) {
      bytes.back() |= 0x80;
      accepted = false;
    }
    const Column<uint8_t> exact(bytes.size());
    std::ranges::copy(bytes, exact.span().begin());
    const Cursor list{exact.span().data(), exact.span().data() + bytes.size()};
    Counter counter;
    CHECK_EQ(AddAllRows(list, limit, counter), accepted);
    const Column<int32_t> out(wanted.size()), small(wanted.empty() ? 0 : random() % wanted.size());
    Writer writer(out.span()), tooSmall(small.span());
    CHECK_EQ(AddAllRows(list, limit, writer), accepted);
    if (!wanted.empty()) CHECK(!AddAllRows(list, limit, tooSmall));
    if (!accepted) continue;
    CHECK_EQ(counter.count, wanted.size());
    CHECK(writer.IsFull() && std::ranges::equal(out.span(), wanted));
  }
}

void Fuzz(const Bytes& seed, uint32_t number, int rounds) {
  Fuzzer fuzzer(number);
  fuzzer.Try(seed);
  const uint64_t before = fuzzer.accepted;
  CHECK(before > 0);
  for (int round = 0; round < rounds; round++) fuzzer.Try(fuzzer.Mutate(seed));
  CHECK(fuzzer.accepted > before);
  CHECK(fuzzer.filled > 0);
}

}  // namespace

int main(int argc, char** argv) {
  Varints();
  Lists();
  Fuzz(SmallDictionary(), 1, 4000);
  Fuzz(SmallProfiles(), 2, 20000);
  for (int i = 1; i < argc; i++) {
    std::ifstream file(argv[i], std::ios::binary);
    Fuzz(Bytes(std::istreambuf_iterator<char>(file), {}), static_cast<uint32_t>(i), 1000);
  }
  return testResult("otlp_test");
}
