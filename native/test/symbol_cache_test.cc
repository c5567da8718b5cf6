// SPDX-License-Identifier: Apache-2.0
// Symbol tables in files: what is written comes back mapped; what is not whole, not ours or of another binary never.
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <string>

#include "elf/elf_file.h"
#include "symbols/symbol_cache.h"
#include "test_macros.h"

using namespace otelprof;
namespace fs = std::filesystem;

namespace {

constexpr uint64_t kPlenty = 1 << 30;
std::string folder;

std::unique_ptr<SymbolCache> Open(const std::string& path, uint64_t maxBytes = kPlenty) {
  std::string error;
  return SymbolCache::Open(path, maxBytes, &error);
}

std::string ErrorOf(const std::string& path) {
  std::string error;
  CHECK(SymbolCache::Open(path, kPlenty, &error) == nullptr);
  return error;
}

std::unique_ptr<ElfFile> OpenElf(const std::string& path) {
  const UniqueFd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  return ElfFile::Open(fd.get(), nullptr);
}

/// A program with more names than it is worth indexing twice.
std::string BuildProgram() {
  const std::string source = folder + "/many.c", program = folder + "/many";
  std::ofstream out(source);
  for (int i = 0; i < 3000; i++) out << "void a_function_with_quite_a_long_name_" << i << "(void) {}\n";
  out << "int main(void) { return 0; }\n";
  out.close();
  CHECK(std::system(("gcc -O0 -Wl,--build-id=0xabcdef0123 -o " + program + " " + source).c_str()) == 0);
  return program;
}

std::string NameAt(const FileSymbols& symbols, uint64_t va) {
  std::vector<ResolvedFrame> frames;
  return symbols.Lookup(va, &frames) ? frames.front().name : "";
}

/// The one table file of a directory.
std::string TableIn(const std::string& directory) {
  std::string found;
  for (const auto& entry : fs::directory_iterator(directory))
    if (entry.path().extension() == ".symbols") found = entry.path();
  return found;
}

/// Of all mapped tables of this process.
size_t ResidentTableKb() {
  std::ifstream smaps("/proc/self/smaps");
  size_t total = 0;
  bool isTable = false;
  for (std::string line; std::getline(smaps, line);) {
    size_t kb = 0;
    if (line.find('-') < 20) isTable = line.find(".symbols") != std::string::npos;
    if (isTable && sscanf(line.c_str(), "Rss: %zu kB", &kb) == 1) total += kb;
  }
  return total;
}

std::string Read(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

void Write(const std::string& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary | std::ios::trunc) << bytes;
}

void SipHashVectors() {
  // Appendix A of the paper: SipHash-2-4 of 00 01 … 0e under the key 00 01 … 0f.
  const SipKey key{0x0706050403020100, 0x0f0e0d0c0b0a0908};
  uint8_t bytes[15];
  for (uint8_t i = 0; i < 15; i++) bytes[i] = i;
  for (size_t cut = 0; cut <= 15; cut++) {
    SipHash<2, 4> hash(key);
    hash.update(std::span(bytes).first(cut));
    hash.update(std::span(bytes).subspan(cut));
    CHECK_EQ(hash.finish(), 0xa129ca6149be45e5u);
  }
}

void ComesBackMapped(const std::string& program) {
  const std::string path = folder + "/cache";
  const auto image = OpenElf(program);
  const auto fresh = FileSymbols::Load(*image, DemangleMode::Full);
  std::vector<uint64_t> addresses;
  const auto* text = image->section(".text");
  for (uint64_t at = 0; at < text->size; at += 7) addresses.push_back(text->addr + at);
  const auto same = [&](const FileSymbols& symbols) {
    size_t differing = 0;
    for (const uint64_t va : addresses) {
      differing += NameAt(symbols, va) != NameAt(*fresh, va);
      differing += symbols.FunctionAt(va).size != fresh->FunctionAt(va).size;
    }
    CHECK_EQ(differing, 0u);
    CHECK(symbols.source() == fresh->source());
    CHECK_EQ(symbols.symbolCount(), fresh->symbolCount());
    CHECK(symbols.mappedBytes() > 100'000);
    CHECK(symbols.sizeBytes() < 1000);
  };
  CHECK(fresh->sizeBytes() > 100'000);
  std::unique_ptr<FileSymbols> outlives;
  {
    const auto cache = Open(path);
    CHECK(cache != nullptr);
    if (!cache) return;
    same(*FileSymbols::Load(*image, DemangleMode::Full, nullptr, cache.get()));
    CHECK_EQ(cache->stats().misses.load(), 1u);
    CHECK_EQ(cache->stats().hits.load(), 0u);
    CHECK(cache->stats().bytes > 100'000);
  }
  {
    const auto cache = Open(path);  // the next run
    CHECK(cache->stats().bytes > 100'000);
    outlives = FileSymbols::Load(*image, DemangleMode::Full, nullptr, cache.get());
    CHECK_EQ(cache->stats().hits.load(), 1u);
    CHECK_EQ(cache->stats().misses + cache->stats().corrupt, 0u);
  }
  // Looking up takes pages, resting gives them back, and they come again.
  const auto cache = Open(path);
  const auto resting = FileSymbols::Load(*image, DemangleMode::Full, nullptr, cache.get());
  same(*resting);
  CHECK(ResidentTableKb() > 100);
  cache->Rest();
  outlives.reset();  // whose cache is gone
  CHECK_EQ(ResidentTableKb(), 0u);
  same(*resting);
  outlives = FileSymbols::Load(*image, DemangleMode::Full, nullptr, cache.get());
  fs::remove_all(path);  // a mapping keeps what was removed
  same(*outlives);
  struct stat st;
  Open(path);
  CHECK(stat(path.c_str(), &st) == 0 && (st.st_mode & 07777) == 0700);
}

void NotWhole(const std::string& program) {
  const std::string path = folder + "/damaged";
  const auto image = OpenElf(program);
  const auto fresh = FileSymbols::Load(*image, DemangleMode::Full);
  const uint64_t va = image->section(".text")->addr + image->section(".text")->size / 2;
  const auto load = [&](SymbolCache* cache) { return FileSymbols::Load(*image, DemangleMode::Full, nullptr, cache); };
  auto cache = Open(path);
  load(cache.get());
  const std::string table = TableIn(path), bytes = Read(table);
  CHECK(bytes.size() > 100'000);
  std::mt19937_64 random(1);
  uint64_t corrupt = 0;
  const auto damaged = [&](const std::string& content) {
    Write(table, content);
    const auto symbols = load(cache.get());
    CHECK_EQ(cache->stats().corrupt.load(), ++corrupt);
    CHECK_EQ(NameAt(*symbols, va), NameAt(*fresh, va));
    CHECK_EQ(Read(table).size(), bytes.size());  // made anew
  };
  for (const size_t length : {size_t{0}, size_t{8}, size_t{200}, bytes.size() / 2, bytes.size() - 1})
    damaged(bytes.substr(0, length));
  damaged(bytes + "x");
  for (int i = 0; i < 40; i++) {
    std::string content = bytes;
    // The header, and anywhere.
    const size_t at = random() % (i % 2 == 0 ? 256 : content.size());
    content[at] = static_cast<char>(content[at] ^ (1 << random() % 8));
    damaged(content);
  }
  // Whole, but written by someone who does not know the secret.
  const std::string other = folder + "/other";
  load(Open(other).get());
  damaged(Read(TableIn(other)));
  // A link to a whole one, a FIFO that would hold who opens it.
  fs::remove(table);
  Write(folder + "/elsewhere", bytes);
  fs::create_symlink(folder + "/elsewhere", table);
  CHECK(load(cache.get()) != nullptr);
  CHECK_EQ(cache->stats().corrupt.load(), ++corrupt);
  fs::remove(table);
  CHECK(mkfifo(table.c_str(), 0600) == 0);
  CHECK(load(cache.get()) != nullptr);
  CHECK_EQ(cache->stats().corrupt.load(), ++corrupt);
  CHECK_EQ(cache->stats().hits.load(), 0u);
  load(cache.get());
  CHECK_EQ(cache->stats().hits.load(), 1u);
  // A lost or short secret: nothing is trusted any more, and all goes on.
  Write(path + "/secret", "short");
  cache = Open(path);
  load(cache.get());
  CHECK_EQ(cache->stats().hits.load(), 0u);
  load(cache.get());
  CHECK_EQ(cache->stats().hits.load(), 1u);
}

/// Same build id and size, another name: what a container could bring along to spoil the host's names.
void AnotherBinaryOfTheSameId(const std::string& program) {
  std::string bytes = Read(program);
  const std::string name = "a_function_with_quite_a_long_name_1500";
  for (size_t at = bytes.find(name); at != std::string::npos; at = bytes.find(name, at)) bytes[at] = 'X';
  const std::string forged = folder + "/forged";
  Write(forged, bytes);
  const auto image = OpenElf(program), other = OpenElf(forged);
  CHECK_EQ(image->gnuBuildId(), other->gnuBuildId());
  const auto cache = Open(folder + "/forged-cache");
  const auto bad = FileSymbols::Load(*other, DemangleMode::Full, nullptr, cache.get());
  const auto good = FileSymbols::Load(*image, DemangleMode::Full, nullptr, cache.get());
  CHECK_EQ(cache->stats().misses.load(), 2u);
  size_t forgedNames = 0, names = 0;
  const auto* text = image->section(".text");
  for (uint64_t va = text->addr; va < text->addr + text->size; va++) {
    forgedNames += NameAt(*bad, va).starts_with("X_function");
    names += NameAt(*good, va).starts_with("X_function");
  }
  CHECK(forgedNames > 0);
  CHECK_EQ(names, 0u);
}

void Budget(const std::string& program) {
  const std::string path = folder + "/small";
  const auto image = OpenElf(program);
  const auto key = *Open(path)->KeyOf(*image, nullptr);
  const auto fresh = FileSymbols::Load(*image, DemangleMode::Full, nullptr, nullptr);
  SymbolCache::Entry entry;
  {
    const auto cache = Open(path);
    FileSymbols::Load(*image, DemangleMode::Full, nullptr, cache.get());
    entry = *cache->Find(key);
  }
  const uint64_t one = fs::file_size(TableIn(path));
  const auto keyOf = [&](uint64_t i) {
    SymbolCache::Key other = key;
    other.fingerprint += i;
    return other;
  };
  Write(path + "/not-ours", "stays");
  Write(path + "/writing-1-2-3", "left by a process that died");
  const auto old = fs::file_time_type::clock::now() - std::chrono::hours(2);
  fs::last_write_time(path + "/writing-1-2-3", old);
  const auto cache = Open(path, one * 5 / 2);
  CHECK(!fs::exists(path + "/writing-1-2-3"));
  CHECK(cache->Store(keyOf(1), entry).has_value());
  // Of two, the one that was not used for longest goes: which one was, their times tell.
  fs::last_write_time(path + "/" + key.fileName(), old);
  fs::last_write_time(path + "/" + keyOf(1).fileName(), old - std::chrono::hours(1));
  CHECK(cache->Find(keyOf(1)).has_value());
  CHECK(cache->Store(keyOf(2), entry).has_value());
  CHECK_EQ(cache->stats().evicted.load(), 1u);
  CHECK(!cache->Find(key).has_value());
  CHECK(cache->Find(keyOf(1)).has_value());
  CHECK(cache->Find(keyOf(2)).has_value());
  CHECK_EQ(cache->stats().bytes.load(), one * 2);
  CHECK(fs::exists(path + "/not-ours"));
  const auto tiny = Open(path, one - 1);
  CHECK(!tiny->Store(keyOf(3), entry).has_value());
  CHECK_EQ(tiny->stats().bytes.load(), 0u);
  // A table that cannot be written stays in memory.
  const auto full = Open(path);
  fs::remove_all(path);
  const auto kept = FileSymbols::Load(*image, DemangleMode::Full, nullptr, full.get());
  CHECK_EQ(full->stats().writeErrors.load(), 1u);
  CHECK_EQ(full->stats().hits.load(), 0u);
  CHECK_EQ(kept->sizeBytes(), fresh->sizeBytes());
}

void Refusals() {
  const std::string path = folder + "/open-to-others";
  fs::create_directory(path);
  chmod(path.c_str(), 0750);
  CHECK(ErrorOf(path).ends_with("is open to other users: its mode must be 0700"));
  chmod(path.c_str(), 0700);
  CHECK(Open(path) != nullptr);
  fs::create_directory_symlink(path, folder + "/link");
  CHECK(!ErrorOf(folder + "/link").empty());
  Write(folder + "/file", "");
  CHECK(!ErrorOf(folder + "/file").empty());
  CHECK(!ErrorOf(folder + "/no/such/parent").empty());
  if (geteuid() != 0) return;
  CHECK(chown(path.c_str(), 12345, 0) == 0);
  CHECK(ErrorOf(path).ends_with("belongs to another user"));
}

}  // namespace

int main() {
  char name[] = "/tmp/otelprof-cache-XXXXXX";
  folder = mkdtemp(name);
  SipHashVectors();
  const std::string program = BuildProgram();
  ComesBackMapped(program);
  NotWhole(program);
  AnotherBinaryOfTheSameId(program);
  Budget(program);
  Refusals();
  fs::remove_all(folder);
  return testResult("symbol_cache_test");
}
