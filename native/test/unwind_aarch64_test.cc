// SPDX-License-Identifier: Apache-2.0
// Unwinding of aarch64 over stacks that aarch64/record.sh has recorded from a program whose calls are known, and over
// made-up ones. Runs on any machine.
#include <fstream>
#include <map>
#include <sstream>
#include <string>
#include <vector>

#include "elf/eh_frame.h"
#include "unwind/unwind.h"
#include "unwind_check.h"

namespace otelprof {
namespace {

constexpr uint64_t kMask = (uint64_t{1} << 48) - 1;

struct Point {
  std::string name;
  UnwindRegisters registers;
  std::vector<uint64_t> stack;
};

struct Symbol {
  uint64_t start;
  uint64_t size;
  std::string name;
};

struct Program {
  std::string name;
  std::vector<uint8_t> elf;
  std::vector<Symbol> symbols;
  std::vector<Point> points;

  std::string NameOf(uint64_t address) const {
    for (const auto& symbol : symbols)
      if (address >= symbol.start && address - symbol.start < symbol.size) return symbol.name;
    return "?";
  }
};

uint64_t Hex(const std::string& text) { return strtoull(text.c_str(), nullptr, 16); }

std::vector<uint8_t> Bytes(const std::string& hex) {
  std::vector<uint8_t> out;
  for (size_t i = 0; i + 1 < hex.size(); i += 2) out.push_back(static_cast<uint8_t>(Hex(hex.substr(i, 2))));
  return out;
}

/// "leaf 4001b0 55007ff730 …": the name may have spaces, the four registers do not.
Point ParsePoint(const std::string& rest) {
  std::istringstream in(rest);
  std::vector<std::string> words;
  for (std::string word; in >> word;) words.push_back(word);
  Point out;
  if (words.size() < 5) return out;
  const size_t at = words.size() - 4;
  for (size_t i = 0; i < at; i++) out.name += (i ? " " : "") + words[i];
  out.registers = {Hex(words[at]), Hex(words[at + 1]), Hex(words[at + 2]), Hex(words[at + 3])};
  return out;
}

std::vector<Program> ReadRecording() {
  std::vector<Program> out;
  std::ifstream file("native/test/aarch64/recording.txt");
  for (std::string line; std::getline(file, line);) {
    const size_t space = line.find(' ');
    const std::string kind = line.substr(0, space), rest = space == line.npos ? "" : line.substr(space + 1);
    std::istringstream in(rest);
    if (kind == "program") out.push_back({rest, {}, {}, {}});
    if (out.empty()) continue;
    if (kind == "elf") out.back().elf = Bytes(rest);
    if (kind == "point") out.back().points.push_back(ParsePoint(rest));
    if (kind == "symbol") {
      std::string name, start, size;
      in >> name >> start >> size;
      out.back().symbols.push_back({Hex(start), Hex(size), name});
    }
    if (kind == "stack" && !out.back().points.empty())
      for (std::string word; in >> word;) out.back().points.back().stack.push_back(Hex(word));
  }
  return out;
}

std::string Drawn(const Program& program, const std::vector<op_frame>& frames) {
  std::string out;
  for (const op_frame& frame : frames)
    out += (out.empty() ? "" : " ") + program.NameOf(frame.addr - (frame.flags & OP_FRAME_RETURN_ADDRESS ? 1 : 0));
  return out;
}

UnwindResult Unwind(const Point& point, const UnwindTable* table, uint64_t mask, std::vector<op_frame>* frames) {
  const auto lookup = [&](uint64_t pc, UnwindMapping* out) {
    if (pc < 0x400000 || pc >= 0x500000) return false;
    *out = {0x400000, 0x500000, 0, 1, table};
    return true;
  };
  const std::span<const uint8_t> stack{reinterpret_cast<const uint8_t*>(point.stack.data()), point.stack.size() * 8};
  return UnwindStack(point.registers, stack, lookup, frames, Machine::Aarch64, mask);
}

const char* const kExpected[] = {
    "leaf inner variable large outer run _start",
    "inner variable large outer run _start",
    "leaf inner on_user restorer interrupted outer run _start",
    "inner on_user restorer interrupted outer run _start",
};

void TestRecording() {
  const auto programs = ReadRecording();
  CHECK_EQ(programs.size(), size_t{3});
  for (const auto& program : programs) {
    std::string error;
    const auto image = ElfFile::FromMemory(program.elf, &error);
    CHECK(image != nullptr);
    if (!image) continue;
    EhFrameStats stats;
    const UnwindTable table = CompileUnwindTable(*image, &stats);
    CHECK_EQ(stats.badEntries, size_t{0});
    CHECK_EQ(stats.unsupportedRows, size_t{0});
    CHECK_EQ(program.points.size(), std::size(kExpected));
    for (size_t i = 0; i < std::min(program.points.size(), std::size(kExpected)); i++) {
      std::vector<op_frame> frames;
      const auto result = Unwind(program.points[i], &table, kMask, &frames);
      const std::string drawn = Drawn(program, frames);
      if (drawn != kExpected[i]) std::printf("%s, %s: %s\n", program.name.c_str(), program.points[i].name.c_str(), drawn.c_str());
      CHECK(drawn == kExpected[i]);
      CHECK_EQ(result.error, 0u);
      CHECK(result.flags & OP_SAMPLE_COMPLETE);
    }
  }
}

/// The codes are in the recording: without the mask the walk must fail, or nothing is tested.
void TestSignedAddressesAreThere() {
  const auto programs = ReadRecording();
  for (const auto& program : programs) {
    std::string error;
    const auto image = ElfFile::FromMemory(program.elf, &error);
    if (!image || program.points.empty()) continue;
    const UnwindTable table = CompileUnwindTable(*image, nullptr);
    std::vector<op_frame> frames;
    const auto result = Unwind(program.points[0], &table, ~uint64_t{0}, &frames);
    const bool complete = result.flags & OP_SAMPLE_COMPLETE && Drawn(program, frames) == kExpected[0];
    CHECK_EQ(complete, program.name != "signed return addresses");
  }
}

/// With frame pointers and without rows: the caller of a leaf is hidden, the others are there.
void TestFramePointersAlone() {
  const auto programs = ReadRecording();
  if (programs.size() < 2) return;
  const UnwindTable nothing = IndexRows({{0x400000, OP_RULE_NONE}}, nullptr);
  std::vector<op_frame> frames;
  const auto result = Unwind(programs[1].points[1], &nothing, kMask, &frames);
  CHECK_EQ(result.error, 0u);
  CHECK(Drawn(programs[1], frames) == kExpected[1]);
}

void TestMadeUp() {
  constexpr uint64_t kStack = 0x7fff0000;
  const auto run = [&](std::vector<op_row> rows, UnwindRegisters registers, std::vector<uint64_t> words,
                       std::vector<op_frame>* frames) {
    const UnwindTable table = IndexRows(rows, nullptr);
    return Unwind({"", registers, std::move(words)}, &table, kMask, frames);
  };
  // The link register belongs to the innermost frame only.
  std::vector<op_frame> frames;
  auto result = run({{0x400100, OP_RULE_AARCH64(OP_RULE_SP, 0, 0, false)}}, {0x400100, kStack, 0, 0x400200}, {0}, &frames);
  CHECK_EQ(result.error, static_cast<uint32_t>(OP_COUNT_ERR_CFA));
  CHECK_EQ(frames.size(), size_t{2});
  // After a frame-pointer step sp is not known: the second frame's record counts, not its row.
  frames.clear();
  const std::vector<uint64_t> words = {kStack + 32, 0x400200, 0, 0, kStack + 64, 0x400300, 0, 0, 0, 0};
  result = run({{0x400100, OP_RULE_NONE}, {0x400180, OP_RULE_AARCH64(OP_RULE_SP, 2, 2, true)}, {0x400280, OP_RULE_AARCH64(OP_RULE_FP, 2, 2, true)}},
               {0x400100, kStack, kStack, 0}, words, &frames);
  CHECK_EQ(result.error, 0u);
  CHECK(result.flags & OP_SAMPLE_COMPLETE);
  CHECK_EQ(frames.size(), size_t{3});
  CHECK_EQ(frames.back().addr, uint64_t{0x400300});
  // A hostile row cannot make the walk stand still.
  frames.clear();
  result = run({{0x400100, OP_RULE_AARCH64(OP_RULE_SP, 0, 1, false)}}, {0x400100, kStack, 0, 0x400200}, {0}, &frames);
  CHECK_EQ(result.error, static_cast<uint32_t>(OP_COUNT_ERR_CFA));
}

}  // namespace
}  // namespace otelprof

int main() {
  using namespace otelprof;
  TestRecording();
  TestSignedAddressesAreThere();
  TestFramePointersAlone();
  TestMadeUp();
  return failures() != 0;
}
