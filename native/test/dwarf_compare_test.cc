// SPDX-License-Identifier: Apache-2.0
// Builds C, C++ and Rust programs with DWARF 4 and 5, plain, compressed and split, and compares files, lines
// and inlined functions with llvm-symbolizer at every instruction of a function. Prints the shares.
#include <elf.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <stdlib.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "dwarf/dwarf_file.h"
#include "symbols/source_lines.h"
#include "test_macros.h"

using namespace otelprof;

namespace {

constexpr size_t kMaxAddresses = 3000;  // of one program
constexpr double kFloor = 0.995;

const std::string kSources = std::filesystem::path(__FILE__).parent_path().string() + "/dwarf/";
std::string folder;

std::string Output(const std::string& command) {
  std::string out;
  FILE* pipe = popen(command.c_str(), "re");
  if (pipe == nullptr) return out;
  char buffer[65536];
  for (size_t n; (n = fread(buffer, 1, sizeof(buffer), pipe)) > 0;) out.append(buffer, n);
  if (pclose(pipe) != 0) std::fprintf(stderr, "failed: %s\n", command.c_str());
  return out;
}

bool Run(const std::string& command) { return std::system(command.c_str()) == 0; }

/// Addresses of instructions, evenly spread.
std::vector<std::string> Instructions(const std::string& file) {
  std::vector<std::string> all;
  std::string text = Output("objdump -d --no-show-raw-insn -j .text " + file);
  for (size_t at = 0; at < text.size();) {
    const size_t end = std::min(text.find('\n', at), text.size());
    const size_t from = text.find_first_not_of(' ', at);
    const size_t colon = text.find(':', at);
    if (from > at && colon < end) {
      const std::string address = text.substr(from, colon - from);
      if (address.find_first_not_of("0123456789abcdef") == std::string::npos) all.push_back("0x" + address);
    }
    at = end + 1;
  }
  std::vector<std::string> out;
  const size_t step = std::max<size_t>(1, all.size() / kMaxAddresses);
  for (size_t i = 0; i < all.size(); i += step) out.push_back(all[i]);
  return out;
}

struct Frame {
  std::string name, position;
};
using Frames = std::vector<Frame>;

/// "dir/./file:line:column" → normal path and line.
std::string Position(std::string text) {
  text.resize(std::min(text.rfind(':'), text.size()));
  const size_t colon = text.rfind(':');
  return std::filesystem::path(text.substr(0, colon)).lexically_normal().string() + text.substr(colon);
}

std::vector<Frames> Oracle(const std::string& file, const std::vector<std::string>& addresses) {
  const std::string list = folder + "/addresses";
  std::ofstream written(list);
  for (const auto& address : addresses) written << address << "\n";
  written.close();
  std::vector<Frames> out(1);
  const std::string text = Output("llvm-symbolizer --no-demangle -e " + file + " < " + list);
  std::vector<std::string> lines;
  for (size_t at = 0; at < text.size();) {
    const size_t end = std::min(text.find('\n', at), text.size());
    lines.push_back(text.substr(at, end - at));
    at = end + 1;
  }
  for (size_t i = 0; i < lines.size(); i++) {
    if (lines[i].empty()) {
      out.emplace_back();
    } else if (i + 1 < lines.size()) {
      out.back().push_back({lines[i], Position(lines[i + 1])});
      i++;
    }
  }
  out.resize(addresses.size());
  return out;
}

std::unique_ptr<ElfFile> OpenElf(const std::string& path) {
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  std::string error;
  auto elf = ElfFile::Open(fd, &error);
  close(fd);
  return elf;
}

/// `oracle`: the file llvm-symbolizer reads; it knows no zstd before version 16.
void Compare(const std::string& what, const std::string& file, const std::string& oracle) {
  const auto image = OpenElf(file);
  CHECK(image != nullptr);
  if (!image) return;
  const auto debug = OpenDebugFile(*image, folder, "");
  const auto symbols = FileSymbols::Load(*image, DemangleMode::None, debug.get());
  DwarfErrors errors;
  const auto dwarf = DwarfFile::Open(*image, debug.get(), &errors);
  CHECK(dwarf != nullptr);
  if (!dwarf) return;
  const auto addresses = Instructions(oracle);
  const auto expected = Oracle(oracle, addresses);
  size_t total = 0, positions = 0, chains = 0, inlined = 0;
  std::string example;
  std::vector<ResolvedFrame> frames;
  for (size_t i = 0; i < addresses.size(); i++) {
    const auto& want = expected[i];
    // Padding between functions, and what has a name only: DWARF says nothing there.
    if (want.empty() || want[0].name == "??" || (want.size() == 1 && want[0].position.ends_with(":0"))) continue;
    const uint64_t va = std::strtoull(addresses[i].c_str(), nullptr, 16);
    symbols->Lookup(va, &frames);
    dwarf->Load(va);
    CHECK(AddSourceLines(*dwarf, va, DemangleMode::None, &frames));
    bool samePositions = frames.size() == want.size(), sameChain = samePositions;
    for (size_t j = 0; samePositions && j < frames.size(); j++) {
      const std::string file = frames[j].file.empty() ? "??" : frames[j].file;
      samePositions = Position(file + ":" + std::to_string(frames[j].line) + ":0") == want[j].position;
      // The function itself is named by the symbol table, where aliases are a matter of taste; GCC gives
      // lambdas and local classes no linker name, and then we say more than DW_AT_name.
      if (j + 1 < frames.size()) sameChain &= frames[j].name.ends_with(want[j].name);
    }
    if (!samePositions && example.empty()) example = addresses[i] + " " + want[0].position;
    total++;
    inlined += want.size() > 1;
    positions += samePositions;
    chains += sameChain;
  }
  const auto share = [total](size_t n) { return total == 0 ? 0.0 : static_cast<double>(n) / static_cast<double>(total); };
  std::printf("%-24s %5zu addresses, %5zu with inlined functions: positions %.2f %%, inlined names %.2f %%, %zu bytes %s\n",
              what.c_str(), total, inlined, share(positions) * 100, share(chains) * 100, dwarf->sizeBytes(), example.c_str());
  CHECK(total > 100);
  CHECK(inlined > 20);
  CHECK(share(positions) >= kFloor);
  CHECK(share(chains) >= kFloor);
  CHECK_EQ(errors.malformed + errors.overLimit + errors.compressed + errors.alternate, 0u);
}

void Program(const std::string& name, const std::string& command) {
  const std::string file = folder + "/" + name;
  const bool built = Run(command + " -o " + file);
  CHECK(built);
  if (built) Compare(name, file, file);
}

/// The same program packed, split and without any.
void Variants(const std::string& base) {
  const std::string plain = folder + "/" + base;
  CHECK(Run("cd " + folder + " && objcopy --compress-debug-sections=zlib " + base + " gz && objcopy "
            "--compress-debug-sections=zstd " + base + " zstd && objcopy --compress-debug-sections=zlib-gnu " + base +
            " old && objcopy --only-keep-debug " + base + " split.debug && "
            "strip -g " + base + " -o split && objcopy --add-gnu-debuglink=split.debug split && objcopy "
            "--only-keep-debug --compress-debug-sections=zlib " + base + " packed.debug && strip " + base +
            " -o packed && objcopy --add-gnu-debuglink=packed.debug packed"));
  Compare(base + " zlib", folder + "/gz", plain);
  Compare(base + " zstd", folder + "/zstd", plain);
  Compare(base + " zdebug", folder + "/old", plain);
  Compare(base + " debuglink", folder + "/split", plain);
  Compare(base + " debuglink zlib", folder + "/packed", plain);

  // Refused as a whole and counted: what is in the dwz file would be missing at random.
  CHECK(Run("cd " + folder + " && printf 'x.dwz\\0abcdefghijklmnopqrst' > alt && objcopy --add-section "
            ".gnu_debugaltlink=alt " + base + " dwz"));
  DwarfErrors errors;
  const auto dwz = OpenElf(folder + "/dwz");
  CHECK(dwz != nullptr && DwarfFile::Open(*dwz, nullptr, &errors) == nullptr);
  CHECK_EQ(errors.alternate.load(), 1u);
  const auto bare = OpenElf(folder + "/split");
  CHECK(bare != nullptr && DwarfFile::Open(*bare, nullptr, &errors) == nullptr);
  CHECK_EQ(errors.alternate.load(), 1u);
}

/// What was unpacked is read from the copy, also after a rest; without a place for one all is unpacked again.
void UnpackedOnce(const std::string& base, bool canKeep) {
  const std::string path = folder + "/kept";
  CHECK(Run("cp " + folder + "/" + base + " " + path));
  const auto image = OpenElf(path);
  DwarfErrors errors;
  size_t asked = 0;
  const auto dwarf = DwarfFile::Open(*image, nullptr, &errors, [&] {
    asked++;
    return canKeep ? UniqueFd(memfd_create("kept", MFD_CLOEXEC)) : UniqueFd();
  });
  std::vector<SourceFrame> frames;
  std::shared_ptr<const UnitTable> table;
  uint64_t known = 0;
  for (const auto& address : Instructions(folder + "/" + base)) {
    known = std::strtoull(address.c_str(), nullptr, 16);
    dwarf->Load(known);
    if (dwarf->Find(known, &frames, &table) == DwarfFile::Answer::Found) break;
  }
  CHECK(canKeep ? asked == 1 : asked > 1);
  dwarf->Rest();
  while (dwarf->unitCount() > 0) CHECK(dwarf->EvictOldest() > 0);
  const UniqueFd file(open(path.c_str(), O_WRONLY | O_CLOEXEC));
  const auto* info = image->section(".debug_info");
  const std::vector<uint8_t> zeros(info->size - sizeof(Elf64_Chdr));
  CHECK(pwrite(file.get(), zeros.data(), zeros.size(), static_cast<off_t>(info->offset + sizeof(Elf64_Chdr))) ==
        static_cast<ssize_t>(zeros.size()));
  frames.clear();
  dwarf->Load(known);
  CHECK((dwarf->Find(known, &frames, &table) == DwarfFile::Answer::Found) == canKeep);
  CHECK_EQ(errors.compressed.load(), canKeep ? 0u : 1u);
}

void Eviction(const std::string& base) {
  const auto image = OpenElf(folder + "/" + base);
  DwarfErrors errors;
  const auto dwarf = DwarfFile::Open(*image, nullptr, &errors);
  std::vector<SourceFrame> frames;
  std::shared_ptr<const UnitTable> table;
  uint64_t main = 0;
  for (const auto& address : Instructions(folder + "/" + base)) {
    const uint64_t va = std::strtoull(address.c_str(), nullptr, 16);
    frames.clear();
    CHECK(dwarf->Find(va, &frames, &table) == DwarfFile::Answer::NotLoaded || main != 0);
    dwarf->Load(va);
    if (dwarf->Find(va, &frames, &table) == DwarfFile::Answer::Found) main = va;
    if (main != 0) break;
  }
  CHECK(main != 0);
  const size_t before = dwarf->sizeBytes();
  CHECK(before > 0 && dwarf->oldestUse() != UINT64_MAX);
  while (dwarf->unitCount() > 0) CHECK(dwarf->EvictOldest() > 0);
  CHECK(dwarf->sizeBytes() < before / 2);
  CHECK(dwarf->Find(main, &frames, &table) == DwarfFile::Answer::NotLoaded);
  dwarf->Rest();
  dwarf->Load(main);
  CHECK(dwarf->Find(main, &frames, &table) == DwarfFile::Answer::Found);
}

}  // namespace

