// SPDX-License-Identifier: Apache-2.0
#include "symbol_cache.h"

#include <dirent.h>
#include <elf.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cinttypes>
#include <cstdio>
#include <ctime>
#include <string_view>

namespace otelprof {
namespace {

using Hash = SipHash<1, 3>;

constexpr char kSecretName[] = "secret";
constexpr std::string_view kSuffix = ".symbols";
constexpr std::string_view kTemporary = "writing-";
constexpr uint32_t kVersion = 2;
constexpr uint64_t kMinSourceBytes = 128 << 10;  // smaller tables are indexed in less than a millisecond
constexpr uint64_t kMaxSourceBytes = 512ull << 20;
constexpr size_t kReadBytes = 128 << 10;
constexpr size_t kMaxFiles = 100'000;
constexpr time_t kAbandonedSeconds = 3600;  // nobody writes one table for that long

struct Header {
  char magic[8];
  uint32_t version;
  uint32_t source;
  uint64_t fingerprint;
  uint64_t fileBytes;   // of the binary
  uint64_t tableBytes;  // behind this header
  char buildId[144];    // zero-padded
  uint64_t checksum;    // keyed, of all above and the table
};
static_assert(sizeof(Header) % 8 == 0, "tables lie at a multiple of 8");
constexpr char kMagic[8] = {'O', 'T', 'P', 'R', 'S', 'Y', 'M', '\n'};

std::span<const uint8_t> BytesOf(const Header& header) {
  return {reinterpret_cast<const uint8_t*>(&header), sizeof(header)};
}

Header HeaderOf(const SymbolCache::Key& key, uint32_t source, uint64_t tableBytes) {
  Header header{};
  std::copy(std::begin(kMagic), std::end(kMagic), header.magic);
  header.version = kVersion;
  header.source = source;
  header.fingerprint = key.fingerprint;
  header.fileBytes = key.fileBytes;
  header.tableBytes = tableBytes;
  key.buildId.copy(header.buildId, sizeof(header.buildId) - 1);
  return header;
}

Hash Begin(const SipKey& secret, const Header& header) {
  Hash hash(secret);
  hash.update(BytesOf(header).first(offsetof(Header, checksum)));
  return hash;
}

/// The sections that FileSymbols::Load reads of a file; of a separate debug file only its .symtab.
std::vector<const ElfFile::Section*> SourcesIn(const ElfFile& elf, bool isDebugFile) {
  std::vector<const ElfFile::Section*> out;
  const auto sections = elf.sections();
  const auto add = [&](const ElfFile::Section* s) {
    if (s != nullptr && std::find(out.begin(), out.end(), s) == out.end()) out.push_back(s);
  };
  for (const uint32_t type : {uint32_t{SHT_SYMTAB}, uint32_t{SHT_DYNSYM}}) {
    if (isDebugFile && type == SHT_DYNSYM) continue;
    const auto s = std::find_if(sections.begin(), sections.end(), [&](const auto& any) { return any.type == type; });
    if (s == sections.end()) continue;
    add(&*s);
    if (s->link < sections.size()) add(&sections[s->link]);
  }
  if (isDebugFile) return out;
  for (const char* name : {".dynsym", ".dynstr", ".plt", ".plt.sec", ".plt.got", ".rela.plt", ".gnu_debugdata"})
    add(elf.section(name));
  if (elf.section(".plt.got") != nullptr) add(elf.section(".rela.dyn"));
  const bool hasTable = std::ranges::any_of(sections, [](const auto& s) { return s.type == SHT_SYMTAB; });
  if (!hasTable) add(elf.section(".eh_frame"));
  return out;
}

/// False where a part cannot be read.
bool Add(const ElfFile& elf, const std::vector<const ElfFile::Section*>& sources, Hash* hash) {
  hash->update(uint64_t{elf.machine()});
  for (const ElfFile::Section& s : elf.sections()) {
    hash->update({reinterpret_cast<const uint8_t*>(s.name.data()), s.name.size()});
    for (const uint64_t value : {uint64_t{s.type}, s.flags, s.addr, s.offset, s.size, uint64_t{s.link}, s.entsize})
      hash->update(value);
  }
  return std::all_of(sources.begin(), sources.end(), [&](const ElfFile::Section* s) {
    return elf.stream(*s, [hash](std::span<const uint8_t> part) { hash->update(part); });
  });
}

bool IsTableName(std::string_view name) { return name.ends_with(kSuffix) && name.size() > kSuffix.size(); }

}  // namespace

std::string SymbolCache::Key::fileName() const {
  char text[20];
  snprintf(text, sizeof(text), "-%016" PRIx64, fingerprint);
  return buildId + text + std::string(kSuffix);
}

std::unique_ptr<SymbolCache> SymbolCache::Open(const std::string& directory, uint64_t maxBytes, std::string* error) {
  const auto fail = [&](const std::string& why) {
    *error = "\"" + directory + "\": " + why;
    return nullptr;
  };
  if (mkdir(directory.c_str(), 0700) != 0 && errno != EEXIST) return fail(strerror(errno));
  UniqueFd fd(open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  struct stat st;
  if (!fd || fstat(fd.get(), &st) != 0) return fail(strerror(errno));
  if (st.st_uid != geteuid()) return fail("belongs to another user");
  if ((st.st_mode & 077) != 0) return fail("is open to other users: its mode must be 0700");
  std::unique_ptr<SymbolCache> cache(new SymbolCache(std::move(fd), maxBytes));
  if (!cache->LoadSecret()) return fail(std::string("cannot keep a secret: ") + strerror(errno));
  cache->MakeRoom(0);
  return cache;
}

UniqueFd SymbolCache::OpenFile(const char* name, uint64_t* bytes) const {
  UniqueFd fd(openat(directory_->get(), name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
  struct stat st;
  if (!fd || fstat(fd.get(), &st) != 0) return UniqueFd();
  if (!S_ISREG(st.st_mode) || st.st_uid != geteuid()) {
    errno = EINVAL;
    return UniqueFd();
  }
  *bytes = static_cast<uint64_t>(st.st_size);
  return fd;
}

bool SymbolCache::ReadSecret() {
  uint64_t bytes = 0;
  const UniqueFd fd = OpenFile(kSecretName, &bytes);
  return fd && bytes == sizeof(secret_) && pread(fd.get(), secret_.data(), sizeof(secret_), 0) == sizeof(secret_);
}

bool SymbolCache::LoadSecret() {
  if (ReadSecret()) return true;
  unlinkat(directory_->get(), kSecretName, 0);
  SipKey fresh;
  if (getrandom(fresh.data(), sizeof(fresh), 0) != sizeof(fresh)) return false;
  const std::string temporary = TemporaryName();
  const std::span<const uint8_t> part(reinterpret_cast<const uint8_t*>(fresh.data()), sizeof(fresh));
  if (!WriteFile(temporary, {&part, 1})) return false;
  // Of two processes that start together, the second takes the first one's; some file systems know no links.
  const int dir = directory_->get();
  if (linkat(dir, temporary.c_str(), dir, kSecretName, 0) != 0 && errno != EEXIST)
    renameat(dir, temporary.c_str(), dir, kSecretName);
  unlinkat(dir, temporary.c_str(), 0);
  return ReadSecret();
}

std::string SymbolCache::TemporaryName() {
  return std::string(kTemporary) + std::to_string(getpid()) + "-" +
         std::to_string(reinterpret_cast<uintptr_t>(this)) + "-" + std::to_string(written_++);
}

std::optional<SymbolCache::Key> SymbolCache::KeyOf(const ElfFile& image, const ElfFile* debug, const SipKey& secret) {
  const auto sources = SourcesIn(image, false);
  const auto debugSources = debug ? SourcesIn(*debug, true) : std::vector<const ElfFile::Section*>();
  uint64_t bytes = 0;
  for (const auto* list : {&sources, &debugSources})
    for (const auto* s : *list) bytes += std::min(s->size, kMaxSourceBytes);
  const bool isPacked = image.section(".gnu_debugdata") != nullptr;
  if ((bytes < kMinSourceBytes && !isPacked) || bytes >= kMaxSourceBytes) return std::nullopt;
  Hash hash(secret);
  if (!Add(image, sources, &hash) || (debug && !Add(*debug, debugSources, &hash))) return std::nullopt;
  Key key{image.gnuBuildId(), image.sizeBytes(), hash.finish()};
  if (key.buildId.empty()) key.buildId = image.htlHash();
  return key;
}

std::optional<SymbolCache::Entry> SymbolCache::Find(const Key& key) {
  const std::string name = key.fileName();
  uint64_t bytes = 0;
  const UniqueFd fd = OpenFile(name.c_str(), &bytes);
  const int reason = errno;
  auto entry = fd ? Map(key, fd, bytes) : std::nullopt;
  if (entry) {
    stats_.hits++;
    // What is used stays: the age of a file is the time of its last use.
    const timespec times[2] = {{0, UTIME_NOW}, {0, UTIME_NOW}};
    futimens(fd.get(), times);
    return entry;
  }
  stats_.misses++;
  if (fd || reason != ENOENT) {
    stats_.corrupt++;
    unlinkat(directory_->get(), name.c_str(), 0);
  }
  return std::nullopt;
}

/// Checks all bytes by reading, which unlike looking at the mapping adds nothing to our memory, and maps them.
std::optional<SymbolCache::Entry> SymbolCache::Map(const Key& key, const UniqueFd& fd, uint64_t bytes) {
  Header header;
  if (bytes < sizeof(header) || bytes > maxBytes_ ||
      pread(fd.get(), &header, sizeof(header), 0) != static_cast<ssize_t>(sizeof(header)))
    return std::nullopt;
  Header wanted = HeaderOf(key, header.source, bytes - sizeof(header));
  wanted.checksum = header.checksum;
  if (!std::ranges::equal(BytesOf(header), BytesOf(wanted))) return std::nullopt;
  Hash hash = Begin(secret_, header);
  const auto buffer = std::make_unique<uint8_t[]>(kReadBytes);
  for (uint64_t at = sizeof(header); at < bytes;) {
    const ssize_t count = pread(fd.get(), buffer.get(), kReadBytes, static_cast<off_t>(at));
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return std::nullopt;
    hash.update({buffer.get(), static_cast<size_t>(count)});
    at += static_cast<uint64_t>(count);
  }
  if (hash.finish() != header.checksum) return std::nullopt;
  void* mapped = mmap(nullptr, bytes, PROT_READ, MAP_SHARED, fd.get(), 0);
  if (mapped == MAP_FAILED) return std::nullopt;
  const std::shared_ptr<const void> owner(mapped, [bytes](void* base) { munmap(base, bytes); });
  auto table = SymbolTable::Open(owner, {static_cast<const uint8_t*>(mapped) + sizeof(header), bytes - sizeof(header)});
  if (!table) return std::nullopt;
  const std::lock_guard lock(mutex_);
  std::erase_if(mappings_, [](const Mapping& mapping) { return mapping.owner.expired(); });
  mappings_.push_back({owner, bytes});
  return Entry{std::move(*table), static_cast<SymbolSource>(header.source)};
}

void SymbolCache::Rest() {
  const std::lock_guard lock(mutex_);
  for (const Mapping& mapping : mappings_)
    if (const auto owner = mapping.owner.lock()) madvise(const_cast<void*>(owner.get()), mapping.bytes, MADV_DONTNEED);
}

std::optional<SymbolCache::Entry> SymbolCache::Store(const Key& key, const Entry& entry) {
  const auto image = entry.table.image();
  if (image.empty() || !MakeRoom(sizeof(Header) + image.size())) return std::nullopt;
  Header header = HeaderOf(key, static_cast<uint32_t>(entry.source), image.size());
  Hash hash = Begin(secret_, header);
  hash.update(image);
  header.checksum = hash.finish();
  const std::string temporary = TemporaryName();
  const std::array<std::span<const uint8_t>, 2> parts{BytesOf(header), image};
  const std::string name = key.fileName();
  if (!WriteFile(temporary, parts) ||
      renameat(directory_->get(), temporary.c_str(), directory_->get(), name.c_str()) != 0) {
    stats_.writeErrors++;
    unlinkat(directory_->get(), temporary.c_str(), 0);
    return std::nullopt;
  }
  stats_.bytes += sizeof(header) + image.size();
  uint64_t bytes = 0;
  const UniqueFd fd = OpenFile(name.c_str(), &bytes);
  return fd ? Map(key, fd, bytes) : std::nullopt;
}

ScratchFile SymbolCache::Scratch() {
  return [directory = directory_, name = TemporaryName()] {
    constexpr int kFlags = O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;
    UniqueFd fd(openat(directory->get(), name.c_str(), kFlags, 0600));
    if (fd) unlinkat(directory->get(), name.c_str(), 0);
    return fd;
  };
}

bool SymbolCache::WriteFile(const std::string& temporary, std::span<const std::span<const uint8_t>> parts) const {
  const UniqueFd fd(
      openat(directory_->get(), temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
  if (!fd) return false;
  for (auto part : parts) {
    while (!part.empty()) {
      const ssize_t count = write(fd.get(), part.data(), part.size());
      if (count < 0 && errno == EINTR) continue;
      if (count <= 0) return false;
      part = part.subspan(static_cast<size_t>(count));
    }
  }
  return true;
}

/// Removes what was not used for longest until `newBytes` fit, and what a process left that died while it wrote.
/// False where they cannot fit.
bool SymbolCache::MakeRoom(uint64_t newBytes) {
  struct File {
    int64_t usedNs;
    uint64_t bytes;
    std::string name;
  };
  if (newBytes > maxBytes_) return false;
  const int again = openat(directory_->get(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  DIR* listing = again < 0 ? nullptr : fdopendir(again);
  if (listing == nullptr) return false;
  std::vector<File> files;
  uint64_t total = 0;
  for (const dirent* item = readdir(listing); item != nullptr && files.size() < kMaxFiles; item = readdir(listing)) {
    const std::string_view name = item->d_name;
    const bool isTemporary = name.starts_with(kTemporary);
    struct stat st;
    if ((!isTemporary && !IsTableName(name)) ||
        fstatat(directory_->get(), item->d_name, &st, AT_SYMLINK_NOFOLLOW) != 0 || !S_ISREG(st.st_mode))
      continue;
    if (isTemporary) {
      if (st.st_mtim.tv_sec + kAbandonedSeconds < time(nullptr)) unlinkat(directory_->get(), item->d_name, 0);
      continue;
    }
    const auto bytes = static_cast<uint64_t>(st.st_size);
    files.push_back({int64_t{st.st_mtim.tv_sec} * 1'000'000'000 + st.st_mtim.tv_nsec, bytes, std::string(name)});
    total += bytes;
  }
  closedir(listing);
  std::sort(files.begin(), files.end(), [](const File& a, const File& b) { return a.usedNs < b.usedNs; });
  for (const File& file : files) {
    if (total + newBytes <= maxBytes_) break;
    if (unlinkat(directory_->get(), file.name.c_str(), 0) != 0) continue;
    total -= file.bytes;
    stats_.evicted++;
  }
  stats_.bytes = total;
  return total + newBytes <= maxBytes_;
}

}  // namespace otelprof
