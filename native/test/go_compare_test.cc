// SPDX-License-Identifier: Apache-2.0
// Go's function tables against Go's own reader, debug/gosym: at the entry of every function and at some places within,
// the function's name and the innermost file and line; and inlined calls against llvm-symbolizer, which reads the same
// from DWARF. Programs of this host's Go in the forms that are shipped, and older ones where the host has them.
// `go tool addr2line` would do, but takes stripped programs with C in them to begin at .text, which is C's.
//   go_compare_test               as above, with the `go` that GO names, or the installed one
//   go_compare_test FILE [FILE]   this file, with names of the second one, from which it was stripped
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <random>
#include <string>
#include <vector>

#include "symbols/go_pclntab.h"
#include "symbols/symbols.h"
#include "test_macros.h"

using namespace otelprof;

namespace {

constexpr size_t kMaxAddresses = 60'000;
constexpr size_t kMaxInlineAddresses = 4000;
constexpr double kInlineFloor = 0.98;

std::string folder, go;

std::unique_ptr<ElfFile> OpenElf(const std::string& path) {
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  auto elf = fd < 0 ? nullptr : ElfFile::Open(fd, nullptr);
  if (fd >= 0) close(fd);
  return elf;
}

bool Run(const std::string& command) {
  const bool ok = std::system(command.c_str()) == 0;
  if (!ok) std::fprintf(stderr, "failed: %s\n", command.c_str());
  return ok;
}

std::vector<std::string> LinesOf(const std::string& command) {
  std::vector<std::string> out;
  FILE* pipe = popen(command.c_str(), "re");
  if (!pipe) return out;
  char* line = nullptr;
  size_t capacity = 0;
  for (ssize_t n; (n = getline(&line, &capacity, pipe)) > 0;) out.emplace_back(line, line[n - 1] == '\n' ? n - 1 : n);
  free(line);
  pclose(pipe);
  return out;
}

std::string AddressFile(const std::vector<uint64_t>& addresses) {
  const std::string path = folder + "/addresses";
  FILE* file = fopen(path.c_str(), "we");
  for (const uint64_t address : addresses) std::fprintf(file, "0x%llx\n", static_cast<unsigned long long>(address));
  fclose(file);
  return path;
}

/// The entry of every function and two places within.
std::vector<uint64_t> AddressesOf(const ElfFile& elf, const GoPclntab& table) {
  std::vector<uint64_t> out;
  std::mt19937_64 random(1);
  const auto* text = elf.section(".text");
  if (!text) return out;
  const uint64_t end = text->addr + text->size;
  for (uint64_t pc = text->addr, start = 0, size = 0; pc < end;) {
    if (!table.range(pc, &start, &size) || start + size <= pc) {
      pc += 16;
      continue;
    }
    out.push_back(start);
    for (int i = 0; i < 2 && size > 1; i++) out.push_back(start + random() % size);
    pc = start + size;
  }
  const size_t step = out.size() / kMaxAddresses + 1;
  std::vector<uint64_t> chosen;
  for (size_t i = 0; i < out.size(); i += step) chosen.push_back(out[i]);
  return chosen;
}

struct Score {
  size_t total = 0, names = 0, lines = 0, inlined = 0, examples = 0;
};

void ShowDifference(const char* what, uint64_t pc, const std::string& ours, const std::string& theirs, Score* score) {
  if (score->examples++ < 8)
    std::printf("  %s at 0x%llx: %s, oracle %s\n", what, static_cast<unsigned long long>(pc), ours.c_str(), theirs.c_str());
}

constexpr char kOracle[] = R"(package main

import (
	"bufio"
	"debug/elf"
	"debug/gosym"
	"fmt"
	"os"
	"strconv"
)

// Where the text begins: the symbol; the header's field, or the relocation that fills it; else .text.
func textStart(file *elf.File, table *elf.Section, data []byte) uint64 {
	symbols, _ := file.Symbols()
	for _, symbol := range symbols {
		if symbol.Name == "runtime.text" {
			return symbol.Value
		}
	}
	if start := file.ByteOrder.Uint64(data[24:]); start != 0 {
		return start
	}
	if rela := file.Section(".rela.dyn"); rela != nil {
		entries, _ := rela.Data()
		for ; len(entries) >= 24; entries = entries[24:] {
			if file.ByteOrder.Uint64(entries) == table.Addr+24 {
				return file.ByteOrder.Uint64(entries[16:])
			}
		}
	}
	return file.Section(".text").Addr
}

func main() {
	file, err := elf.Open(os.Args[1])
	if err != nil {
		panic(err)
	}
	table := file.Section(".gopclntab")
	if table == nil {
		table = file.Section(".data.rel.ro.gopclntab")
	}
	data, _ := table.Data()
	symbols, err := gosym.NewTable(nil, gosym.NewLineTable(data, textStart(file, table, data)))
	if err != nil {
		panic(err)
	}
	out := bufio.NewWriter(os.Stdout)
	defer out.Flush()
	for in := bufio.NewScanner(os.Stdin); in.Scan(); {
		pc, _ := strconv.ParseUint(in.Text(), 0, 64)
		name, line, function := "?", 0, (*gosym.Func)(nil)
		path := "?"
		if path, line, function = symbols.PCToLine(pc); function != nil {
			name = function.Name
		}
		fmt.Fprintf(out, "%s\n%s:%d\n", name, path, line)
	}
}
)";