int main() {
  char name[] = "/tmp/otelprof-dwarf-XXXXXX";
  folder = mkdtemp(name);
  // An unstable option before 1.88, not known before 1.64; the standard library keeps its own version.
  const std::string rust = "RUSTC_BOOTSTRAP=1 rustc -O -g ";
  const bool rustHasVersions = Run(rust + "-Z dwarf-version=5 --print=sysroot > /dev/null 2>&1");
  if (!rustHasVersions) Program("rust", rust + kSources + "inlined.rs");
  for (const std::string version : {"4", "5"}) {
    const std::string flags = " -O2 -g -gdwarf-" + version + " ";
    Program("c-gcc-" + version, "gcc" + flags + kSources + "inlined.c");
    Program("c-clang-" + version, "clang" + flags + kSources + "inlined.c");
    Program("cpp-gcc-" + version, "g++ -std=c++17" + flags + kSources + "inlined.cc");
    Program("cpp-clang-" + version, "clang++ -std=c++17" + flags + kSources + "inlined.cc");
    if (rustHasVersions) Program("rust-" + version, rust + "-Z dwarf-version=" + version + " " + kSources + "inlined.rs");
  }
  // Units that share templates: each claims the one copy that was kept.
  std::string units = "cd " + folder;
  for (const std::string unit : {"a", "b", "c", "d", "e", "f"})
    units += " && g++ -std=c++17 -O1 -g -c -Dmain=" + unit + " " + kSources + "inlined.cc -o " + unit + ".o";
  Program("cpp-gcc-units", units + " && g++ -std=c++17 -O1 -g " + kSources + "inlined.cc [a-f].o");
  Program("c-gcc-5-lto", "gcc -flto -O2 -g " + kSources + "inlined.c");
  Program("c-gcc-4-gz", "gcc -O2 -g -gdwarf-4 -gz=zlib " + kSources + "inlined.c");
  Variants("cpp-gcc-5");
  Eviction("cpp-gcc-5");
  UnpackedOnce("gz", true);
  UnpackedOnce("gz", false);
  std::filesystem::remove_all(folder);
  return testResult("dwarf_compare_test");
}
