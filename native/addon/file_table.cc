// SPDX-License-Identifier: Apache-2.0
#include "file_table.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <algorithm>
#include <cinttypes>
#include <cstdio>

#include "proc_fs.h"

namespace otelprof {
namespace {

constexpr size_t kMaxVariantsPerPlace = 8;

std::string MapFilesPath(int pid, const MappingSource& mapping) {
  char path[96];
  snprintf(path, sizeof(path), "/proc/%d/map_files/%" PRIx64 "-%" PRIx64, pid, mapping.start, mapping.end);
  return path;
}

std::string RootPrefix(int pid) { return "/proc/" + std::to_string(pid) + "/root"; }

UniqueFd OpenRoot(int pid) {
  constexpr int kFlags = O_PATH | O_DIRECTORY | O_CLOEXEC;
  UniqueFd root(open(RootPrefix(pid).c_str(), kFlags));
  return root ? std::move(root) : UniqueFd(open((ProcFolder(pid) + "/root").c_str(), kFlags));
}

/// Reopens what an O_PATH descriptor names, if it is a regular file: opening a device or a FIFO would do
/// something.
UniqueFd ReadableIfRegular(const UniqueFd& place) {
  struct stat info;
  if (!place || fstat(place.get(), &info) != 0 || !S_ISREG(info.st_mode)) return UniqueFd();
  const std::string link = "/proc/self/fd/" + std::to_string(place.get());
  return UniqueFd(open(link.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK));
}

/// The file at the mapping's path, resolved below the process's own root: an absolute symlink inside a
/// container must not lead to the host's files. Refused if it is another file by now.
UniqueFd PlaceBelowRoot(int pid, const MappingSource& mapping) {
  constexpr unsigned long kOverlayMagic = 0x794c7630;
  const UniqueFd root = OpenRoot(pid);
  if (!root) return UniqueFd();
  open_how how{};
  how.flags = O_PATH | O_CLOEXEC;
  how.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS;
  UniqueFd place(static_cast<int>(syscall(SYS_openat2, root.get(), mapping.path.c_str(), &how, sizeof(how))));
  struct stat info;
  struct statfs fs;
  if (!place || fstat(place.get(), &info) != 0 || fstatfs(place.get(), &fs) != 0) return UniqueFd();
  // overlayfs reports its own inode numbers to stat and the lower layer's to mappings.
  if (info.st_ino != mapping.inode && static_cast<unsigned long>(fs.f_type) != kOverlayMagic) return UniqueFd();
  return place;
}

/// The file at the mapping's path as we see it, if device and inode are the mapping's: for processes that another
/// user's /proc is closed to us for, and that share our files.
UniqueFd PlaceAsWeSeeIt(const MappingSource& mapping) {
  UniqueFd place(open(mapping.path.c_str(), O_PATH | O_CLOEXEC));
  struct stat info;
  if (!place || fstat(place.get(), &info) != 0 || info.st_ino != mapping.inode ||
      major(info.st_dev) != mapping.major || minor(info.st_dev) != mapping.minor)
    return UniqueFd();
  return place;
}

/// map_files names the very file that is mapped, deleted or not; the path below the process's root is for
/// when map_files is not allowed, or the mapping has been split since it was reported.
UniqueFd PlaceOfMapped(int pid, const MappingSource& mapping) {
  UniqueFd place(open(MapFilesPath(pid, mapping).c_str(), O_PATH | O_CLOEXEC));
  if (!place) place = PlaceBelowRoot(pid, mapping);
  return place ? std::move(place) : PlaceAsWeSeeIt(mapping);
}

void Complete(ProfiledFile::Identity* identity, const struct stat& info) {
  identity->modifiedNs = int64_t{info.st_mtim.tv_sec} * 1000000000 + info.st_mtim.tv_nsec;
  identity->sizeBytes = static_cast<uint64_t>(info.st_size);
}

std::string WithoutDeletedMark(const std::string& path) {
  constexpr std::string_view kMark = " (deleted)";
  return path.ends_with(kMark) ? path.substr(0, path.size() - kMark.size()) : path;
}

}  // namespace

std::shared_ptr<ProfiledFile> FileTable::Vdso() {
  if (vdsoTried_) return vdso_;
  vdsoTried_ = true;
  const auto image = OpenVdso();
  if (!image) return nullptr;
  const uint32_t id = nextId_++;
  vdso_ = std::make_shared<ProfiledFile>(id, ProfiledFile::Identity{}, "[vdso]", "", UniqueFd(),
                                         ExecutableSegments(*image));
  byId_[id] = vdso_;
  onNewFile_(vdso_);
  return vdso_;
}

std::shared_ptr<ProfiledFile> FileTable::FileOf(int pid, const MappingSource& mapping) {
  if (mapping.path == "[vdso]") return Vdso();
  if (mapping.inode == 0 || mapping.path.empty() || mapping.path[0] != '/') return nullptr;

  ProfiledFile::Identity identity;
  identity.major = mapping.major;
  identity.minor = mapping.minor;
  identity.inode = mapping.inode;
  const uint64_t device = uint64_t{mapping.major} << 32 | mapping.minor;
  auto& variants = byPlace_[{device, mapping.inode}];
  const UniqueFd place = PlaceOfMapped(pid, mapping);
  struct stat info;
  if (!place || fstat(place.get(), &info) != 0) {
    // A process that is gone cannot be asked; the youngest file at this place is the best guess.
    if (!variants.empty()) return variants.back().file;
    openErrors_++;
    byPlace_.erase({device, mapping.inode});
    return nullptr;
  }
  Complete(&identity, info);
  for (const auto& known : variants)
    if (known.identity == identity) return known.file;
  return Add(identity, WithoutDeletedMark(mapping.path), pid, ReadableIfRegular(place), &variants);
}

std::shared_ptr<ProfiledFile> FileTable::Add(const ProfiledFile::Identity& identity, const std::string& path,
                                             int pid, UniqueFd fd, std::vector<Known>* variants) {
  if (variants->size() >= kMaxVariantsPerPlace) variants->erase(variants->begin());
  std::string error;
  const auto image = fd ? ElfFile::Open(fd.get(), &error) : nullptr;
  auto segments = image ? ExecutableSegments(*image) : std::vector<ElfFile::Segment>();
  if (segments.empty()) {
    notElf_++;
    variants->push_back({identity, nullptr});
    return nullptr;
  }
  const uint32_t id = nextId_++;
  auto file =
      std::make_shared<ProfiledFile>(id, identity, path, RootPrefix(pid), std::move(fd), std::move(segments));
  variants->push_back({identity, file});
  byId_[id] = file;
  onNewFile_(file);
  return file;
}

std::shared_ptr<ProfiledFile> FileTable::ById(uint32_t id) const {
  const auto it = byId_.find(id);
  return it == byId_.end() ? nullptr : it->second;
}

void FileTable::Forget(uint64_t idleSinceNs, const std::function<void(uint32_t id)>& onForgotten) {
  for (auto place = byPlace_.begin(); place != byPlace_.end();) {
    std::erase_if(place->second, [&](const Known& known) {
      // What could not be read is tried again: the memory of it must not grow with the host's files.
      if (!known.file) return true;
      // Held by byId_ and by this list only: no mapping, no window, no job.
      if (known.file.use_count() > 2 || known.file->lastUsedNs.load() >= idleSinceNs) return false;
      onForgotten(known.file->id());
      byId_.erase(known.file->id());
      return true;
    });
    place = place->second.empty() ? byPlace_.erase(place) : std::next(place);
  }
}

}  // namespace otelprof
