// SPDX-License-Identifier: Apache-2.0
#include "symbol_file.h"

#include <elf.h>
#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "unique_fd.h"

namespace otelprof {
namespace {

bool Is(const ElfFile& image, std::string_view buildId) {
  return buildId == image.gnuBuildId() || buildId == image.goBuildId() || buildId == image.htlHash();
}

}  // namespace

std::unique_ptr<SymbolFile> SymbolFile::Open(const std::string& path, std::string_view buildId, DemangleMode mode,
                                             std::string* error) {
  error->clear();
  // Non-blocking: a FIFO under the name must not hold a thread for ever.
  const UniqueFd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
  struct stat st;
  if (!fd || fstat(fd.get(), &st) != 0) {
    *error = strerror(errno);
    return nullptr;
  }
  if (!S_ISREG(st.st_mode)) {
    *error = "not a regular file";
    return nullptr;
  }
  const auto image = ElfFile::Open(fd.get(), error);
  if (!image) return nullptr;
  error->clear();
  if (buildId.empty() || !Is(*image, buildId)) return nullptr;
  const auto debug = OpenDebugFile(*image, path.substr(0, path.rfind('/')), "");
  auto file = std::make_unique<SymbolFile>();
  file->symbols_ = FileSymbols::Load(*image, mode, debug.get());
  for (const ElfFile::Segment& segment : image->segments()) {
    if (segment.type != PT_LOAD || (segment.flags & PF_X) == 0) continue;
    if (segment.memsz > UINT64_MAX - segment.vaddr || segment.filesz > UINT64_MAX - segment.offset) continue;
    file->segments_.push_back({segment.offset, segment.filesz, segment.vaddr, segment.vaddr + segment.memsz});
  }
  return file;
}

std::optional<uint64_t> SymbolFile::VirtualAddress(uint64_t address, const Mapping& mapping) const {
  const auto covers = [](const Segment& s, uint64_t start, uint64_t limit) {
    return start < s.limit && limit > s.start;
  };
  // Linkers put segments at the address of their page, mappings begin at that page.
  const bool isElf = mapping.limit <= mapping.start ||
                     std::ranges::any_of(segments_, [&](const Segment& s) {
                       return covers(s, mapping.start, mapping.limit) && covers(s, address, address + 1);
                     });
  if (isElf) return address;
  if (address < mapping.start || address >= mapping.limit) return std::nullopt;
  const uint64_t offset = address - mapping.start + mapping.fileOffset;
  for (const Segment& s : segments_)
    if (offset >= s.offset && offset - s.offset < s.fileBytes) return s.start + (offset - s.offset);
  return std::nullopt;
}

bool SymbolFile::Lookup(uint64_t address, const Mapping& mapping, std::vector<ResolvedFrame>* out) {
  const std::optional<uint64_t> at = VirtualAddress(address, mapping);
  out->clear();
  if (!at) return false;
  if (symbols_->isGo()) return symbols_->Lookup(*at, out);
  const auto [start, size] = symbols_->FunctionAt(*at);
  if (size == 0) return false;
  if (const auto found = known_.find(start); found != known_.end()) {
    out->push_back(found->second);
    return true;
  }
  if (!symbols_->Lookup(*at, out)) return false;
  const ResolvedFrame& frame = out->front();
  const size_t bytes = sizeof(frame) + frame.name.size() + frame.systemName.size();
  if (knownBytes_ + bytes > kMaxKnownBytes) {
    known_.clear();
    knownBytes_ = 0;
  }
  if (bytes <= kMaxKnownBytes) {
    knownBytes_ += bytes;
    known_.emplace(start, frame);
  }
  return true;
}

}  // namespace otelprof
