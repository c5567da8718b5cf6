// SPDX-License-Identifier: Apache-2.0
// CPython's layouts, line tables and code objects, against what the interpreters themselves say.
#include <cstring>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "runtimes/python/detect.h"
#include "runtimes/python/line_table.h"
#include "runtimes/python/offsets.h"
#include "runtimes/python/symbolize.h"
#include "test_macros.h"

namespace otelprof::python {
namespace {

struct From {
  uint32_t offset, line, column;
};

struct LineCase {
  const char* version;
  LineFormat format;
  uint32_t bytes;  // of bytecode
  std::vector<uint8_t> table;
  std::vector<From> places;  // each holds up to the next
};

/// One function with backward jumps, gaps of 150 lines and instructions without a line, as compiled by each version;
/// places from co_positions(), co_lines() and dis.findlinestarts().
const std::vector<LineCase> kLineCases = {
    {"3.8", LineFormat::SignedPairs, 84,
     {0x00, 0x02, 0x04, 0x01, 0x06, 0x02, 0x06, 0xfe, 0x0a, 0x03, 0x0e, 0x03, 0x02, 0x01, 0x02, 0xff,
     0x12, 0x7f, 0x00, 0x1a, 0x04, 0x01, 0x02, 0xff, 0x06, 0x02, 0x04, 0x01, 0x02, 0xff},
     {{0, 3, 0}, {4, 4, 0}, {10, 6, 0}, {16, 4, 0}, {26, 7, 0}, {40, 10, 0},
     {42, 11, 0}, {44, 10, 0}, {62, 163, 0}, {66, 164, 0}, {68, 163, 0}, {74, 165, 0},
     {78, 166, 0}, {80, 165, 0}}},
    {"3.10", LineFormat::RangePairs, 100,
     {0x04, 0x02, 0x06, 0x01, 0x06, 0x02, 0x0a, 0xfe, 0x0c, 0x03, 0x02, 0x03, 0x02, 0x01, 0x08, 0xff,
     0x00, 0x7f, 0x04, 0x1a, 0x02, 0x01, 0x06, 0xff, 0x00, 0x81, 0x02, 0xe3, 0x02, 0xfd, 0x00, 0x7f,
     0x04, 0x20, 0x02, 0x01, 0x0a, 0xff, 0x02, 0x01, 0x06, 0xff, 0x04, 0x02, 0x02, 0x01, 0x04, 0xff},
     {{0, 3, 0}, {4, 4, 0}, {10, 6, 0}, {16, 4, 0}, {26, 7, 0}, {38, 10, 0},
     {40, 11, 0}, {42, 10, 0}, {50, 163, 0}, {54, 164, 0}, {56, 163, 0}, {62, 7, 0},
     {64, 4, 0}, {66, 163, 0}, {70, 164, 0}, {72, 163, 0}, {82, 164, 0}, {84, 163, 0},
     {90, 165, 0}, {94, 166, 0}, {96, 165, 0}}},
    {"3.11", LineFormat::Locations, 240,
     {0x80, 0x00, 0xf0, 0x04, 0x61, 0x02, 0x05, 0x0d, 0xf0, 0x02, 0x02, 0x0d, 0x17, 0xf0, 0x00, 0x02,
     0x0d, 0x17, 0xe5, 0x0d, 0x12, 0x90, 0x31, 0x89, 0x58, 0x8c, 0x58, 0xf0, 0x05, 0x02, 0x0d, 0x17,
     0xf1, 0x00, 0x02, 0x0d, 0x17, 0xf4, 0x00, 0x02, 0x0d, 0x17, 0x88, 0x01, 0x88, 0x01, 0xf8, 0xf5,
     0x06, 0x00, 0x0c, 0x16, 0xf0, 0x00, 0x04, 0x05, 0x13, 0xf0, 0x00, 0x04, 0x05, 0x13, 0xf0, 0x00,
     0x04, 0x05, 0x13, 0xf0, 0x06, 0x00, 0x11, 0x12, 0xd8, 0x10, 0x11, 0xf1, 0x03, 0x01, 0x11, 0x12,
     0xf0, 0x00, 0x01, 0x09, 0x13, 0xf0, 0x00, 0x01, 0x09, 0x13, 0xf5, 0x72, 0x04, 0x00, 0x09, 0x0e,
     0x88, 0x61, 0xd8, 0x0a, 0x0b, 0xf1, 0x03, 0x01, 0x09, 0x0d, 0xf4, 0x00, 0x01, 0x09, 0x0d, 0xf0,
     0x00, 0x01, 0x09, 0x0d, 0xf0, 0x00, 0x01, 0x09, 0x0d, 0xf0, 0x79, 0x04, 0x04, 0x05, 0x13, 0xf8,
     0xf8, 0xf8, 0xf0, 0x07, 0x00, 0x09, 0x0a, 0xf5, 0x7e, 0x04, 0x00, 0x09, 0x0e, 0x88, 0x61, 0xd8,
     0x0a, 0x0b, 0xf1, 0x03, 0x01, 0x09, 0x0d, 0xf4, 0x00, 0x01, 0x09, 0x0d, 0xf0, 0x00, 0x01, 0x09,
     0x0d, 0xf0, 0x00, 0x01, 0x09, 0x0d, 0xf8, 0x8d, 0x05, 0x88, 0x61, 0xd8, 0x0a, 0x0b, 0xf1, 0x03,
     0x01, 0x09, 0x0d, 0xf4, 0x00, 0x01, 0x09, 0x0d, 0xf0, 0x00, 0x01, 0x09, 0x0d, 0xf0, 0x00, 0x01,
     0x09, 0x0d, 0xf8, 0xf8, 0xf8, 0xe5, 0x0b, 0x0c, 0x88, 0x51, 0xd8, 0x08, 0x09, 0xf1, 0x03, 0x01,
     0x0c, 0x0b, 0xf4, 0x00, 0x01, 0x0c, 0x0b, 0xf0, 0x00, 0x01, 0x05, 0x0b},
     {{0, 1, 1}, {2, 3, 5}, {4, 4, 13}, {8, 6, 14}, {20, 6, 20}, {22, 6, 14},
     {36, 4, 13}, {52, 4, 9}, {56, 0, 0}, {58, 7, 12}, {70, 7, 5}, {76, 10, 17},
     {78, 11, 17}, {80, 10, 17}, {84, 10, 9}, {88, 163, 9}, {100, 163, 15}, {102, 164, 11},
     {104, 163, 9}, {122, 7, 5}, {124, 0, 0}, {130, 4, 9}, {132, 163, 9}, {144, 163, 15},
     {146, 164, 11}, {148, 163, 9}, {166, 0, 0}, {168, 163, 9}, {180, 163, 15}, {182, 164, 11},
     {184, 163, 9}, {202, 0, 0}, {208, 165, 12}, {220, 165, 14}, {222, 166, 9}, {224, 165, 12},
     {238, 165, 5}}},
    {"3.13", LineFormat::Locations, 216,
     {0x80, 0x00, 0xf0, 0x04, 0x61, 0x02, 0x05, 0x0d, 0xf4, 0x06, 0x00, 0x0e, 0x13, 0x90, 0x31, 0x8c,
     0x58, 0xf3, 0x05, 0x02, 0x0d, 0x17, 0xe1, 0x0d, 0x15, 0xf0, 0x03, 0x00, 0x12, 0x13, 0xf3, 0x03,
     0x00, 0x0e, 0x0f, 0xe1, 0x0d, 0x15, 0xf0, 0x05, 0x00, 0x09, 0x0a, 0xf0, 0x00, 0x02, 0x0d, 0x17,
     0x88, 0x01, 0xf4, 0x7e, 0x04, 0x00, 0x09, 0x0e, 0x88, 0x61, 0xd8, 0x0a, 0x0b, 0xf4, 0x03, 0x01,
     0x09, 0x0d, 0xe4, 0x0b, 0x0c, 0x88, 0x51, 0xd8, 0x08, 0x09, 0xf3, 0x03, 0x01, 0x0c, 0x0b, 0xf0,
     0x00, 0x01, 0x05, 0x0b, 0xf9, 0xf2, 0x43, 0x05, 0x02, 0x0d, 0x17, 0xf8, 0xf4, 0x06, 0x00, 0x0c,
     0x16, 0xf3, 0x00, 0x04, 0x05, 0x13, 0xf0, 0x06, 0x00, 0x11, 0x12, 0xd8, 0x10, 0x11, 0xf1, 0x03,
     0x01, 0x11, 0x12, 0xf1, 0x00, 0x01, 0x09, 0x13, 0xf4, 0x72, 0x04, 0x00, 0x09, 0x0e, 0x88, 0x61,
     0xd8, 0x0a, 0x0b, 0xf5, 0x03, 0x01, 0x09, 0x0d, 0xf0, 0x79, 0x04, 0x04, 0x05, 0x13, 0xfb, 0xf4,
     0x78, 0x04, 0x00, 0x09, 0x0e, 0x88, 0x61, 0xd8, 0x0a, 0x0b, 0xf5, 0x03, 0x01, 0x09, 0x0d, 0xfa},
     {{0, 1, 1}, {2, 3, 5}, {4, 6, 14}, {14, 6, 20}, {16, 6, 14}, {26, 4, 13},
     {34, 6, 14}, {38, 5, 18}, {40, 4, 14}, {48, 6, 14}, {52, 4, 9}, {54, 4, 13},
     {56, 4, 9}, {58, 163, 9}, {68, 163, 15}, {70, 164, 11}, {72, 163, 9}, {82, 165, 12},
     {92, 165, 14}, {94, 166, 9}, {96, 165, 12}, {104, 165, 5}, {106, 0, 0}, {110, 4, 13},
     {116, 0, 0}, {118, 7, 12}, {128, 7, 5}, {136, 10, 17}, {138, 11, 17}, {140, 10, 17},
     {144, 10, 9}, {148, 163, 9}, {158, 163, 15}, {160, 164, 11}, {162, 163, 9}, {174, 7, 5},
     {176, 0, 0}, {184, 163, 9}, {194, 163, 15}, {196, 164, 11}, {198, 163, 9}, {210, 0, 0}}},
};

void TestLines() {
  for (const auto& test : kLineCases) {
    size_t at = 0;
    for (uint32_t offset = 0; offset < test.bytes; offset += 2) {
      while (at + 1 < test.places.size() && test.places[at + 1].offset <= offset) at++;
      const Place place = FindPlace(test.format, test.table, 1, offset);
      CHECK_EQ(place.line, test.places[at].line);
      CHECK_EQ(place.column, test.places[at].column);
    }
    CHECK_EQ(FindPlace(test.format, test.table, 7, 0xfffffffe).line, 7u);  // about to start
    CHECK_EQ(FindPlace(test.format, {}, 7, 4).line, 7u);
    std::mt19937 random(1);
    for (int round = 0; round < 2000; round++) {
      auto damaged = test.table;
      damaged[random() % damaged.size()] = static_cast<uint8_t>(random());
      damaged.resize(random() % (damaged.size() + 1));
      FindPlace(test.format, damaged, 1, random() % (test.bytes * 2));
    }
  }
}

/// The words behind the cookie in CPython 3.13.0's _PyRuntime.
std::vector<uint64_t> DebugOffsets313() {
  return {0x30d00f0, 0,    283320, 608, 632, 194968, 7272, 7264, 7344, 7400, 7656, 7640, 7648, 16,  7752, 0,
          7768,      7760, 304,    0,   8,   16,     72,   152,  160,  232,  32,   80,   8,    0,   56,   72,
          70,        208,  112,    120, 128, 136,    68,   52,   96,   104,  200,  16,   8,    416, 24,   88,
          168,       32,   24,     16,  40,  24,     16,   48,   32,   40,   24,   16,   32,   16,  24,   40};
}

/// Of CPython 3.14.8 (Debian).
std::vector<uint64_t> DebugOffsets314() {
  return {0x30e08f0, 0,    316616, 784, 808,  225864, 7280, 7272, 7344, 7360, 7408, 7688, 7672, 7680, 16,  7784,
          0,         7800, 7792,   7992, 0,   832,    0,    8,    16,   72,   152,  160,  232,  32,   88,  8,
          0,         56,   80,     74,  64,   0,      216,  112,  120,  128,  136,  68,   52,   96,   104, 208,
          0,         16,   8,      416, 24,   88,     168,  40,   32,   16,   40,   24,   16,   200,  24,  40};
}

std::optional<Layout> FromWords(const std::vector<uint64_t>& words) {
  std::vector<uint8_t> table(8 + words.size() * 8);
  std::memcpy(table.data(), "xdebugpy", 8);
  std::memcpy(table.data() + 8, words.data(), words.size() * 8);
  return LayoutFromDebugOffsets(table);
}

void TestOffsets() {
  const auto stated = FromWords(DebugOffsets313());
  CHECK(stated.has_value());
  if (stated) {
    CHECK_EQ(int{stated->kernel.thread_frame}, 72);
    CHECK_EQ(int{stated->kernel.frame_previous}, 8);
    CHECK_EQ(int{stated->kernel.frame_code}, 0);
    CHECK_EQ(int{stated->kernel.frame_instruction}, 56);
    CHECK_EQ(int{stated->kernel.frame_mark}, 70);
    CHECK_EQ(int{stated->kernel.frame_bytes}, 78);
    CHECK_EQ(int{stated->kernel.code_first_line}, 68);
    CHECK_EQ(int{stated->kernel.code_name}, 128);
    CHECK_EQ(int{stated->kernel.code_bytecode}, 200);
    CHECK_EQ(int{stated->codeFile}, 112);
    CHECK_EQ(int{stated->codeLines}, 136);
  }
  const auto later = FromWords(DebugOffsets314());
  CHECK(later.has_value());
  if (later) {
    CHECK_EQ(int{later->kernel.thread_frame}, 72);
    CHECK_EQ(int{later->kernel.frame_instruction}, 56);
    CHECK_EQ(int{later->kernel.frame_mark}, 74);
    CHECK_EQ(int{later->kernel.frame_bytes}, 82);
    CHECK_EQ(int{later->kernel.code_name}, 128);
    CHECK_EQ(int{later->kernel.code_first_line}, 68);
    CHECK_EQ(int{later->kernel.code_bytecode}, 208);
    CHECK_EQ(int{later->codeLines}, 136);
  }
  auto words = DebugOffsets313();
  words[1] = 1;  // free-threaded
  CHECK(!FromWords(words));
  words = DebugOffsets313();
  words[0] = 0x30f00f0;  // 3.15
  CHECK(!FromWords(words));
  words = DebugOffsets313();
  words[30] = 4000;  // instr_ptr far outside a frame
  CHECK(!FromWords(words));
  CHECK(!LayoutFromDebugOffsets({}));

  CHECK_EQ(VersionOfRuntimeSize(1464), 0x308u);
  CHECK_EQ(VersionOfRuntimeSize(656), 0x309u);
  CHECK_EQ(VersionOfRuntimeSize(672), 0x30au);
  CHECK_EQ(VersionOfRuntimeSize(0), 0u);
  CHECK(!LayoutOf(0x307));
  for (uint32_t version = 0x308; version <= 0x30c; version++) {
    const auto layout = LayoutOf(version);
    CHECK(layout.has_value());
    if (!layout) continue;
    const op_python& k = layout->kernel;
    CHECK(k.frame_bytes <= 120);
    CHECK(k.frame_previous + 8 <= k.frame_bytes && k.frame_code + 8 <= k.frame_bytes);
    CHECK(k.frame_instruction + (k.instruction_unit ? 4 : 8) <= k.frame_bytes && k.frame_mark < k.frame_bytes);
  }
}

void TestThreadAccessor() {
  // 3.12.1, shared: sub; data16 lea 0x26c9f4(%rip),%rdi; call __tls_get_addr; mov (%rax),%rax.
  const std::vector<uint8_t> dynamic = {0x48, 0x83, 0xec, 0x08, 0x66, 0x48, 0x8d, 0x3d, 0xf4, 0xc9, 0x26, 0x00, 0x66,
                                        0x66, 0x48, 0xe8, 0xdc, 0x10, 0xe3, 0xff, 0x48, 0x8b, 0x00, 0xc3};
  const auto slot = DecodeThreadAccessor(dynamic, 0x2d74f0);
  CHECK(slot && slot->source == OP_THREAD_DTV && slot->slot == 0x543ef0);
  const std::vector<uint8_t> local = {0xf3, 0x0f, 0x1e, 0xfa, 0x64, 0x48, 0x8b, 0x04, 0x25,
                                      0xf8, 0xff, 0xff, 0xff, 0xc3, 0x90, 0x90, 0x90};
  const auto offset = DecodeThreadAccessor(local, 0x1000);
  CHECK(offset && offset->source == OP_THREAD_OFFSET && offset->slot == static_cast<uint64_t>(-8));
  const std::vector<uint8_t> initial = {0x48, 0x8b, 0x05, 0x00, 0x01, 0x00, 0x00, 0x64, 0x48, 0x8b, 0x00, 0xc3};
  const auto got = DecodeThreadAccessor(initial, 0x1000);
  CHECK(got && got->source == OP_THREAD_GOT_OFFSET && got->slot == 0x1107);
  CHECK(!DecodeThreadAccessor(std::vector<uint8_t>(48, 0x90), 0x1000));
  CHECK(!DecodeThreadAccessor({}, 0x1000));
}

/// Memory of a process that is not there.
class FakeMemory final : public RemoteMemory {
 public:
  FakeMemory() : RemoteMemory(0, 64u << 10) {}
  template <typename T>
  void Put(uint64_t address, const T& value) {
    const auto* bytes = reinterpret_cast<const uint8_t*>(&value);
    for (size_t i = 0; i < sizeof(value); i++) bytes_[address + i] = bytes[i];
  }
  void Put(uint64_t address, std::string_view text) {
    for (size_t i = 0; i < text.size(); i++) bytes_[address + i] = static_cast<uint8_t>(text[i]);
  }
  bool ReadRaw(uint64_t address, std::span<uint8_t> out) override {
    for (size_t i = 0; i < out.size(); i++) {
      const auto it = bytes_.find(address + i);
      if (it == bytes_.end()) return false;
      out[i] = it->second;
    }
    return true;
  }

