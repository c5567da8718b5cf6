// SPDX-License-Identifier: Apache-2.0
// Names from .gnu_debugdata, made as GDB's manual says ("MiniDebugInfo") and as Fedora and its descendants ship it;
// and what does not unpack: damaged, cut short, larger than the limit.
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "symbols/symbols.h"
#include "symbols/xz.h"
#include "test_macros.h"

using namespace otelprof;

namespace {

const std::string kSource = std::filesystem::path(__FILE__).parent_path().string() + "/dwarf/inlined.c";
std::string folder;

bool Run(const std::string& command) {
  const bool ok = std::system(("cd " + folder + " && " + command).c_str()) == 0;
  if (!ok) std::fprintf(stderr, "failed: %s\n", command.c_str());
  return ok;
}

std::unique_ptr<ElfFile> OpenElf(const std::string& name) {
  const int fd = open((folder + "/" + name).c_str(), O_RDONLY | O_CLOEXEC);
  auto elf = fd < 0 ? nullptr : ElfFile::Open(fd, nullptr);
  if (fd >= 0) close(fd);
  return elf;
}

std::vector<uint8_t> FileBytes(const std::string& name) {
  std::ifstream in(folder + "/" + name, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

/// The recipe of GDB's manual, with the names as there.
bool BuildMiniDebug() {
  return Run("gcc -O1 -g -rdynamic " + kSource + " -o whole") &&
         Run("nm -D whole --format=posix --defined-only | awk '{print $1}' | sort > dynsyms") &&
         Run("nm whole --format=posix --defined-only | awk '{if ($2 == \"T\" || $2 == \"t\" || $2 == \"D\") print $1}'"
             " | sort > funcsyms") &&
         Run("comm -13 dynsyms funcsyms > keep_symbols") && Run("objcopy --only-keep-debug whole debug") &&
         Run("objcopy -S --remove-section .gdb_index --remove-section .comment --keep-symbols=keep_symbols debug mini") &&
         Run("xz -kf mini") && Run("strip --strip-all -R .comment -o stripped whole") &&
         Run("objcopy --add-section .gnu_debugdata=mini.xz stripped shipped");
}

void TestNames() {
  const auto whole = OpenElf("whole"), shipped = OpenElf("shipped"), stripped = OpenElf("stripped");
  CHECK(whole && shipped && stripped);
  if (!whole || !shipped || !stripped) return;
  const auto expected = FileSymbols::Load(*whole, DemangleMode::Full);
  const auto actual = FileSymbols::Load(*shipped, DemangleMode::Full);
  const auto without = FileSymbols::Load(*stripped, DemangleMode::Full);
  CHECK(expected->source() == SymbolSource::Symtab);
  CHECK(actual->source() == SymbolSource::MiniDebug);
  CHECK(without->source() == SymbolSource::Dynsym);
  size_t compared = 0, wrong = 0, gained = 0;
  std::vector<ResolvedFrame> want, got;
  const auto* text = whole->section(".text");
  for (uint64_t va = text->addr; va < text->addr + text->size; va++) {
    if (!expected->Lookup(va, &want)) continue;
    compared++;
    gained += !without->Lookup(va, &got);
    wrong += !actual->Lookup(va, &got) || got.front().name != want.front().name;
  }
  std::printf("gnu_debugdata: %zu addresses, %zu without a name in .dynsym, %zu wrong\n", compared, gained, wrong);
  CHECK(compared > 200);
  CHECK(gained > 50);
  CHECK_EQ(wrong, 0u);
}

/// The file is as good as one without the section.
void TestUnreadable(const std::string& what) {
  const bool made = Run("objcopy --remove-section .gnu_debugdata --add-section .gnu_debugdata=" + what + " stripped bad");
  const auto bad = OpenElf("bad");
  CHECK(made && bad != nullptr);
  if (bad) CHECK(FileSymbols::Load(*bad, DemangleMode::Full)->source() == SymbolSource::Dynsym);
}

void TestLimits() {
  constexpr size_t kLimit = 64u << 20;
  const auto good = FileBytes("mini.xz");
  const auto plain = FileBytes("mini");
  CHECK(UnpackXz(good, kLimit) == plain);
  CHECK(UnpackXz(good, plain.size()) == plain);
  CHECK(UnpackXz(good, plain.size() - 1).empty());
  for (size_t size = 0; size < good.size(); size += 37) CHECK(UnpackXz(std::span(good).first(size), kLimit).empty());
  auto damaged = good;
  damaged[damaged.size() / 2] ^= 0x10;
  CHECK(UnpackXz(damaged, kLimit).empty());

  Run("head -c 300 mini.xz > cut.xz");
  TestUnreadable("cut.xz");
  Run("printf nonsense > nonsense.xz");
  TestUnreadable("nonsense.xz");
  // 10 KB that want to become 65 MiB.
  Run("head -c 68157440 /dev/zero | xz -0 > bomb.xz");
  CHECK(FileBytes("bomb.xz").size() < 100'000);
  TestUnreadable("bomb.xz");
  // An ELF file within is required.
  Run("printf 'no ELF file at all, but long enough to be one if it only had the right bytes' | xz > text.xz");
  TestUnreadable("text.xz");
}

}  // namespace

int main() {
  char name[] = "/tmp/otelprof-mini-debug-XXXXXX";
  folder = mkdtemp(name);
  const bool built = BuildMiniDebug();
  CHECK(built);
  if (built) {
    TestNames();
    TestLimits();
  }
  std::filesystem::remove_all(folder);
  return testResult("mini_debug_test");
}
