// SPDX-License-Identifier: Apache-2.0
// Command-line access to the symbolizer, for comparisons with nm and llvm-symbolizer and for figures:
//   symbols_tool lookup FILE MODE     hex addresses on stdin → "address<TAB>name<TAB>file:line | …"
//   symbols_tool lines FILE MODE      the same with DWARF, frames and their lines as llvm-symbolizer has them
//   symbols_tool dwarfbench FILE      hex addresses on stdin → time and bytes to load and to look up
//   symbols_tool demangle MODE        names on stdin → names
//   symbols_tool bench FILE           index time, bytes, ns a lookup
//   symbols_tool kallsyms             load time, resident memory
//   symbols_tool htlhash FILE | buildid FILE
#include <fcntl.h>
#include <unistd.h>

#include <cinttypes>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <fstream>
#include <iostream>
#include <random>
#include <string>

#include "../addon/dwarf/dwarf_file.h"
#include "../addon/symbols/source_lines.h"
#include "../addon/symbols/symbols.h"

using namespace otelprof;

namespace {

/// CPU time, not wall time: the machine may be busy.
double nowMs() {
  timespec t;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
  return static_cast<double>(t.tv_sec) * 1e3 + static_cast<double>(t.tv_nsec) / 1e6;
}

long residentKb() {
  std::ifstream file("/proc/self/status");
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with("VmRSS:")) return std::atol(line.c_str() + 6);
  }
  return 0;
}

std::unique_ptr<ElfFile> openElf(const char* path) {
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  std::string error = "cannot open";
  auto elf = fd < 0 ? nullptr : ElfFile::Open(fd, &error);
  if (fd >= 0) close(fd);
  if (!elf) {
    std::fprintf(stderr, "%s: %s\n", path, error.c_str());
    std::exit(1);
  }
  return elf;
}

std::unique_ptr<ElfFile> debugOf(const ElfFile& elf, std::string path) {
  return OpenDebugFile(elf, path.substr(0, path.rfind('/')), "");
}

int lookup(const char* path, DemangleMode mode) {
  auto elf = openElf(path);
  auto debug = debugOf(*elf, path);
  auto symbols = FileSymbols::Load(*elf, mode, debug.get());
  std::vector<ResolvedFrame> frames;
  for (std::string line; std::getline(std::cin, line);) {
    uint64_t va = std::strtoull(line.c_str(), nullptr, 16);
    std::printf("%s", line.c_str());
    symbols->Lookup(va, &frames);
    for (size_t i = 0; i < frames.size(); i++) {
      std::printf("%s%s\t%s:%u\t%u", i == 0 ? "\t" : " | ", frames[i].name.c_str(),
                  frames[i].file.c_str(), frames[i].line, frames[i].startLine);
    }
    std::printf("\n");
  }
  return 0;
}

void printErrors(const DwarfErrors& errors) {
  std::fprintf(stderr, "malformed %" PRIu64 ", over limit %" PRIu64 ", compressed %" PRIu64 ", alternate %" PRIu64 "\n",
               errors.malformed.load(), errors.overLimit.load(), errors.compressed.load(), errors.alternate.load());
}

int lines(const char* path, DemangleMode mode) {
  auto elf = openElf(path);
  auto debug = debugOf(*elf, path);
  auto symbols = FileSymbols::Load(*elf, mode, debug.get());
  DwarfErrors errors;
  auto dwarf = DwarfFile::Open(*elf, debug.get(), &errors);
  std::vector<ResolvedFrame> frames;
  for (std::string line; std::getline(std::cin, line);) {
    uint64_t va = std::strtoull(line.c_str(), nullptr, 16);
    symbols->Lookup(va, &frames);
    if (dwarf) {
      dwarf->Load(va);
      AddSourceLines(*dwarf, va, mode, &frames);
    }
    for (const auto& frame : frames)
      std::printf("%s\n%s:%u\n", frame.name.empty() ? "??" : frame.name.c_str(),
                  frame.file.empty() ? "??" : frame.file.c_str(), frame.line);
    if (frames.empty()) std::printf("??\n??:0\n");
    std::printf("\n");
  }
  printErrors(errors);
  return 0;
}

