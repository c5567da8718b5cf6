// SPDX-License-Identifier: Apache-2.0
// The unwind rows of real files against readelf's interpretation of their call frame information: every range of
// addresses must have the same rule for the CFA, the return address and rbp, or the oracle's rule must be one that the
// rows cannot express, which is counted by reason. readelf does not show expressions: these come from llvm-dwarfdump
// (which is no oracle for the rest: version 14 does not restore the CFA with a remembered state).
//   rows_compare_test            a sample of the host's programs and libraries, the same for the same host
//   rows_compare_test FILE|DIR…  these, and everything below the folders
#include <elf.h>
#include <fcntl.h>

#include <algorithm>
#include <cctype>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "elf/eh_frame.h"
#include "test_macros.h"
#include "unique_fd.h"

using namespace otelprof;

namespace {

namespace fs = std::filesystem;

constexpr size_t kSampleFiles = 40;
constexpr uint64_t kSampleFileBytes = 3u << 20;
constexpr size_t kMinCompared = 100'000;
constexpr size_t kMinProgramRanges = 10;
constexpr size_t kMaxExamples = 40;

struct Totals {
  size_t files = 0, ranges = 0, agreed = 0, wrong = 0, bad = 0;
  size_t kinds[8] = {};  // of the ranges that agree
  std::map<std::string, size_t> inexpressible;  // reason → ranges
};

uint64_t HexAt(std::string_view text) { return std::strtoull(std::string(text.substr(0, 18)).c_str(), nullptr, 16); }

/// "RSP+16" → 16; nullopt if the text does not start with the register.
std::optional<int64_t> Offset(std::string_view text, std::string_view reg) {
  if (!text.starts_with(reg)) return std::nullopt;
  text.remove_prefix(reg.size());
  if (text.empty()) return 0;
  if (text[0] != '+' && text[0] != '-') return std::nullopt;
  char* end = nullptr;
  const std::string number(text);
  const int64_t value = std::strtoll(number.c_str(), &end, 0);
  return *end == '\0' ? std::optional(value) : std::nullopt;
}

/// One row of an oracle, in llvm-dwarfdump's words.
struct Row {
  uint64_t pc = 0, end = 0;
  uint64_t function = 0;  // start of its FDE
  std::string cfa, ra = "same", rbp = "same";
  bool isSignal = false;