void CompareFunctions(const std::string& what, const GoPclntab& table, const std::string& oracle,
                      const std::vector<uint64_t>& addresses) {
  const auto lines = LinesOf(folder + "/gosym '" + oracle + "' < " + AddressFile(addresses));
  CHECK_EQ(lines.size(), addresses.size() * 2);
  if (lines.size() != addresses.size() * 2) return;
  Score score;
  std::vector<ResolvedFrame> frames;
  for (size_t i = 0; i < addresses.size(); i++) {
    // Padding behind a function's last instruction has a negative line.
    const std::string& place = lines[2 * i + 1];
    const std::string theirs = place.starts_with(":-") ? ":0" : place;
    frames.clear();
    score.total++;
    table.lookup(addresses[i], &frames);
    const std::string name = frames.empty() ? "?" : frames.back().name;
    const std::string line = frames.empty() ? "?" : frames.front().file + ":" + std::to_string(frames.front().line);
    score.inlined += frames.size() > 1;
    score.names += name == lines[2 * i];
    score.lines += line == theirs;
    if (name != lines[2 * i]) ShowDifference("name", addresses[i], name, lines[2 * i], &score);
    if (line != theirs) ShowDifference("line", addresses[i], line, theirs, &score);
  }
  std::printf("%-22s %6zu functions, %6zu addresses, %zu in inlined calls: %zu names and %zu lines as debug/gosym's\n",
              what.c_str(), table.functionCount(), score.total, score.inlined, score.names, score.lines);
  CHECK(score.total > 1000 && score.inlined > 100);
  CHECK_EQ(score.names, score.total);
  CHECK_EQ(score.lines, score.total);
}

/// "name file:line" of each frame, innermost first.
using Chain = std::vector<std::string>;

void CompareInlines(const std::string& what, const GoPclntab& table, const std::string& oracle,
                    const std::vector<uint64_t>& all) {
  std::vector<uint64_t> addresses;
  for (size_t i = 0; i < all.size(); i += all.size() / kMaxInlineAddresses + 1) addresses.push_back(all[i]);
  std::vector<Chain> expected(1);
  const auto lines = LinesOf("llvm-symbolizer --no-demangle -e '" + oracle + "' < " + AddressFile(addresses));
  for (size_t i = 0; i < lines.size(); i++) {
    if (lines[i].empty()) {
      expected.emplace_back();
    } else if (i + 1 < lines.size()) {
      std::string name = lines[i];
      for (const std::string suffix : {".abi0", ".abiinternal"})
        if (name.ends_with(suffix)) name.resize(name.size() - suffix.size());
      std::string place = lines[i + 1].substr(0, lines[i + 1].rfind(':'));
      while (place.starts_with("./")) place.erase(0, 2);  // "././<autogenerated>"
      expected.back().push_back(name + " " + place);
      i++;
    }
  }
  expected.resize(addresses.size());
  Score score;
  size_t inlined = 0;
  for (size_t i = 0; i < addresses.size(); i++) {
    // What the compiler made itself has no DWARF.
    if (expected[i].empty() || expected[i][0].ends_with(":0")) continue;
    std::vector<ResolvedFrame> frames;
    table.lookup(addresses[i], &frames);
    Chain chain;
    for (const auto& frame : frames) chain.push_back(frame.name + " " + frame.file + ":" + std::to_string(frame.line));
    score.total++;
    inlined += expected[i].size() > 1;
    score.names += chain == expected[i];
    if (chain == expected[i]) continue;
    const auto text = [](const Chain& frame) {
      std::string joined;
      for (const auto& one : frame) joined += "[" + one + "]";
      return joined;
    };
    ShowDifference("inlined calls", addresses[i], text(chain), text(expected[i]), &score);
  }
  const double share = static_cast<double>(score.names) / static_cast<double>(std::max<size_t>(score.total, 1));
  std::printf("%-22s %6zu addresses, %zu in inlined calls: %.2f %% as llvm-symbolizer's\n", what.c_str(), score.total,
              inlined, share * 100);
  CHECK(inlined > 100);
  CHECK(share >= kInlineFloor);
}