 private:
  std::map<uint64_t, uint8_t> bytes_;
};

constexpr uint64_t kCode = 0x1000, kName = 0x2000, kFile = 0x3000, kLines = 0x4000, kType = 0x5000, kHash = 0x123456789abcdef0;
constexpr FunctionKey kKey{kCode, OP_PYTHON_COOKIE(kName, kHash), 19};

/// A code object of 3.11 with the name "Größe" (one byte a character) and a path beyond the BMP.
void PutCode(FakeMemory* memory) {
  memory->Put(kCode + 8, kType);
  memory->Put(kType + 24, kType + 64);
  memory->Put(kType + 64, std::string_view("code\0", 5));
  memory->Put(kCode + 72, uint32_t{19});
  memory->Put(kCode + 128, kName);
  memory->Put(kCode + 112, kFile);
  memory->Put(kCode + 136, kLines);
  memory->Put(kName + 16, int64_t{5});
  memory->Put(kName + 24, kHash);
  memory->Put(kName + 32, uint32_t{1u << 2 | 1u << 5});
  memory->Put(kName + 72, std::string_view("Gr\xf6\xdf" "e"));
  memory->Put(kFile + 16, int64_t{2});
  memory->Put(kFile + 32, uint32_t{4u << 2 | 1u << 5});
  memory->Put(kFile + 72, uint32_t{'/'});
  memory->Put(kFile + 76, uint32_t{0x1f40d});
  memory->Put(kLines + 16, int64_t{2});
  memory->Put(kLines + 32, std::string_view("\xd9\x04", 2));  // two units, one line on, column 5
}

ReadOutcome Read(FakeMemory& memory, const FunctionKey& key, std::shared_ptr<const RuntimeFunction>* out) {
  return ReadCode(memory, *LayoutOf(0x30b), key, out);
}

void TestReadCode() {
  std::shared_ptr<const RuntimeFunction> function;
  FakeMemory memory;
  CHECK(Read(memory, kKey, &function) == ReadOutcome::Gone);
  PutCode(&memory);
  CHECK(Read(memory, kKey, &function) == ReadOutcome::Named);
  // Builds differ in the bits before the kind of text.
  for (const uint32_t shift : {8u, 16u}) {
    memory.Put(kName + 32, uint32_t{(1u | 1u << 3) << shift | 3});
    std::shared_ptr<const RuntimeFunction> same;
    CHECK(Read(memory, kKey, &same) == ReadOutcome::Named);
    CHECK(same && same->At(0).name == "Größe");
  }
  if (function) {
    const ResolvedFrame frame = function->At(0);
    CHECK_EQ(frame.name, "Größe");
    CHECK_EQ(frame.file, "/\xf0\x9f\x90\x8d");
    CHECK_EQ(frame.startLine, 19u);
  }
  function = nullptr;
  // Other code at the same address: its name at the same place too, only the text differs.
  FunctionKey other = kKey;
  other.cookie = OP_PYTHON_COOKIE(kName, kHash + 1);
  CHECK(Read(memory, other, &function) == ReadOutcome::Stale);
  other = kKey;
  other.cookie2 = 20;
  CHECK(Read(memory, other, &function) == ReadOutcome::Stale);
  CHECK(!function);
}

void TestHostileCode() {
  std::shared_ptr<const RuntimeFunction> function;
  FakeMemory negative;
  PutCode(&negative);
  negative.Put(kName + 16, int64_t{-1});
  CHECK(Read(negative, kKey, &function) == ReadOutcome::Layout);
  FakeMemory type;
  PutCode(&type);
  type.Put(kType + 64, std::string_view("cell\0", 5));
  CHECK(Read(type, kKey, &function) == ReadOutcome::Layout);
  FakeMemory kind;
  PutCode(&kind);
  kind.Put(kFile + 32, uint32_t{3u << 2 | 1u << 5});
  CHECK(Read(kind, kKey, &function) == ReadOutcome::Layout);
  // Lone surrogates, NUL and what is no character at all: names stay valid UTF-8.
  FakeMemory text;
  PutCode(&text);
  text.Put(kFile + 16, int64_t{4});
  text.Put(kFile + 76, uint32_t{0xd800});
  text.Put(kFile + 80, uint32_t{0});
  text.Put(kFile + 84, uint32_t{0x110000});
  CHECK(Read(text, kKey, &function) == ReadOutcome::Named);
  if (function) CHECK_EQ(function->At(0).file, "/\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd");
  function = nullptr;
  FakeMemory huge;
  PutCode(&huge);
  huge.Put(kLines + 16, INT64_MAX);
  CHECK(Read(huge, kKey, &function) == ReadOutcome::Budget);
  CHECK(!function);
}

}  // namespace
}  // namespace otelprof::python

int main() {
  using namespace otelprof::python;
  TestLines();
  TestOffsets();
  TestThreadAccessor();
  TestReadCode();
  TestHostileCode();
  return testResult("python");
}
