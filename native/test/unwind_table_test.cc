// SPDX-License-Identifier: Apache-2.0
// The .eh_frame compiler against readelf's interpretation of the same files, and against damaged files.
#include <elf.h>
#include <fcntl.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>
#include <random>
#include <sstream>
#include <string>
#include <vector>

#include "elf/eh_frame.h"
#include "elf/go_frames.h"
#include "unique_fd.h"
#include "unwind_check.h"

namespace otelprof {
namespace {

std::unique_ptr<ElfFile> OpenFile(const std::string& path) {
  const UniqueFd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  std::string error;
  return fd ? ElfFile::Open(fd.get(), &error) : nullptr;
}

int64_t OffsetIn(const std::string& text) {
  const size_t sign = text.find_first_of("+-");
  return sign == std::string::npos ? 0 : strtoll(text.c_str() + sign, nullptr, 10);
}

/// The rule readelf's row should become; false for forms that are compared elsewhere.
bool ExpectedRule(const std::string& cfa, const std::string& rbp, const std::string& ra, uint32_t* out) {
  if (ra == "u") {
    *out = OP_RULE(OP_RULE_END, 0, 0);
    return true;
  }
  if (cfa == "exp" || ra != "c-8" || rbp == "exp" || rbp == "vexp") return false;
  const int64_t offset = OffsetIn(cfa);
  const int64_t saved = rbp.starts_with("c-") ? -OffsetIn(rbp) : 0;
  const uint32_t kind = cfa.starts_with("rsp") ? OP_RULE_SP : cfa.starts_with("rbp") ? OP_RULE_FP : OP_RULE_NONE;
  *out = kind == OP_RULE_NONE ? 0 : OP_RULE(kind, offset / 8, static_cast<uint32_t>(saved / 8));
  return true;
}

struct Comparison {
  size_t compared = 0;
  size_t wrong = 0;
};

void CompareRow(const std::vector<std::string>& words, size_t rbpColumn, size_t raColumn, uint64_t fdeStart,
                const UnwindTable& table, Comparison* result) {
  const uint64_t pc = strtoull(words[0].c_str(), nullptr, 16);
  uint32_t expected = 0;
  if (fdeStart == 0 || raColumn >= words.size()) return;
  const std::string rbp = rbpColumn && rbpColumn < words.size() ? words[rbpColumn] : "u";
  if (!ExpectedRule(words[1], rbp, words[raColumn], &expected)) return;
  result->compared++;
  const uint32_t actual = FindRule(table, pc);
  if (actual == expected) return;
  if (result->wrong++ < 5)
    std::printf("  %llx: rule %x, expected %x\n", static_cast<unsigned long long>(pc), actual, expected);
}

void TestAgainstReadelf(const std::string& path) {
  const auto image = OpenFile(path);
  if (!image) {
    std::printf("%s: not here, skipped\n", path.c_str());
    return;
  }
  EhFrameStats stats;
  const UnwindTable table = CompileUnwindTable(*image, &stats);
  FILE* pipe = popen(("readelf --debug-dump=frames-interp '" + path + "' 2>/dev/null").c_str(), "r");
  CHECK(pipe != nullptr);
  if (!pipe) return;
  Comparison result;
  char line[4096];
  uint64_t fdeStart = 0;
  size_t rbpColumn = 0, raColumn = 0;
  while (fgets(line, sizeof(line), pipe)) {
    std::istringstream in(line);
    std::vector<std::string> words{std::istream_iterator<std::string>(in), {}};
    std::erase_if(words, [](const std::string& word) { return word.starts_with('('); });  // "r9 (r9)"
    if (words.size() >= 4 && (words[3] == "FDE" || words[3] == "CIE")) {
      const char* pc = strstr(line, "pc=");
      fdeStart = words[3] == "FDE" && pc ? strtoull(pc + 3, nullptr, 16) : 0;
    } else if (words.size() >= 2 && words[0] == "LOC") {
      rbpColumn = raColumn = 0;
      for (size_t i = 0; i < words.size(); i++) {
        if (words[i] == "rbp") rbpColumn = i;
        if (words[i] == "ra") raColumn = i;
      }
    } else if (words.size() >= 3 && words[0].size() == 16 && raColumn) {
      CompareRow(words, rbpColumn, raColumn, fdeStart, table, &result);
    }
  }
  pclose(pipe);
  std::printf("%s: %zu FDEs, %zu rows, %zu unsupported, %zu bad; %zu compared with readelf, %zu wrong\n",
              path.c_str(), stats.fdes, table.rowCount(), stats.unsupportedRows, stats.badEntries, result.compared,
              result.wrong);
  CHECK(result.compared > 0);
  CHECK_EQ(result.wrong, size_t{0});
  CHECK_EQ(stats.badEntries, size_t{0});
}

/// Flips bytes in the call frame information; the compiler must come back, with rows in order.
void TestDamagedFiles(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::vector<uint8_t> bytes{std::istreambuf_iterator<char>(file), {}};
  std::string error;
  const auto whole = ElfFile::FromMemory(bytes, &error);
  const auto* section = whole ? whole->section(".eh_frame") : nullptr;
  CHECK(section != nullptr);
  if (!section) return;
  std::mt19937 random(20240607);
  for (int round = 0; round < 300; round++) {
    std::vector<uint8_t> damaged = bytes;
    for (int i = 0; i < 1 + round % 20; i++)
      damaged[section->offset + random() % section->size] = static_cast<uint8_t>(random());
    if (round % 10 == 0) damaged.resize(random() % damaged.size());
    const auto image = ElfFile::FromMemory(std::move(damaged), &error);
    if (!image) continue;
    EhFrameStats stats;
    const auto rows = CompileEhFrameRows(*image, &stats);
    for (size_t i = 1; i < rows.size(); i++) CHECK(rows[i - 1].pc < rows[i].pc);
    CompileUnwindTable(*image, &stats);
  }
}

/// A thread inside sigreturn stands behind the system call, and there libc's function ends.
void TestSigreturn(const std::string& path) {
  const auto image = OpenFile(path);
  if (!image || image->machine() != EM_X86_64) return;
  constexpr uint8_t kCode[] = {0x48, 0xc7, 0xc0, 0x0f, 0, 0, 0, 0x0f, 0x05};  // mov $15, %rax; syscall
  const auto rows = CompileEhFrameRows(*image, nullptr);
  size_t found = 0;
  for (size_t i = 0; i + 1 < rows.size(); i++) {
    const auto code = image->at(rows[i].pc + 1, sizeof(kCode));  // the kernel's return address less one has a rule
    if (rows[i].rule != OP_RULE(OP_RULE_SIGNAL, 0, 0) || code.size() != sizeof(kCode)) continue;
    CHECK(std::memcmp(code.data(), kCode, sizeof(kCode)) == 0);
    CHECK(rows[i + 1].pc == rows[i].pc + 1 + sizeof(kCode) + 1);
    found++;
  }
  CHECK(found == 1);
}

void TestIndex() {
  std::vector<op_row> rows;
  std::mt19937 random(7);
  for (uint32_t pc = 0x1ff0; rows.size() < 5000; pc += 1 + random() % 9000)
    rows.push_back({pc, OP_RULE(OP_RULE_SP, rows.size() % 1000 + 1, 0)});
  size_t dropped = 0;
  const UnwindTable table = IndexRows(rows, &dropped);
  CHECK_EQ(dropped, size_t{0});
  CHECK_EQ(FindRule(table, rows.front().pc - 1), 0u);
  for (size_t i = 0; i < rows.size(); i++) {
    CHECK_EQ(FindRule(table, rows[i].pc), rows[i].rule);
    if (i + 1 < rows.size()) CHECK_EQ(FindRule(table, rows[i + 1].pc - 1), rows[i].rule);
  }
  CHECK(IndexRows({}, &dropped).entries.empty());
  const UnwindTable sparse = IndexRows({{0x1000, 1}, {0xffffff00, 2}}, &dropped);
  CHECK_EQ(dropped, size_t{1});
  CHECK_EQ(FindRule(sparse, 0x1000), 1u);
}

void TestOverlay() {
  const std::vector<op_row> base = {{10, 1}, {20, 2}, {30, 3}, {40, 4}};
  const auto merged = OverlayRows(base, {{15, 9}, {25, 8}, {35, 0}});
  const std::vector<op_row> expected = {{10, 1}, {15, 9}, {25, 8}, {35, 3}, {40, 4}};
  CHECK_EQ(merged.size(), expected.size());
  for (size_t i = 0; i < std::min(merged.size(), expected.size()); i++) {
    CHECK_EQ(merged[i].pc, expected[i].pc);
    CHECK_EQ(merged[i].rule, expected[i].rule);
  }
  CHECK_EQ(OverlayRows(base, {}).size(), base.size());
  CHECK_EQ(OverlayRows({}, base).size(), base.size());
}

}  // namespace
}  // namespace otelprof

int main() {
  using namespace otelprof;
  TestIndex();
  TestSigreturn("/lib/x86_64-linux-gnu/libc.so.6");
  TestOverlay();
  for (const char* path : {"/lib/x86_64-linux-gnu/libc.so.6", "/lib64/ld-linux-x86-64.so.2",
                           "/usr/lib/x86_64-linux-gnu/libstdc++.so.6", "/usr/lib/x86_64-linux-gnu/libcrypto.so.3",
                           "/bin/bash"})
    TestAgainstReadelf(path);
  TestDamagedFiles("/bin/true");
  return failures() != 0;
}