int dwarfBench(const char* path) {
  auto elf = openElf(path);
  auto debug = debugOf(*elf, path);
  DwarfErrors errors;
  std::vector<uint64_t> addresses;
  for (std::string line; std::getline(std::cin, line);) addresses.push_back(std::strtoull(line.c_str(), nullptr, 16));
  const long before = residentKb();
  const double t0 = nowMs();
  auto dwarf = DwarfFile::Open(*elf, debug.get(), &errors);
  if (!dwarf || addresses.empty()) return 1;
  dwarf->Load(addresses[0]);
  const double t1 = nowMs();
  for (uint64_t va : addresses) dwarf->Load(va);
  const double t2 = nowMs();
  dwarf->Rest();
  const long after = residentKb();
  std::vector<SourceFrame> frames;
  std::shared_ptr<const UnitTable> table;
  size_t found = 0, count = 0;
  const double t3 = nowMs();
  for (uint64_t va : addresses) {
    frames.clear();
    found += dwarf->Find(va, &frames, &table) == DwarfFile::Answer::Found;
    count += frames.size();
  }
  const double t4 = nowMs();
  std::printf("%s: first address %.1f ms, all %zu addresses %.1f ms, %zu units, %zu bytes held, RSS +%ld kB; "
              "%zu found, %zu frames, lookup %.0f ns\n",
              path, t1 - t0, addresses.size(), t2 - t0, dwarf->unitCount(), dwarf->sizeBytes(), after - before, found,
              count, (t4 - t3) * 1e6 / static_cast<double>(addresses.size()));
  printErrors(errors);
  return 0;
}

int bench(const char* path) {
  long before = residentKb();
  double t0 = nowMs();
  auto elf = openElf(path);
  auto debug = debugOf(*elf, path);
  auto symbols = FileSymbols::Load(*elf, DemangleMode::Full, debug.get());
  double t1 = nowMs();
  size_t copied = elf->residentBytes();
  auto segments = elf->segments();
  std::vector<uint64_t> addresses;
  std::mt19937_64 random(1);
  while (addresses.size() < 10'000) {
    const auto& s = segments[random() % segments.size()];
    if (s.type != 1 || (s.flags & 1) == 0 || s.filesz == 0) continue;
    addresses.push_back(s.vaddr + random() % s.filesz);
  }
  elf.reset();
  debug.reset();
  long after = residentKb();
  double t2 = nowMs();
  size_t found = 0;
  for (uint64_t a : addresses) found += symbols->FunctionAt(a).size != 0;
  double t3 = nowMs();
  std::vector<ResolvedFrame> frames;
  for (uint64_t a : addresses) symbols->Lookup(a, &frames);
  double t4 = nowMs();
  for (uint64_t a : addresses) symbols->Lookup(a, &frames);
  double t5 = nowMs();
  std::printf("%s: source %d, %zu symbols, index %.1f ms, %zu bytes held, %zu bytes read, RSS +%ld kB; "
              "%zu/10000 found, search %.0f ns, lookup with names %.0f ns, again %.0f ns, held then %zu\n",
              path, static_cast<int>(symbols->source()), symbols->symbolCount(), t1 - t0,
              symbols->sizeBytes(), copied, after - before, found, (t3 - t2) * 100, (t4 - t3) * 100,
              (t5 - t4) * 100, symbols->sizeBytes());
  return 0;
}

int kallsyms() {
  long before = residentKb();
  double t0 = nowMs();
  KernelSymbols kernel;
  bool ok = kernel.Load();
  double t1 = nowMs();
  std::printf("ok %d %s: %zu symbols, %.1f ms, %zu bytes, RSS +%ld kB, vmlinux %" PRIx64 "-%" PRIx64 " %s\n",
              ok, kernel.error().c_str(), kernel.symbolCount(), t1 - t0, kernel.sizeBytes(),
              residentKb() - before, kernel.moduleStart("vmlinux"), kernel.moduleLimit("vmlinux"),
              KernelSymbols::BuildId("vmlinux").c_str());
  return ok ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  std::string command = argc > 1 ? argv[1] : "";
  auto modeAt = [&](int i) {
    auto mode = argc > i ? ParseDemangleMode(argv[i]) : std::nullopt;
    return mode.value_or(DemangleMode::Full);
  };
  if (command == "lookup" && argc > 2) return lookup(argv[2], modeAt(3));
  if (command == "lines" && argc > 2) return lines(argv[2], modeAt(3));
  if (command == "dwarfbench" && argc > 2) return dwarfBench(argv[2]);
  if (command == "bench" && argc > 2) return bench(argv[2]);
  if (command == "kallsyms") return kallsyms();
  if (command == "htlhash" && argc > 2) return std::puts(openElf(argv[2])->htlHash().c_str()) < 0;
  if (command == "buildid" && argc > 2) return std::puts(openElf(argv[2])->gnuBuildId().c_str()) < 0;
  if (command == "demangle") {
    for (std::string line; std::getline(std::cin, line);) std::puts(Demangle(line, modeAt(2)).c_str());
    return 0;
  }
  std::fprintf(stderr, "usage: symbols_tool lookup|lines|dwarfbench|demangle|bench|kallsyms|htlhash|buildid …\n");
  return 2;
}
