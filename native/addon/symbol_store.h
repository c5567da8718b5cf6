// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
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
  };

  /// `cache` may be nullptr.
  SymbolStore(uint64_t maxBytes, DemangleMode mode, SymbolCache* cache)
      : maxBytes_(maxBytes), mode_(mode), cache_(cache) {}

  /// The file's table, loaded where it is not there; what it opens for the first time it gives to the file as well.
  /// The caller may use it however long, also when it is evicted. nullptr where the file cannot be read.
  std::shared_ptr<const FileSymbols> Load(const std::shared_ptr<ProfiledFile>& file, DwarfErrors* errors);
  /// Tables of Go grow while they are used: drops what does not fit any more.
  void Trim() { MakeRoom(nullptr); }

  const Stats& stats() const { return stats_; }

 private:
  void MakeRoom(const ProfiledFile* keep);

  const uint64_t maxBytes_;
  const DemangleMode mode_;
  SymbolCache* const cache_;
  Stats stats_;
  std::vector<std::weak_ptr<ProfiledFile>> loaded_;
};

}  // namespace otelprof
