// SPDX-License-Identifier: Apache-2.0
// elf_test [SEED_FILE…]: without arguments this program itself and a small built image are mutated.
#include <elf.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstring>
#include <ctime>
#include <fstream>
#include <iterator>
#include <random>
#include <string>

#include "../addon/elf/sha256.h"
#include "../addon/symbols/symbols.h"
#include "test_macros.h"

using namespace otelprof;

namespace {

std::string hexOf(std::span<const uint8_t> bytes) {
  std::string out;
  char two[3];
  for (uint8_t b : bytes) {
    std::snprintf(two, sizeof two, "%02x", b);
    out += two;
  }
  return out;
}

std::string shaOf(std::string_view text) {
  Sha256 sha;
  // In uneven pieces: block borders must not matter.
  for (size_t step = 1; !text.empty(); step = step % 61 + 7) {
    std::string_view piece = text.substr(0, step);
    sha.update({reinterpret_cast<const uint8_t*>(piece.data()), piece.size()});
    text.remove_prefix(piece.size());
  }
  return hexOf(sha.finish());
}

void sha256Vectors() {  // FIPS 180-4 examples
  CHECK_EQ(shaOf(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  CHECK_EQ(shaOf("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  CHECK_EQ(shaOf("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"),
           "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
  CHECK_EQ(shaOf(std::string(1'000'000, 'a')),
           "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

/// An image with one executable segment, .text, .symtab and a build id; 3 functions.
std::vector<uint8_t> smallImage() {
  std::vector<uint8_t> out(0x400);
  Elf64_Ehdr header{};
  std::memcpy(header.e_ident, ELFMAG, SELFMAG);
  header.e_ident[EI_CLASS] = ELFCLASS64;
  header.e_ident[EI_DATA] = ELFDATA2LSB;
  header.e_type = ET_DYN;
  header.e_machine = EM_X86_64;
  header.e_phoff = sizeof header;
  header.e_phentsize = sizeof(Elf64_Phdr);
  header.e_phnum = 1;
  header.e_shentsize = sizeof(Elf64_Shdr);
  header.e_shnum = 6;
  header.e_shstrndx = 4;
  auto append = [&out](const void* data, size_t size) {
    size_t at = out.size();
    const auto* bytes = static_cast<const uint8_t*>(data);
    out.insert(out.end(), bytes, bytes + size);
    return at;
  };
  Elf64_Phdr segment{PT_LOAD, PF_R | PF_X, 0x200, 0x1200, 0x1200, 0x100, 0x100, 0x1000};
  Elf64_Sym symbols[5] = {};
  auto symbol = [](uint32_t name, uint8_t info, uint64_t value, uint64_t size) {
    return Elf64_Sym{name, info, 0, 1, value, size};
  };
  symbols[1] = symbol(1, ELF64_ST_INFO(STB_GLOBAL, STT_FUNC), 0x1200, 0x20);
  symbols[2] = symbol(7, ELF64_ST_INFO(STB_LOCAL, STT_FUNC), 0x1200, 0x20);   // alias, loses
  symbols[3] = symbol(13, ELF64_ST_INFO(STB_LOCAL, STT_NOTYPE), 0x1280, 0);   // to the section's end
  symbols[4] = symbol(13, ELF64_ST_INFO(STB_LOCAL, STT_NOTYPE), 0x1210, 0);   // a label: dropped
  constexpr char kStrings[] = "\0first\0alias\0asmfn";
  constexpr char kNames[] = "\0.text\0.symtab\0.strtab\0.shstrtab\0.note.gnu.build-id";
  struct {
    uint32_t nameSize = 4, size = 8, type = NT_GNU_BUILD_ID;
    char name[4] = {'G', 'N', 'U', 0};
    uint8_t id[8] = {0xde, 0xad, 0xbe, 0xef, 1, 2, 3, 4};
  } note;
  Elf64_Shdr sections[6] = {};
  sections[1] = {1, SHT_PROGBITS, SHF_ALLOC | SHF_EXECINSTR, 0x1200, 0x200, 0x100, 0, 0, 16, 0};
  sections[2] = {7, SHT_SYMTAB, 0, 0, append(symbols, sizeof symbols), sizeof symbols, 3, 0, 8, 24};
  sections[3] = {15, SHT_STRTAB, 0, 0, append(kStrings, sizeof kStrings), sizeof kStrings, 0, 0, 1, 0};
  sections[4] = {23, SHT_STRTAB, 0, 0, append(kNames, sizeof kNames), sizeof kNames, 0, 0, 1, 0};
  sections[5] = {33, SHT_NOTE, 0, 0, append(&note, sizeof note), sizeof note, 0, 0, 4, 0};
  header.e_shoff = append(sections, sizeof sections);
  std::memcpy(out.data(), &header, sizeof header);
  std::memcpy(out.data() + header.e_phoff, &segment, sizeof segment);
  return out;
}

std::string nameAt(const FileSymbols& symbols, uint64_t address) {
  std::vector<ResolvedFrame> frames;
  return symbols.Lookup(address, &frames) ? frames.front().name : "";
}

void smallImageReads() {
  std::string error;
  auto elf = ElfFile::FromMemory(smallImage(), &error);
  CHECK(elf != nullptr);
  if (!elf) return;
  CHECK_EQ(elf->gnuBuildId(), "deadbeef01020304");
  CHECK_EQ(elf->goBuildId(), "");
  CHECK_EQ(elf->machine(), EM_X86_64);
  CHECK_EQ(elf->vaddrOfOffset(0x210).value_or(0), 0x1210u);
  CHECK(!elf->vaddrOfOffset(0x300).has_value());
  CHECK_EQ(elf->at(0x12ff, 1).size(), 1u);
  CHECK(elf->at(0x12ff, 2).empty());
  CHECK(elf->at(UINT64_MAX, UINT64_MAX).empty());
  CHECK(elf->bytes(UINT64_MAX, 2).empty());
  auto symbols = FileSymbols::Load(*elf, DemangleMode::Full);
  elf.reset();  // the symbols must not need it
  CHECK(symbols->source() == SymbolSource::Symtab);
  CHECK_EQ(symbols->symbolCount(), 2u);
  CHECK_EQ(nameAt(*symbols, 0x11ff), "");
  CHECK_EQ(nameAt(*symbols, 0x1200), "first");
  CHECK_EQ(nameAt(*symbols, 0x121f), "first");
  CHECK_EQ(nameAt(*symbols, 0x1220), "");
  CHECK_EQ(nameAt(*symbols, 0x12ff), "asmfn");
  CHECK_EQ(nameAt(*symbols, 0x1300), "");
  CHECK_EQ(symbols->FunctionAt(0x1290).start, 0x1280u);
  CHECK_EQ(symbols->FunctionAt(0x1290).size, 0x80u);
}

void refusals() {
  std::string error;
  CHECK(!ElfFile::FromMemory({}, &error));
  CHECK_EQ(error, "shorter than an ELF header");
  CHECK(!ElfFile::FromMemory(std::vector<uint8_t>(100), &error));
  CHECK_EQ(error, "no ELF magic");
  int pipes[2];
  CHECK_EQ(pipe(pipes), 0);
  CHECK(!ElfFile::Open(pipes[0], &error));
  CHECK_EQ(error, "not a regular file");
  close(pipes[0]);
  close(pipes[1]);
}

/// A file cut short while open must give empty ranges, not SIGBUS.
void shrinkingFile() {
  char path[] = "/tmp/elf_test_XXXXXX";
  int fd = mkstemp(path);
  auto image = smallImage();
  image.resize(1 << 20);
  CHECK(write(fd, image.data(), image.size()) == static_cast<ssize_t>(image.size()));
  auto elf = ElfFile::Open(fd, nullptr);
  CHECK(elf != nullptr);
  CHECK_EQ(ftruncate(fd, 0), 0);
  CHECK(!elf->bytes(0, 64).empty());  // copied before
  CHECK(elf->bytes(512 * 1024, 64).empty());
  CHECK_EQ(elf->htlHash(), "");
  close(fd);
  unlink(path);
}

/// A sparse file must not make us hold its size.
void sparseFile() {
  char path[] = "/tmp/elf_test_XXXXXX";
  int fd = mkstemp(path);
  auto image = smallImage();
  CHECK(write(fd, image.data(), image.size()) == static_cast<ssize_t>(image.size()));
  CHECK_EQ(ftruncate(fd, off_t{3} << 30), 0);
  auto elf = ElfFile::Open(fd, nullptr);
  CHECK(elf != nullptr);
  CHECK(elf->bytes(0, uint64_t{3} << 30).empty());
  CHECK(elf->residentBytes() <= 512u << 20);
  close(fd);
  unlink(path);
}

void useEverything(std::vector<uint8_t> bytes, std::mt19937_64* random) {
  auto elf = ElfFile::FromMemory(std::move(bytes), nullptr);
  if (!elf) return;
  elf->gnuBuildId();
  elf->goBuildId();
  elf->debugLink();
  for (const auto& s : elf->sections()) elf->data(s);
  auto symbols = FileSymbols::Load(*elf, DemangleMode::Full);
  std::vector<ResolvedFrame> frames;
  for (const auto& s : elf->segments()) {
    uint64_t address = s.vaddr + (s.memsz != 0 ? (*random)() % s.memsz : 0);
    elf->at(address, (*random)() % 4096);
    elf->vaddrOfOffset(s.offset);
    for (int i = 0; i < 4; i++) {
      if (symbols->Lookup(address + static_cast<uint64_t>(i) * 37, &frames)) {
        CHECK_EQ(ValidUtf8(frames.front().name), frames.front().name);
      }
      symbols->FunctionAt(address);
    }
  }
}

double cpuMs() {
  timespec t;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
  return static_cast<double>(t.tv_sec) * 1e3 + static_cast<double>(t.tv_nsec) / 1e6;
}

/// Flips bytes, half of them where structures are: header, section headers, tables.
void fuzz(const std::vector<uint8_t>& seed, int rounds, const char* what) {
  std::mt19937_64 random(20'260'101);
  std::vector<std::pair<uint64_t, uint64_t>> targets = {{0, 64}, {0, seed.size()}};
  if (auto elf = ElfFile::FromMemory(seed, nullptr)) {
    Elf64_Ehdr header;
    std::memcpy(&header, seed.data(), sizeof header);
    targets.emplace_back(header.e_shoff, uint64_t{header.e_shnum} * header.e_shentsize);
    targets.emplace_back(header.e_phoff, uint64_t{header.e_phnum} * header.e_phentsize);
    for (const auto& s : elf->sections()) {
      if (s.type != SHT_NOBITS && s.size != 0) targets.emplace_back(s.offset, s.size);
      if (s.name.ends_with("gopclntab")) targets.emplace_back(s.offset, 128);
    }
  }
  double slowest = 0;
  for (int round = 0; round < rounds; round++) {
    auto bytes = seed;
    for (size_t edits = random() % 12 + 1; edits > 0; edits--) {
      const auto& [offset, size] = targets[random() % targets.size()];
      if (size == 0 || offset + size > bytes.size()) continue;
      uint8_t values[] = {0, 0xff, 0x7f, 0x80, static_cast<uint8_t>(random())};
      bytes[offset + random() % size] = values[random() % 5];
    }
    if (random() % 16 == 0) bytes.resize(random() % bytes.size());
    double start = cpuMs();
    useEverything(std::move(bytes), &random);
    slowest = std::max(slowest, cpuMs() - start);
  }
  std::printf("%s: %d mutations, slowest %.1f ms\n", what, rounds, slowest);
}

}  // namespace

int main(int argc, char** argv) {
  sha256Vectors();
  smallImageReads();
  refusals();
  shrinkingFile();
  sparseFile();
  fuzz(smallImage(), 20'000, "built image");
  for (int i = 1; i < argc; i++) {
    std::ifstream file(argv[i], std::ios::binary);
    std::vector<uint8_t> bytes((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
    // Large seeds cost a copy a round: spread the same amount of work.
    int rounds = bytes.size() > (256 << 10) ? 600 : 20'000;
    if (!bytes.empty()) fuzz(bytes, rounds, argv[i]);
  }
  return testResult("elf_test");
}
