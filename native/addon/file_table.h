// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "profiled_file.h"

namespace otelprof {

/// One executable mapping of a process, as the side-band or /proc/PID/maps tells it.
struct MappingSource {
  uint64_t start = 0;
  uint64_t end = 0;
  uint64_t pageOffset = 0;
  uint64_t inode = 0;
  uint32_t major = 0;
  uint32_t minor = 0;
  std::string path;
};

/// All files that processes execute. Belongs to the profiler thread.
class FileTable {
 public:
  /// Told about each file that is new, with its image open.
  using OnNewFile = std::function<void(const std::shared_ptr<ProfiledFile>&)>;

  explicit FileTable(OnNewFile onNewFile) : onNewFile_(std::move(onNewFile)) {}

  /// The file behind a mapping; nullptr for memory without a readable ELF file.
  std::shared_ptr<ProfiledFile> FileOf(int pid, const MappingSource& mapping);
  /// nullptr if the id was forgotten.
  std::shared_ptr<ProfiledFile> ById(uint32_t id) const;
  /// Drops files that nobody else holds and that were not used since `idleSinceNs`.
  void Forget(uint64_t idleSinceNs, const std::function<void(uint32_t id)>& onForgotten);

  size_t size() const { return byId_.size(); }
  uint64_t openErrors() const { return openErrors_; }
  uint64_t notElf() const { return notElf_; }
  const std::unordered_map<uint32_t, std::shared_ptr<ProfiledFile>>& files() const { return byId_; }

 private:
  struct PlaceHash {
    size_t operator()(const std::pair<uint64_t, uint64_t>& place) const {
      return std::hash<uint64_t>()(place.first * 0x9e3779b97f4a7c15u ^ place.second);
    }
  };
  /// A null file is remembered too: the file is no ELF.
  struct Known {
    ProfiledFile::Identity identity;
    std::shared_ptr<ProfiledFile> file;
  };

  std::shared_ptr<ProfiledFile> Vdso();
  std::shared_ptr<ProfiledFile> Add(const ProfiledFile::Identity& identity, const std::string& path, int pid,
                                    UniqueFd fd, std::vector<Known>* variants);

  OnNewFile onNewFile_;
  std::unordered_map<std::pair<uint64_t, uint64_t>, std::vector<Known>, PlaceHash> byPlace_;
  std::unordered_map<uint32_t, std::shared_ptr<ProfiledFile>> byId_;
  std::shared_ptr<ProfiledFile> vdso_;
  bool vdsoTried_ = false;
  uint32_t nextId_ = 1;
  uint64_t openErrors_ = 0;
  uint64_t notElf_ = 0;
};

}  // namespace otelprof