  bool isUnresolved() const { return cfa == "exp" || ra.ends_with("exp") || rbp.ends_with("exp"); }
};

Row ParseLlvmRow(std::string_view line) {
  Row row;
  row.pc = HexAt(line);
  const size_t cfa = line.find("CFA=");
  std::string_view rest = cfa == std::string_view::npos ? std::string_view() : line.substr(cfa + 4);
  const size_t colon = rest.find(": ");
  row.cfa = rest.substr(0, colon);
  rest = colon == std::string_view::npos ? std::string_view() : rest.substr(colon + 2);
  const auto value = [rest](std::string_view name) -> std::string {
    size_t at = rest.starts_with(name) ? 0 : rest.find(", " + std::string(name));
    if (at == std::string_view::npos) return "same";
    at = rest.find('=', at) + 1;
    if (rest[at] == '[') return std::string(rest.substr(at, rest.find(']', at) + 1 - at));
    // A value without brackets may be an expression, whose operations are also parted by commas.
    return std::string(rest.substr(at, rest.find("DW_OP", at) == at ? rest.npos : rest.find(',', at) - at));
  };
  row.ra = value("RIP=");
  row.rbp = value("RBP=");
  return row;
}

/// "rsp+8" → "RSP+8".
std::string UpperCase(std::string text) {
  for (char& c : text) c = static_cast<char>(std::toupper(c));
  return text;
}

/// readelf's word for where a register is: "c-16", "u", "s", "exp", "vexp", "v+8", a register.
std::string PlaceOf(const std::string& word) {
  if (word == "s") return "same";
  if (word == "exp" || word == "vexp") return word;
  return word.starts_with("c") ? "[CFA" + word.substr(1) + "]" : UpperCase(word);
}

/// The rule word of a row, or why there is none for it.
struct Expected {
  uint32_t rule = OP_RULE_NONE;
  const char* reason = nullptr;
};

std::optional<uint32_t> Words(int64_t bytes) {
  if (bytes & 7 || bytes / 8 < INT16_MIN || bytes / 8 > INT16_MAX) return std::nullopt;
  return static_cast<uint16_t>(bytes / 8);
}

Expected OfExpression(std::string_view cfa, uint32_t fp, const Row& row) {
  constexpr std::string_view kPlt = "DW_OP_breg7 RSP+8, DW_OP_breg16 RIP+0, DW_OP_lit15, DW_OP_and, DW_OP_lit";
  constexpr std::string_view kPltEnd = ", DW_OP_ge, DW_OP_lit3, DW_OP_shl, DW_OP_plus";
  if (cfa.starts_with(kPlt) && cfa.ends_with(kPltEnd)) {
    const uint32_t literal = static_cast<uint32_t>(std::atoi(cfa.data() + kPlt.size()));
    return {OP_RULE(OP_RULE_PLT, literal, fp)};
  }
  const size_t comma = cfa.find(", ");
  const std::string_view first = cfa.substr(0, comma);
  const std::string_view then = comma == std::string_view::npos ? std::string_view() : cfa.substr(comma + 2);
  const auto sp = Offset(first, "DW_OP_breg7 RSP"), rbp = Offset(first, "DW_OP_breg6 RBP");
  if (sp && Words(*sp) && then == "DW_OP_deref, DW_OP_plus_uconst 0x8") return {OP_RULE(OP_RULE_SP_DEREF, *Words(*sp), fp)};
  if (rbp && Words(*rbp) && then == "DW_OP_deref" && row.rbp == "[DW_OP_breg6 RBP+0]")
    return {OP_RULE(OP_RULE_FP_DEREF, *Words(*rbp), 0)};
  return {OP_RULE_NONE, "other CFA expression"};
}

Expected ExpectedRule(const Row& row) {
  if (row.isSignal && row.ra == "[DW_OP_breg7 RSP+168]" && row.rbp == "[DW_OP_breg7 RSP+120]" &&
      row.cfa == "DW_OP_breg7 RSP+160, DW_OP_deref")
    return {OP_RULE(OP_RULE_SIGNAL, 0, 0)};
  if (row.isUnresolved()) return {OP_RULE_NONE, "the oracles differ"};
  if (row.ra == "undefined") return {OP_RULE(OP_RULE_END, 0, 0)};
  if (row.ra != "[CFA-8]") return {OP_RULE_NONE, "return address elsewhere"};
  uint32_t fp = 0;
  const bool viaRbp = row.rbp == "[DW_OP_breg6 RBP+0]";
  if (row.rbp.starts_with("[CFA-")) {
    const int64_t bytes = std::atoll(row.rbp.c_str() + 5);
    if (bytes & 7 || bytes / 8 > OP_RULE_MAX_FP_WORDS) return {OP_RULE_NONE, "rbp saved out of reach"};
    fp = static_cast<uint32_t>(bytes / 8);
  } else if (row.rbp != "same" && row.rbp != "undefined" && !viaRbp) {
    return {OP_RULE_NONE, "rbp by expression or register"};
  }
  if (row.cfa.starts_with("DW_OP")) return OfExpression(row.cfa, fp, row);
  // The return of a function that realigned its stack: GCC does not say that rbp is the caller's again.
  if (viaRbp && row.cfa == "RSP+8") return {OP_RULE(OP_RULE_SP, 1, 0)};
  if (viaRbp) return {OP_RULE_NONE, "rbp by expression or register"};
  const auto sp = Offset(row.cfa, "RSP"), rbp = Offset(row.cfa, "RBP");
  if (!sp && !rbp) return {OP_RULE_NONE, "CFA in another register"};
  const auto words = Words(sp ? *sp : *rbp);
  if (!words) return {OP_RULE_NONE, "CFA offset out of reach"};
  return {OP_RULE(sp ? OP_RULE_SP : OP_RULE_FP, *words, fp)};
}

/// readelf's tables of one file, FDE by FDE.
class ReadelfDump {
 public:
  std::vector<Row> rows;

