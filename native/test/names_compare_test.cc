// SPDX-License-Identifier: Apache-2.0
// Names of functions in stripped and unstripped files of the host against llvm-symbolizer, at places all over their code.
// Where several names are one function's, any of them will do; llvm-symbolizer has no names for PLT stubs, and takes data
// and what follows a function for functions: these are counted and, but for stubs, held against nm's list. (nm itself
// lists OpenSSL's tables within .text as code: node has 20 of these places.)
//   names_compare_test            the files below
//   names_compare_test FILE…      these
#include <elf.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "symbols/symbols.h"
#include "test_macros.h"

using namespace otelprof;

namespace {

constexpr size_t kPlacesOfText = 3000;
constexpr size_t kPlacesElsewhere = 200;
constexpr const char* kFiles[] = {"/bin/bash",
                                  "/usr/bin/perl",
                                  "/usr/bin/git",
                                  "/usr/bin/python3.11",
                                  "/usr/lib/x86_64-linux-gnu/libstdc++.so.6",
                                  "/usr/lib/x86_64-linux-gnu/libcrypto.so.3",
                                  "/usr/lib/x86_64-linux-gnu/libz.so.1"};

struct Listed {
  uint64_t start, size;
  char type;
};
using Listing = std::multimap<std::string, Listed>;

struct Totals {
  size_t places = 0, same = 0, alias = 0, stubs = 0, onlyOurs = 0, noFunction = 0, wrong = 0;
};

template <typename OnLine>
void ForEachLine(const std::string& command, OnLine onLine) {
  FILE* pipe = popen(command.c_str(), "re");
  if (!pipe) return;
  char* line = nullptr;
  size_t capacity = 0;
  for (ssize_t n; (n = getline(&line, &capacity, pipe)) > 0;) onLine(std::string(line, line[n - 1] == '\n' ? n - 1 : n));
  free(line);
  pclose(pipe);
}

Listing ListNames(const std::string& file) {
  Listing out;
  for (const char* table : {"", "-D "})
    ForEachLine("nm -S --defined-only " + std::string(table) + "'" + file + "' 2>/dev/null", [&](const std::string& line) {
      char name[8192];
      unsigned long long start = 0, size = 0;
      char type = 0;
      if (sscanf(line.c_str(), "%llx %llx %c %8191s", &start, &size, &type, name) != 4) {
        size = 0;
        if (sscanf(line.c_str(), "%llx %c %8191s", &start, &type, name) != 3) return;
      }
      const std::string text(name);
      out.emplace(text.substr(0, text.find('@')), Listed{start, size, type});
    });
  return out;
}

std::vector<uint64_t> PlacesOf(const ElfFile& elf) {
  std::vector<uint64_t> out;
  std::mt19937_64 random(1);
  for (const auto& section : elf.sections()) {
    if (!(section.flags & SHF_EXECINSTR) || section.size == 0 || section.type == SHT_NOBITS) continue;
    const size_t count = section.name == ".text" ? kPlacesOfText : kPlacesElsewhere;
    for (size_t i = 0; i < count; i++) out.push_back(section.addr + random() % section.size);
  }
  return out;
}

bool IsFunctionAt(const Listing& listing, const std::string& name, uint64_t place) {
  const auto [first, last] = listing.equal_range(name);
  for (auto it = first; it != last; ++it) {
    const Listed& symbol = it->second;
    const bool isCode = std::string("tTwWi").find(symbol.type) != std::string::npos;
    if (isCode && place >= symbol.start && place - symbol.start < symbol.size) return true;
  }
  return false;
}

bool StartsAt(const Listing& listing, const std::string& name, uint64_t start) {
  const auto [first, last] = listing.equal_range(name);
  for (auto it = first; it != last; ++it)
    if (it->second.start == start) return true;
  return false;
}

void CompareName(const Listing& listing, const FileSymbols& symbols, uint64_t place, const std::string& theirs,
                 Totals* totals) {
  std::vector<ResolvedFrame> frames;
  const std::string ours = symbols.Lookup(place, &frames) ? frames.front().name : "??";
  totals->places++;
  if (ours == theirs) return void(totals->same++);
  if (ours.ends_with("@plt")) return void(totals->stubs++);
  if (theirs == "??") return void(totals->onlyOurs++);
  if (ours != "??" && StartsAt(listing, theirs, symbols.FunctionAt(place).start)) return void(totals->alias++);
  if (!IsFunctionAt(listing, theirs, place)) return void(totals->noFunction++);
  if (totals->wrong++ < 20)
    std::printf("  0x%llx: %s, oracle %s\n", static_cast<unsigned long long>(place), ours.c_str(), theirs.c_str());
}

void CompareFile(const std::string& file, const std::string& list, Totals* totals) {
  const int fd = open(file.c_str(), O_RDONLY | O_CLOEXEC);
  const auto elf = fd < 0 ? nullptr : ElfFile::Open(fd, nullptr);
  if (fd >= 0) close(fd);
  if (!elf) return;
  const auto symbols = FileSymbols::Load(*elf, DemangleMode::None);
  const auto places = PlacesOf(*elf);
  FILE* out = fopen(list.c_str(), "we");
  for (const uint64_t place : places) std::fprintf(out, "0x%llx\n", static_cast<unsigned long long>(place));
  fclose(out);
  const Listing listing = ListNames(file);
  size_t next = 0;
  bool isName = true;
  // With its debug file it would name inlined functions instead; those are compared in dwarf_compare_test.
  ForEachLine("llvm-symbolizer --no-demangle --no-inlines --debug-file-directory=/nonexistent -e '" + file + "' < " + list,
              [&](const std::string& line) {
                if (isName && !line.empty() && next < places.size())
                  CompareName(listing, *symbols, places[next++], line, totals);
                isName = line.empty();
              });
  CHECK_EQ(next, places.size());
}

}  // namespace

int main(int argc, char** argv) {
  std::vector<std::string> files(argv + 1, argv + argc);
  if (argc == 1) files.assign(std::begin(kFiles), std::end(kFiles));
  char list[] = "/tmp/otelprof-names-XXXXXX";
  const int fd = mkstemp(list);
  close(fd);
  Totals totals;
  for (const auto& file : files)
    if (std::error_code error; std::filesystem::exists(file, error)) CompareFile(file, list, &totals);
  unlink(list);
  std::printf("%zu places: %zu names the same, %zu another name of the same function, %zu PLT stubs and %zu others that only "
              "we name, %zu where the oracle names no function, %zu wrong\n",
              totals.places, totals.same, totals.alias, totals.stubs, totals.onlyOurs, totals.noFunction, totals.wrong);
  CHECK_EQ(totals.wrong, 0u);
  if (argc == 1) CHECK(totals.places > 5000 && totals.same + totals.alias > totals.places / 2);
  return testResult("names_compare_test");
}
