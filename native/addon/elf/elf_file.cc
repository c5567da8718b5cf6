// SPDX-License-Identifier: Apache-2.0
#include "elf_file.h"

#include <elf.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <mutex>
#include <new>

#include "sha256.h"

namespace otelprof {
namespace {

constexpr uint64_t kChunk = 64 * 1024;
constexpr uint64_t kMaxFileBytes = 16ull << 30;
constexpr uint64_t kMaxResidentBytes = 512ull << 20;  // a sparse file costs its author nothing
constexpr uint64_t kMaxSections = 100'000;  // ld and -ffunction-sections objects stay far below
constexpr uint64_t kMaxNoteBytes = 64 * 1024;

template <typename T>
T readAs(const uint8_t* p) {
  T value;
  std::memcpy(&value, p, sizeof value);
  return value;
}

std::string hex(std::span<const uint8_t> bytes) {
  constexpr char kDigits[] = "0123456789abcdef";
  std::string out;
  out.reserve(bytes.size() * 2);
  for (uint8_t b : bytes) {
    out += kDigits[b >> 4];
    out += kDigits[b & 15];
  }
  return out;
}

/// Content of the first note with this owner and type. Go writes its note with 4-byte alignment like all.
std::span<const uint8_t> findNote(std::span<const uint8_t> notes, std::string_view owner, uint32_t type) {
  auto padded = [](uint64_t n) { return (n + 3) & ~uint64_t{3}; };
  while (notes.size() >= 12) {
    uint64_t nameSize = readAs<uint32_t>(notes.data());
    uint64_t descSize = readAs<uint32_t>(notes.data() + 4);
    uint32_t noteType = readAs<uint32_t>(notes.data() + 8);
    uint64_t descAt = 12 + padded(nameSize);
    if (descAt + descSize > notes.size()) return {};
    std::string_view name(reinterpret_cast<const char*>(notes.data()) + 12, nameSize);
    if (!name.empty() && name.back() == '\0') name.remove_suffix(1);
    if (name == owner && noteType == type) return notes.subspan(descAt, descSize);
    uint64_t next = descAt + padded(descSize);
    if (next >= notes.size()) return {};
    notes = notes.subspan(next);
  }
  return {};
}

}  // namespace

struct ElfFile::Impl {
  // Exactly one of the two stores is in use: `owned` for memory images, `base` + `fd` for files.
  std::vector<uint8_t> owned;
  uint8_t* base = nullptr;
  int fd = -1;
  uint64_t size = 0;

  std::mutex mutex;
  std::vector<bool> present;  // chunks already copied
  size_t resident = 0;

  Elf64_Ehdr header{};
  std::vector<Segment> segments;
  std::vector<Section> sections;

  ~Impl() {
    if (base != nullptr) munmap(base, size);
    if (fd >= 0) close(fd);
  }

  bool fill(uint64_t first, uint64_t last) {
    std::lock_guard lock(mutex);
    for (uint64_t chunk = first; chunk <= last;) {
      if (present[chunk]) {
        chunk++;
        continue;
      }
      uint64_t end = chunk + 1;
      while (end <= last && !present[end]) end++;
      if (!copy(chunk, end)) return false;
      chunk = end;
    }
    return true;
  }

  /// Copies the chunks from `first` to before `end`, none of which is there yet.
  bool copy(uint64_t first, uint64_t end) {
    uint64_t at = first * kChunk;
    const uint64_t stop = std::min(end * kChunk, size);
    if (stop - at > kMaxResidentBytes - resident) return false;
    const uint64_t length = stop - at;
#ifdef MADV_POPULATE_WRITE
    // Cheaper than a fault a page; refused before Linux 5.14, which is fine.
    madvise(base + at, length, MADV_POPULATE_WRITE);
#endif
    while (at < stop) {
      ssize_t n = pread(fd, base + at, stop - at, static_cast<off_t>(at));
      if (n < 0 && errno == EINTR) continue;
      if (n <= 0) return false;  // shortened since Open
      at += static_cast<uint64_t>(n);
    }
    std::fill(present.begin() + static_cast<ptrdiff_t>(first), present.begin() + static_cast<ptrdiff_t>(end), true);
    resident += length;
    return true;
  }

