// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>
#include <vector>

#include "profiled_file.h"
#include "symbols/symbol_cache.h"

namespace otelprof {

/// The symbol tables of all files together, mapped ones included, under a byte budget: the one asked for names
/// longest ago goes first, and is loaded again when names are wanted of it. Belongs to one thread; statistics to any.
class SymbolStore {
 public:
  struct Stats {
    std::atomic<uint64_t> files{0};
    std::atomic<uint64_t> bytes{0};
    std::atomic<uint64_t> mappedBytes{0};
    std::atomic<uint64_t> loads{0};
    std::atomic<uint64_t> evictions{0};
    std::atomic<uint64_t> debugFilesUsed{0};
    std::atomic<uint64_t> debugFilesRefused{0};
  };
  /// Build ids that wait to be taken; more are met again when their tables are loaded again.
  static constexpr size_t kMaxBare = 1000;

  /// `cache` may be nullptr. `reportBare`: whether TakeBare is asked.
  SymbolStore(uint64_t maxBytes, DemangleMode mode, SymbolCache* cache, bool reportBare = false)
      : maxBytes_(maxBytes), mode_(mode), cache_(cache), reportBare_(reportBare) {}

  /// The file's table, loaded where it is not there; what it opens for the first time it gives to the file as well.
  /// The caller may use it however long, also when it is evicted. nullptr where the file cannot be read.
  std::shared_ptr<const FileSymbols> Load(const std::shared_ptr<ProfiledFile>& file, DwarfErrors* errors);
  /// Tables of Go grow while they are used: drops what does not fit any more.
  void Trim() { MakeRoom(nullptr); }

  /// GNU build ids of files without DWARF loaded since the last call. Any thread.
  std::vector<std::string> TakeBare();
  /// Names of the files of that build id come from their debug file at `path` too, from the next look-up on.
  void UseDebugFile(const std::string& buildId, const std::string& path, DwarfErrors* errors);

  const Stats& stats() const { return stats_; }

 private:
  void MakeRoom(const ProfiledFile* keep);
  std::unique_ptr<ElfFile> FindDebug(const ProfiledFile& file, const ElfFile& image) const;
  void NoteBare(const std::shared_ptr<ProfiledFile>& file, const ElfFile& image);

  const uint64_t maxBytes_;
  const DemangleMode mode_;
  SymbolCache* const cache_;
  const bool reportBare_;
  Stats stats_;
  std::vector<std::weak_ptr<ProfiledFile>> loaded_;
  std::unordered_multimap<std::string, std::weak_ptr<ProfiledFile>> bareFiles_;
  std::mutex mutex_;  // below
  std::vector<std::string> bare_;
};

}  // namespace otelprof