/// `oracle` is what `file` was stripped from; "" leaves inlined calls out, for want of DWARF.
void Compare(const std::string& what, const std::string& file, const std::string& oracle, bool hasDwarf) {
  const auto elf = OpenElf(file);
  const auto table = elf ? GoPclntab::Load(*elf) : nullptr;
  CHECK(table != nullptr);
  if (!table) return;
  const auto addresses = AddressesOf(*elf, *table);
  CompareFunctions(what, *table, oracle, addresses);
  if (hasDwarf) CompareInlines(what, *table, oracle, addresses);
}

constexpr char kProgram[] = R"(package main

import (
	"encoding/json"
	"fmt"
	"os"
	"sort"
)

type pair[K comparable, V any] struct { key K; value V }

func (p *pair[K, V]) swap(other *pair[K, V]) { *p, *other = *other, *p }

func tiny(x int) int { return x ^ 0x55 }
func small(x int) int { return x*3 + tiny(x) }

func main() {
	a, b := &pair[string, int]{"a", small(len(os.Args))}, &pair[string, int]{"b", 2}
	a.swap(b)
	defer func() { fmt.Println(recover()) }()
	sort.Slice(os.Args, func(i, j int) bool { return os.Args[i] < os.Args[j] })
	out, _ := json.Marshal(map[string]int{a.key: a.value})
	fmt.Println(string(out))
}
)";

bool BuildOracle() {
  std::filesystem::create_directory(folder + "/oracle");
  std::ofstream(folder + "/oracle/main.go") << kOracle;
  return Run("cd " + folder + "/oracle && GO111MODULE=off GOTOOLCHAIN=local GOFLAGS= " + go + " build -o ../gosym main.go");
}

void BuildAndCompare() {
  std::ofstream(folder + "/main.go") << kProgram;
  std::ofstream(folder + "/go.mod") << "module sample\n\ngo 1.18\n";
  const std::string build = "cd " + folder + " && GOTOOLCHAIN=local GOFLAGS= " + go + " build ";
  CHECK(Run(build + "-o plain . && cp plain bare && strip bare"));
  CHECK(Run(build + "-ldflags='-s -w' -o stripped ."));
  CHECK(Run(build + "-buildmode=pie -o pie . && strip -o pie-bare pie"));
  Compare("plain", folder + "/plain", folder + "/plain", true);
  Compare("-s -w", folder + "/stripped", folder + "/plain", false);
  Compare("strip", folder + "/bare", folder + "/plain", false);
  Compare("pie", folder + "/pie", folder + "/pie", true);
  Compare("pie, strip", folder + "/pie-bare", folder + "/pie", false);
  std::ofstream(folder + "/c.go") << "package main\n\n// int twice(int x) { return 2 * x; }\nimport \"C\"\n\n"
                                     "func init() { println(C.twice(1)) }\n";
  CHECK(Run(build + "-o cgo . && strip -o cgo-bare cgo"));
  Compare("cgo", folder + "/cgo", folder + "/cgo", true);
  Compare("cgo, strip", folder + "/cgo-bare", folder + "/cgo", false);
}

}  // namespace

int main(int argc, char** argv) {
  char name[] = "/tmp/otelprof-go-XXXXXX";
  folder = mkdtemp(name);
  const char* installed = "/usr/local/go/bin/go";
  const char* named = std::getenv("GO");
  go = named ? named : access(installed, X_OK) == 0 ? installed : "go";
  const bool built = BuildOracle();
  CHECK(built);
  if (built && argc > 1) {
    Compare(std::filesystem::path(argv[1]).filename(), argv[1], argc > 2 ? argv[2] : argv[1], argc > 2);
  } else if (built) {
    BuildAndCompare();
    // Go 1.19, stripped, with C: Debian's.
    // Their inlined calls have no oracle, but must be there.
    for (const std::string file : {"/usr/sbin/docker-proxy", "/usr/sbin/runc"})
      if (std::filesystem::exists(file)) Compare(std::filesystem::path(file).filename(), file, file, false);
  }
  std::filesystem::remove_all(folder);
  return testResult("go_compare_test");
}
