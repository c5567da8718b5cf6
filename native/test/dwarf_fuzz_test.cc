// SPDX-License-Identifier: Apache-2.0
// Seeded mutations of the debug sections of real programs: no input may crash, hang or read out of bounds
// (run with --sanitize), and the tables stay small. FUZZ_ROUNDS sets the rounds of each program.
#include <stdlib.h>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <string>
#include <vector>

#include "dwarf/dwarf_file.h"
#include "test_macros.h"

using namespace otelprof;

namespace {

const std::string kSources = std::filesystem::path(__FILE__).parent_path().string() + "/dwarf/";
constexpr size_t kMaxTableBytes = 64u << 20;

struct Program {
  std::vector<uint8_t> bytes;
  std::vector<std::pair<size_t, size_t>> sections;  // offset and size of what is mutated
  std::vector<uint64_t> addresses;
};

Program Build(const std::string& folder, const std::string& command) {
  Program out;
  const std::string file = folder + "/program";
  CHECK(std::system((command + " " + kSources + "inlined.c -o " + file).c_str()) == 0);
  std::ifstream in(file, std::ios::binary);
  out.bytes.assign(std::istreambuf_iterator<char>(in), {});
  const auto elf = ElfFile::FromMemory(out.bytes, nullptr);
  CHECK(elf != nullptr);
  if (!elf) return out;
  for (const auto& section : elf->sections()) {
    if (section.name.starts_with(".debug_") && section.size > 0) out.sections.push_back({section.offset, section.size});
    if (section.name == ".text")
      for (uint64_t at = 0; at < section.size; at += 16) out.addresses.push_back(section.addr + at);
  }
  return out;
}

/// Reads everything; returns the number of frames.
size_t ReadAll(const std::vector<uint8_t>& bytes, const std::vector<uint64_t>& addresses, DwarfErrors* errors) {
  const auto elf = ElfFile::FromMemory(bytes, nullptr);
  if (!elf) return 0;
  const auto dwarf = DwarfFile::Open(*elf, nullptr, errors);
  if (!dwarf) return 0;
  size_t count = 0;
  std::vector<SourceFrame> frames;
  std::shared_ptr<const UnitTable> table;
  for (const uint64_t address : addresses) {
    dwarf->Load(address);
    frames.clear();
    // Whatever the file says, an address is not asked for again and again.
    CHECK(dwarf->Find(address, &frames, &table) != DwarfFile::Answer::NotLoaded);
    for (const SourceFrame& frame : frames) count += 1 + frame.name.size() % 2 + frame.file.size() % 2;
  }
  CHECK(dwarf->sizeBytes() < kMaxTableBytes);
  return count;
}

void Mutate(const Program& program, size_t rounds, uint64_t seed) {
  DwarfErrors clean;
  const size_t frames = ReadAll(program.bytes, program.addresses, &clean);
  CHECK(frames > 50);
  CHECK_EQ(clean.malformed + clean.overLimit + clean.compressed, 0u);
  std::mt19937_64 random(seed);
  DwarfErrors errors;
  size_t changed = 0;
  for (size_t round = 0; round < rounds; round++) {
    auto bytes = program.bytes;
    const size_t edits = 1 + random() % 8;
    for (size_t i = 0; i < edits; i++) {
      const auto [offset, size] = program.sections[random() % program.sections.size()];
      const size_t at = offset + random() % size;
      switch (random() % 4) {
        case 0: bytes[at] = static_cast<uint8_t>(random()); break;
        case 1: bytes[at] ^= static_cast<uint8_t>(1u << random() % 8); break;
        case 2: bytes[at] = random() % 2 ? 0xff : 0x80; break;
        default:
          for (size_t j = at; j < std::min(at + 4, offset + size); j++) bytes[j] = program.bytes[offset + random() % size];
      }
    }
    changed += ReadAll(bytes, program.addresses, &errors) != frames;
  }
  std::printf("seed %zu: %zu rounds, %zu read otherwise, %zu malformed, %zu over a limit, %zu not unpacked\n",
              static_cast<size_t>(seed), rounds, changed, static_cast<size_t>(errors.malformed),
              static_cast<size_t>(errors.overLimit), static_cast<size_t>(errors.compressed));
  CHECK(changed > rounds / 20);
  CHECK(errors.malformed + errors.compressed > 0);
}

void Truncate(const Program& program) {
  DwarfErrors errors;
  for (const auto& [offset, size] : program.sections) {
    auto bytes = program.bytes;
    std::fill(bytes.begin() + static_cast<ptrdiff_t>(offset + size / 2),
              bytes.begin() + static_cast<ptrdiff_t>(offset + size), uint8_t{0xff});
    ReadAll(bytes, program.addresses, &errors);
  }
  CHECK(errors.malformed + errors.compressed > 0);
}

}  // namespace

int main() {
  char name[] = "/tmp/otelprof-dwarf-fuzz-XXXXXX";
  const std::string folder = mkdtemp(name);
  const char* rounds = std::getenv("FUZZ_ROUNDS");
  const size_t count = rounds ? std::strtoull(rounds, nullptr, 10) : 1500;
  uint64_t seed = 1;
  for (const std::string command :
       {"gcc -O2 -g -gdwarf-4", "gcc -O2 -g -gdwarf-5", "clang -O2 -g -gdwarf-4", "clang -O2 -g -gdwarf-5",
        "gcc -O2 -g -gdwarf-5 -gz=zlib"}) {
    const Program program = Build(folder, command);
    if (program.sections.empty() || program.addresses.empty()) continue;
    Mutate(program, count, seed++);
    Truncate(program);
  }
  std::filesystem::remove_all(folder);
  return testResult("dwarf_fuzz_test");
}