  std::span<const uint8_t> bytes(uint64_t offset, uint64_t length) {
    if (length == 0 || offset >= size || length > size - offset) return {};
    if (base == nullptr) return {owned.data() + offset, length};
    if (length > kMaxResidentBytes || !fill(offset / kChunk, (offset + length - 1) / kChunk)) {
      return {};
    }
    return {base + offset, length};
  }

  bool parseHeader(std::string* error);
  void parseSegments();
  void parseSections();
};

bool ElfFile::Impl::parseHeader(std::string* error) {
  auto fail = [error](const char* why) {
    if (error != nullptr) *error = why;
    return false;
  };
  auto raw = bytes(0, sizeof header);
  if (raw.empty()) return fail("shorter than an ELF header");
  std::memcpy(&header, raw.data(), sizeof header);
  if (std::memcmp(header.e_ident, ELFMAG, SELFMAG) != 0) return fail("no ELF magic");
  if (header.e_ident[EI_CLASS] != ELFCLASS64) return fail("not a 64-bit ELF file");
  if (header.e_ident[EI_DATA] != ELFDATA2LSB) return fail("not a little-endian ELF file");
  return true;
}

void ElfFile::Impl::parseSegments() {
  // The kernel runs no program with more than 64 KiB of these (load_elf_phdrs).
  if (header.e_phentsize != sizeof(Elf64_Phdr) || header.e_phnum > 65536 / sizeof(Elf64_Phdr)) return;
  auto raw = bytes(header.e_phoff, uint64_t{header.e_phnum} * sizeof(Elf64_Phdr));
  segments.reserve(raw.size() / sizeof(Elf64_Phdr));
  for (size_t i = 0; i + sizeof(Elf64_Phdr) <= raw.size(); i += sizeof(Elf64_Phdr)) {
    auto p = readAs<Elf64_Phdr>(raw.data() + i);
    segments.push_back({p.p_type, p.p_flags, p.p_offset, p.p_vaddr, p.p_filesz, p.p_memsz});
  }
}

void ElfFile::Impl::parseSections() {
  if (header.e_shentsize != sizeof(Elf64_Shdr) || header.e_shoff == 0) return;
  auto first = bytes(header.e_shoff, sizeof(Elf64_Shdr));
  if (first.empty()) return;
  auto zero = readAs<Elf64_Shdr>(first.data());
  // Counts that do not fit the header live in section 0 (gABI, "ELF Header").
  uint64_t count = header.e_shnum != 0 ? header.e_shnum : zero.sh_size;
  uint64_t names = header.e_shstrndx != SHN_XINDEX ? header.e_shstrndx : zero.sh_link;
  if (count == 0 || count > kMaxSections) return;
  auto raw = bytes(header.e_shoff, count * sizeof(Elf64_Shdr));
  if (raw.empty()) return;
  std::span<const uint8_t> strings;
  if (names < count) {
    auto s = readAs<Elf64_Shdr>(raw.data() + names * sizeof(Elf64_Shdr));
    if (s.sh_type != SHT_NOBITS) strings = bytes(s.sh_offset, s.sh_size);
  }
  sections.reserve(count);
  for (uint64_t i = 0; i < count; i++) {
    auto s = readAs<Elf64_Shdr>(raw.data() + i * sizeof(Elf64_Shdr));
    std::string_view name;
    if (s.sh_name < strings.size()) {
      const char* text = reinterpret_cast<const char*>(strings.data()) + s.sh_name;
      // Section names are short; the cap keeps overlapping long names from costing count × size.
      name = {text, strnlen(text, std::min<size_t>(strings.size() - s.sh_name, 256))};
    }
    sections.push_back({name, s.sh_type, s.sh_flags, s.sh_addr, s.sh_offset, s.sh_size, s.sh_link,
                        s.sh_entsize});
  }
}

ElfFile::ElfFile() : impl_(std::make_unique<Impl>()) {}
ElfFile::~ElfFile() = default;

std::unique_ptr<ElfFile> ElfFile::Open(int fd, std::string* error) {
  auto fail = [error](std::string why) {
    if (error != nullptr) *error = std::move(why);
    return nullptr;
  };
  struct stat st;
  if (fstat(fd, &st) != 0) return fail(std::string("cannot stat: ") + std::strerror(errno));
  // A FIFO or device could block the reader or never end.
  if (!S_ISREG(st.st_mode)) return fail("not a regular file");
  auto size = static_cast<uint64_t>(st.st_size);
  if (size < sizeof(Elf64_Ehdr)) return fail("shorter than an ELF header");
  if (size > kMaxFileBytes) return fail("larger than 16 GiB");
  std::unique_ptr<ElfFile> file(new ElfFile());
  Impl& impl = *file->impl_;
  void* base = mmap(nullptr, size, PROT_READ | PROT_WRITE,
                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (base == MAP_FAILED) return fail("cannot reserve address space");
  impl.base = static_cast<uint8_t*>(base);
  impl.size = size;
  // Huge pages would make the first touched byte of a large file cost 2 MiB.
  madvise(base, size, MADV_NOHUGEPAGE);
  impl.present.resize((size + kChunk - 1) / kChunk);
  impl.fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
  if (impl.fd < 0) return fail(std::string("cannot duplicate: ") + std::strerror(errno));
  if (!impl.parseHeader(error)) return nullptr;
  impl.parseSegments();
  impl.parseSections();
  return file;
}

std::unique_ptr<ElfFile> ElfFile::FromMemory(std::vector<uint8_t> bytes, std::string* error) {
  std::unique_ptr<ElfFile> file(new ElfFile());
  Impl& impl = *file->impl_;
  impl.owned = std::move(bytes);
  impl.size = impl.owned.size();
  if (!impl.parseHeader(error)) return nullptr;
  impl.parseSegments();
  impl.parseSections();
  return file;
}

std::unique_ptr<ElfFile> ElfFile::reopen() const {
  return impl_->base != nullptr ? Open(impl_->fd, nullptr) : FromMemory(impl_->owned, nullptr);
}

uint16_t ElfFile::type() const { return impl_->header.e_type; }
uint16_t ElfFile::machine() const { return impl_->header.e_machine; }
uint64_t ElfFile::sizeBytes() const { return impl_->size; }
std::span<const ElfFile::Segment> ElfFile::segments() const { return impl_->segments; }
std::span<const ElfFile::Section> ElfFile::sections() const { return impl_->sections; }

const ElfFile::Section* ElfFile::section(std::string_view name) const {
  for (const Section& s : impl_->sections) {
    if (s.name == name) return &s;
  }
  return nullptr;
}

std::span<const uint8_t> ElfFile::data(const Section& section) const {
  if (section.type == SHT_NOBITS || (section.flags & SHF_COMPRESSED) != 0) return {};
  return impl_->bytes(section.offset, section.size);
}

bool ElfFile::stream(const Section& section, const std::function<void(std::span<const uint8_t>)>& take) const {
  if (section.type == SHT_NOBITS || (section.flags & SHF_COMPRESSED) != 0 || section.size == 0) return true;
  if (section.offset >= impl_->size || section.size > impl_->size - section.offset) return true;  // as `data`: empty
  if (impl_->base == nullptr) {
    take(impl_->bytes(section.offset, section.size));
    return true;
  }
  const auto buffer = std::make_unique<uint8_t[]>(kChunk);
  for (uint64_t at = section.offset, end = section.offset + section.size; at < end;) {
    const ssize_t n = pread(impl_->fd, buffer.get(), std::min(kChunk, end - at), static_cast<off_t>(at));
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return false;
    take({buffer.get(), static_cast<size_t>(n)});
    at += static_cast<uint64_t>(n);
  }
  return true;
}

std::span<const uint8_t> ElfFile::bytes(uint64_t offset, uint64_t size) const {
  return impl_->bytes(offset, size);
}

std::span<const uint8_t> ElfFile::at(uint64_t vaddr, uint64_t size) const {
  for (const Segment& s : impl_->segments) {
    if (s.type != PT_LOAD || vaddr < s.vaddr) continue;
    uint64_t delta = vaddr - s.vaddr;
    if (delta >= s.filesz || size > s.filesz - delta) continue;
    if (s.offset > impl_->size || delta > impl_->size - s.offset) continue;
    return impl_->bytes(s.offset + delta, size);
  }
  return {};
}

size_t ElfFile::residentBytes() const {
  std::lock_guard lock(impl_->mutex);
  return impl_->base != nullptr ? impl_->resident : impl_->owned.size();
}

std::optional<ElfFile::DebugLink> ElfFile::debugLink() const {
  const Section* s = section(".gnu_debuglink");
  if (s == nullptr || s->size > 4096) return std::nullopt;
  auto raw = data(*s);
  const auto* text = reinterpret_cast<const char*>(raw.data());
  size_t length = raw.empty() ? 0 : strnlen(text, raw.size());
  size_t crcAt = (length + 4) & ~size_t{3};  // after the terminating zero, padded to 4
  if (length == 0 || crcAt + 4 > raw.size()) return std::nullopt;
  return DebugLink{std::string(text, length), readAs<uint32_t>(raw.data() + crcAt)};
}

std::string GnuBuildIdOfNotes(std::span<const uint8_t> notes) {
  auto id = findNote(notes, "GNU", NT_GNU_BUILD_ID);
  return id.size() <= 64 ? hex(id) : std::string();
}

std::string ElfFile::gnuBuildId() const {
  // The section first: one file may carry several PT_NOTE segments.
  if (const Section* s = section(".note.gnu.build-id"); s != nullptr && s->size <= kMaxNoteBytes) {
    if (std::string id = GnuBuildIdOfNotes(data(*s)); !id.empty()) return id;
  }
  for (const Segment& s : impl_->segments) {
    if (s.type != PT_NOTE || s.filesz > kMaxNoteBytes) continue;
    if (std::string id = GnuBuildIdOfNotes(impl_->bytes(s.offset, s.filesz)); !id.empty()) return id;
  }
  return "";
}

std::string ElfFile::goBuildId() const {
  constexpr uint32_t kGoBuildIdNote = 4;  // cmd/internal/buildid
  auto from = [](std::span<const uint8_t> notes) -> std::string {
    auto id = findNote(notes, "Go", kGoBuildIdNote);
    if (id.empty() || id.size() > 512) return "";
    std::string text(reinterpret_cast<const char*>(id.data()), id.size());
    bool printable = std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c < 0x7f; });
    return printable ? text : "";
  };
  if (const Section* s = section(".note.go.buildid"); s != nullptr && s->size <= kMaxNoteBytes) {
    if (std::string id = from(data(*s)); !id.empty()) return id;
  }
  for (const Segment& s : impl_->segments) {
    if (s.type != PT_NOTE || s.filesz > kMaxNoteBytes) continue;
    if (std::string id = from(impl_->bytes(s.offset, s.filesz)); !id.empty()) return id;
  }
  return "";
}

std::string ElfFile::htlHash() const {
  constexpr uint64_t kEdge = 4096;
  uint64_t edge = std::min(kEdge, impl_->size);
  auto head = impl_->bytes(0, edge);
  auto tail = impl_->bytes(impl_->size - edge, edge);
  if (head.empty() || tail.empty()) return "";
  uint8_t length[8];
  for (int i = 0; i < 8; i++) length[i] = static_cast<uint8_t>(impl_->size >> (56 - 8 * i));
  Sha256 sha;
  sha.update(head);
  sha.update(tail);
  sha.update(length);
  auto digest = sha.finish();
  return hex(std::span(digest).first(16));
}

std::optional<uint64_t> ElfFile::vaddrOfOffset(uint64_t offset) const {
  for (const Segment& s : impl_->segments) {
    if (s.type != PT_LOAD || (s.flags & PF_X) == 0) continue;
    if (offset >= s.offset && offset - s.offset < s.filesz) return s.vaddr + (offset - s.offset);
  }
  return std::nullopt;
}

}  // namespace otelprof