  void OnLine(std::string_view line) {
    words_.clear();
    for (size_t at = 0; (at = line.find_first_not_of(' ', at)) != line.npos;) {
      const size_t end = std::min(line.find(' ', at), line.size());
      if (line[at] != '(') words_.emplace_back(line.substr(at, end - at));  // "r9 (r9)"
      at = end;
    }
    if (line.starts_with("Contents of the ")) {
      EndEntry();
      cies_.clear();
    } else if (words_.size() >= 5 && words_[3] == "CIE") {
      EndEntry();
      cie_ = words_[0];
      cies_[cie_].isSignal = words_[4].find('S') != std::string::npos;
    } else if (words_.size() >= 6 && words_[3] == "FDE") {
      EndEntry();
      isFde_ = true;
      cie_ = words_[4].substr(4);
      const size_t dots = words_[5].find("..");
      start_ = HexAt(std::string_view(words_[5]).substr(3, dots - 3));
      end_ = HexAt(std::string_view(words_[5]).substr(dots + 2));
    } else if (words_.size() >= 2 && words_[0] == "LOC") {
      columns_ = words_;
    } else if (words_.size() >= 2 && words_.size() == columns_.size() && words_[0].size() == 16) {
      OnRow();
    }
  }

  void EndEntry() {
    auto entry = std::move(entry_);
    entry_.clear();
    columns_.clear();
    Row& initial = cies_[cie_];
    if (!isFde_) {
      // A CIE's one row is what its FDEs begin with.
      if (!entry.empty()) initial = {0, 0, 0, entry[0].cfa, entry[0].ra, entry[0].rbp, initial.isSignal};
      return;
    }
    isFde_ = false;
    // FDEs of discarded functions start at 0. Of two for one address, the first one holds.
    if (start_ == 0 || end_ <= start_ || end_ > UINT32_MAX || IsCovered()) return;
    covered_.emplace(start_, end_);
    if (entry.empty()) {
      entry.push_back(initial);
      entry[0].pc = start_;
    }
    for (size_t i = 0; i < entry.size(); i++) {
      entry[i].end = i + 1 < entry.size() ? std::min(entry[i + 1].pc, end_) : end_;
      entry[i].isSignal = initial.isSignal;
      entry[i].function = start_;
      if (entry[i].pc < entry[i].end) rows.push_back(entry[i]);
    }
  }

 private:
  void OnRow() {
    Row row;
    row.pc = HexAt(words_[0]);
    row.cfa = words_[1] == "exp" ? "exp" : UpperCase(words_[1]);
    for (size_t i = 2; i < columns_.size(); i++) {
      // readelf does not tell what was never mentioned from what was made undefined; only of the return address it
      // matters, and that one is always mentioned.
      if (columns_[i] == "rbp") row.rbp = words_[i] == "u" ? "same" : PlaceOf(words_[i]);
      if (columns_[i] == "ra") row.ra = words_[i] == "u" ? "undefined" : PlaceOf(words_[i]);
    }
    entry_.push_back(row);
  }

  bool IsCovered() const {
    const auto after = covered_.lower_bound(end_);
    return after != covered_.begin() && std::prev(after)->second > start_;
  }

