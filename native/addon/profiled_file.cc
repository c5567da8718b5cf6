// SPDX-License-Identifier: Apache-2.0
#include "profiled_file.h"

#include <elf.h>
#include <sys/auxv.h>

#include <cstdio>
#include <cstring>

namespace otelprof {
namespace {

constexpr uint64_t kPageMask = 4095;

}  // namespace

std::string ProfiledFile::baseName() const {
  const size_t slash = path_.rfind('/');
  return slash == std::string::npos ? path_ : path_.substr(slash + 1);
}

std::string ProfiledFile::directory() const {
  const size_t slash = path_.rfind('/');
  return slash == std::string::npos ? std::string() : path_.substr(0, slash);
}

std::unique_ptr<ElfFile> ProfiledFile::OpenImage() const {
  if (!fd_) return OpenVdso();
  std::string error;
  return ElfFile::Open(fd_.get(), &error);
}

bool ProfiledFile::AddressOfOffset(uint64_t offset, uint64_t* va) const {
  for (const auto& segment : segments_) {
    // The loader maps whole pages: a mapping may start below the segment's own offset.
    const uint64_t first = segment.offset & ~kPageMask;
    if (offset < first || offset >= segment.offset + segment.filesz) continue;
    *va = segment.vaddr + offset - segment.offset;
    return true;
  }
  return false;
}

const ElfFile::Segment* ProfiledFile::SegmentAt(uint64_t va) const {
  for (const auto& segment : segments_)
    if (va >= (segment.vaddr & ~kPageMask) && va < segment.vaddr + segment.memsz) return &segment;
  return nullptr;
}

ProfiledFile::Details ProfiledFile::details() const {
  const std::lock_guard lock(mutex_);
  return details_;
}

void ProfiledFile::SetDetails(Details details) {
  const std::lock_guard lock(mutex_);
  details_ = std::move(details);
}

std::shared_ptr<const FileSymbols> ProfiledFile::symbols() const {
  const std::lock_guard lock(mutex_);
  return symbols_;
}

std::shared_ptr<const FileSymbols> ProfiledFile::UseSymbols() const {
  static std::atomic<uint64_t> uses{0};
  symbolsUsed_ = ++uses;
  return symbols();
}

void ProfiledFile::SetSymbols(std::shared_ptr<const FileSymbols> symbols) {
  const std::lock_guard lock(mutex_);
  symbols_ = std::move(symbols);
}

std::string ProfiledFile::debugPath() const {
  const std::lock_guard lock(mutex_);
  return debugPath_;
}

void ProfiledFile::SetDebugPath(std::string path) {
  const std::lock_guard lock(mutex_);
  debugPath_ = std::move(path);
}

std::shared_ptr<DwarfFile> ProfiledFile::dwarf() const {
  const std::lock_guard lock(mutex_);
  return dwarf_;
}

void ProfiledFile::SetDwarf(std::shared_ptr<DwarfFile> dwarf) {
  const std::lock_guard lock(mutex_);
  dwarf_ = std::move(dwarf);
}

std::shared_ptr<const UnwindTable> ProfiledFile::table() const {
  const std::lock_guard lock(mutex_);
  return table_;
}

void ProfiledFile::SetTable(std::shared_ptr<const UnwindTable> table) {
  const std::lock_guard lock(mutex_);
  table_ = std::move(table);
}

std::shared_ptr<const RuntimeFile> ProfiledFile::runtime() const {
  const std::lock_guard lock(mutex_);
  return runtime_;
}

void ProfiledFile::SetRuntime(std::shared_ptr<const RuntimeFile> runtime) {
  const std::lock_guard lock(mutex_);
  runtime_ = std::move(runtime);
}

std::vector<ElfFile::Segment> ExecutableSegments(const ElfFile& image) {
  std::vector<ElfFile::Segment> out;
  for (const auto& segment : image.segments())
    if (segment.type == PT_LOAD && (segment.flags & PF_X) && segment.filesz <= UINT64_MAX - segment.offset &&
        segment.memsz <= UINT64_MAX - segment.vaddr)
      out.push_back(segment);
  return out;
}

std::unique_ptr<ElfFile> OpenVdso() {
  const auto base = getauxval(AT_SYSINFO_EHDR);
  if (!base) return nullptr;
  // One or two pages; our own maps tell how many are readable.
  FILE* maps = fopen("/proc/self/maps", "re");
  if (!maps) return nullptr;
  uint64_t start = 0, end = 0;
  char line[512];
  bool found = false;
  while (!found && fgets(line, sizeof(line), maps))
    found = sscanf(line, "%lx-%lx", &start, &end) == 2 && start == base;
  fclose(maps);
  if (!found) return nullptr;
  std::vector<uint8_t> bytes(end - start);
  std::memcpy(bytes.data(), reinterpret_cast<const void*>(base), bytes.size());
  std::string error;
  return ElfFile::FromMemory(std::move(bytes), &error);
}

}  // namespace otelprof