  std::vector<std::string> words_, columns_;
  std::vector<Row> entry_;
  std::map<uint64_t, uint64_t> covered_;
  std::map<std::string, Row> cies_;
  std::string cie_;
  uint64_t start_ = 0, end_ = 0;
  bool isFde_ = false;
};

template <typename OnLine>
void ForEachLine(const std::string& command, OnLine onLine) {
  FILE* pipe = popen(command.c_str(), "re");
  if (!pipe) return;
  char* line = nullptr;
  size_t capacity = 0;
  for (ssize_t n; (n = getline(&line, &capacity, pipe)) > 0;) {
    std::string_view text(line, static_cast<size_t>(n));
    while (!text.empty() && (text.back() == '\n' || text.back() == ' ')) text.remove_suffix(1);
    onLine(text);
  }
  free(line);
  pclose(pipe);
}

/// Puts llvm-dwarfdump's expressions in the place of readelf's "exp".
void ResolveExpressions(const std::string& path, std::vector<Row>* rows) {
  if (std::none_of(rows->begin(), rows->end(), [](const Row& row) { return row.isUnresolved(); })) return;
  std::map<uint64_t, Row> known;
  for (const char* what : {"--eh-frame", "--debug-frame"})
    ForEachLine("llvm-dwarfdump " + std::string(what) + " '" + path + "' 2>/dev/null", [&](std::string_view line) {
      if (line.starts_with("  0x") && line.find(": CFA=") != line.npos && line.find("DW_OP") != line.npos) {
        Row row = ParseLlvmRow(line.substr(2));
        known.emplace(row.pc, std::move(row));
      }
    });
  uint64_t function = 0;
  std::string last;
  for (Row& row : *rows) {
    const auto found = known.find(row.pc);
    if (row.function != function) last.clear();
    function = row.function;
    if (!row.isUnresolved()) continue;
    const bool isKnown = found != known.end();
    if (isKnown && found->second.cfa.starts_with("DW_OP")) last = found->second.cfa;
    // Where version 14 forgot to restore it, the function's last expression is the one that was remembered.
    if (row.cfa == "exp" && !last.empty()) row.cfa = last;
    if (isKnown && row.ra.ends_with("exp")) row.ra = found->second.ra;
    if (isKnown && row.rbp.ends_with("exp")) row.rbp = found->second.rbp;
  }
}

void CompareRange(const std::string& path, const std::vector<op_row>& rows, const Row& row, Totals* totals) {
  const Expected expected = ExpectedRule(row);
  const auto byPc = [](uint64_t pc, const op_row& r) { return pc < r.pc; };
  auto at = std::upper_bound(rows.begin(), rows.end(), row.pc, byPc);
  bool same = at != rows.begin();
  uint32_t other = OP_RULE_NONE;
  for (at = same ? std::prev(at) : at; same && at != rows.end() && at->pc < row.end; ++at) {
    other = at->rule;
    same = other == expected.rule;
  }
  totals->ranges++;
  if (same && expected.reason) totals->inexpressible[expected.reason]++;
  if (same) totals->kinds[OP_RULE_KIND(expected.rule)]++;
  if (same) return void(totals->agreed++);
  if (totals->wrong++ < kMaxExamples)
    std::printf("  %s: 0x%llx: rule %x, expected %x: CFA %s, return address %s, rbp %s\n", path.c_str(),
                static_cast<unsigned long long>(row.pc), other, expected.rule, row.cfa.c_str(), row.ra.c_str(),
                row.rbp.c_str());
}

void CompareFile(const std::string& path, Totals* totals) {
  const UniqueFd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  const auto image = fd ? ElfFile::Open(fd.get(), nullptr) : nullptr;
  if (!image || image->machine() != EM_X86_64 || (image->type() != ET_EXEC && image->type() != ET_DYN)) return;
  EhFrameStats stats;
  const auto rows = CompileEhFrameRows(*image, &stats);
  totals->bad += stats.badEntries;
  if (stats.badEntries) std::printf("  %s: %zu bad entries\n", path.c_str(), stats.badEntries);
  ReadelfDump dump;
  ForEachLine("readelf --debug-dump=frames-interp '" + path + "' 2>/dev/null",
              [&](std::string_view line) { dump.OnLine(line); });
  dump.EndEntry();
  ResolveExpressions(path, &dump.rows);
  for (const Row& row : dump.rows) CompareRange(path, rows, row, totals);
  totals->files += !dump.rows.empty();
}

/// Files of a folder, links left out, in an order that depends on their names only.
std::vector<std::string> FilesBelow(const fs::path& folder, bool recursive) {
  std::vector<std::string> out;
  const auto add = [&](const fs::directory_entry& entry) {
    std::error_code error;
    if (!entry.is_symlink(error) && entry.is_regular_file(error)) out.push_back(entry.path());
  };
  constexpr auto kSkip = fs::directory_options::skip_permission_denied;
  std::error_code error;
  if (recursive)
    for (const auto& entry : fs::recursive_directory_iterator(folder, kSkip, error)) add(entry);
  else
    for (const auto& entry : fs::directory_iterator(folder, kSkip, error)) add(entry);
  std::sort(out.begin(), out.end());
  return out;
}

std::vector<std::string> Sample() {
  std::vector<std::string> out;
  for (const char* path : {"/lib64/ld-linux-x86-64.so.2", "/usr/lib/x86_64-linux-gnu/libc.so.6",
                           "/usr/lib/x86_64-linux-gnu/libcrypto.so.3", "/usr/lib/x86_64-linux-gnu/libgcrypt.so.20",
                           "/usr/lib/x86_64-linux-gnu/libstdc++.so.6"})
    if (std::error_code error; fs::exists(path, error)) out.push_back(path);
  std::vector<std::pair<uint64_t, std::string>> ordered;
  for (const char* folder : {"/usr/bin", "/usr/lib/x86_64-linux-gnu"}) {
    for (const auto& path : FilesBelow(folder, false)) {
      uint64_t hash = 0xcbf29ce484222325;
      for (const char c : path) hash = (hash ^ static_cast<uint8_t>(c)) * 0x100000001b3;
      ordered.push_back({hash ^ hash >> 29, path});
    }
  }
  std::sort(ordered.begin(), ordered.end());
  for (const auto& [hash, path] : ordered) {
    std::error_code error;
    const UniqueFd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC));
    char magic[4] = {};
    if (fs::file_size(path, error) > kSampleFileBytes || read(fd.get(), magic, 4) != 4 || std::memcmp(magic, ELFMAG, 4))
      continue;
    if (out.size() < kSampleFiles) out.push_back(path);
  }
  return out;
}

/// Programs whose functions are described in .debug_frame only, as it is and packed; and one with a realigned stack.
std::vector<std::string> BuildPrograms(const std::string& folder) {
  const std::string source = fs::path(__FILE__).parent_path().string() + "/dwarf/inlined.c";
  const std::string realigned = fs::path(__FILE__).parent_path().string() + "/dwarf/realigned.c";
  std::vector<std::string> out = {folder + "/realigned"};
  CHECK(std::system(("gcc -O2 " + realigned + " -o " + out.back()).c_str()) == 0);
  for (const char* packing : {"none", "zlib", "zlib-gnu"}) {
    out.push_back(folder + "/" + packing);
    const std::string command = "gcc -O2 -g -fno-asynchronous-unwind-tables -gz=" + std::string(packing) + " " + source;
    CHECK(std::system((command + " -o " + out.back()).c_str()) == 0);
  }
  return out;
}

/// What the sample must have had to be one: a rule of each kind.
void CheckKinds(const Totals& totals) {
  for (const uint32_t kind : {OP_RULE_NONE, OP_RULE_SP, OP_RULE_FP, OP_RULE_PLT, OP_RULE_SIGNAL, OP_RULE_END,
                              OP_RULE_FP_DEREF, OP_RULE_SP_DEREF})
    CHECK(totals.kinds[kind] > 0);
}

}  // namespace

int main(int argc, char** argv) {
  std::vector<std::string> files;
  for (int i = 1; i < argc; i++) {
    std::error_code error;
    if (!fs::is_directory(argv[i], error)) {
      files.push_back(argv[i]);
    } else {
      for (auto& file : FilesBelow(argv[i], true)) files.push_back(std::move(file));
    }
  }
  Totals totals;
  if (argc == 1) {
    files = Sample();
    char name[] = "/tmp/otelprof-rows-XXXXXX";
    const std::string folder = mkdtemp(name);
    for (const auto& file : BuildPrograms(folder)) {
      const size_t before = totals.agreed;
      CompareFile(file, &totals);
      CHECK(totals.agreed > before + kMinProgramRanges);
    }
    fs::remove_all(folder);
  }
  for (const auto& file : files) CompareFile(file, &totals);
  size_t inexpressible = 0;
  for (const auto& [reason, count] : totals.inexpressible) {
    std::printf("%8zu ranges without a rule: %s\n", count, reason.c_str());
    inexpressible += count;
  }
  std::printf("%zu files, %zu ranges: %zu agree (of these %zu without a rule), %zu wrong; %zu bad entries\n", totals.files,
              totals.ranges, totals.agreed, inexpressible, totals.wrong, totals.bad);
  CHECK_EQ(totals.wrong, 0u);
  CHECK_EQ(totals.bad, 0u);
  if (argc == 1) CHECK(totals.ranges >= kMinCompared);
  if (argc == 1) CheckKinds(totals);
  return testResult("rows_compare_test");
}
