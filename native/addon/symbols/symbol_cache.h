// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "../elf/elf_file.h"
#include "../dwarf/unpacked_sections.h"
#include "../unique_fd.h"
#include "siphash.h"
#include "symbol_table.h"
#include "symbols.h"

namespace otelprof {

/// Symbol tables in files, kept between runs and mapped: their pages are the page cache's, not ours. A directory
/// that belongs to this user alone; what lies there and does not carry the directory's own secret is never used
/// (docs/decisions/0010). Several processes may share one. Calls come from one thread, but where it is said.
class SymbolCache {
 public:
  struct Stats {
    std::atomic<uint64_t> hits{0};
    std::atomic<uint64_t> misses{0};
    std::atomic<uint64_t> evicted{0};
    std::atomic<uint64_t> corrupt{0};
    std::atomic<uint64_t> writeErrors{0};
    std::atomic<uint64_t> bytes{0};
  };
  /// What a table was read from. Equal keys mean equal tables: a build id alone is what a file says of itself.
  struct Key {
    std::string buildId;  // or another id of the contents
    uint64_t fileBytes = 0;
    uint64_t fingerprint = 0;
    std::string fileName() const;
  };
  struct Entry {
    SymbolTable table;
    SymbolSource source = SymbolSource::None;
  };

  /// Makes the directory where it is missing, not its parents. nullptr and a reason where it cannot be used.
  static std::unique_ptr<SymbolCache> Open(const std::string& directory, uint64_t maxBytes, std::string* error);
  SymbolCache(const SymbolCache&) = delete;
  SymbolCache& operator=(const SymbolCache&) = delete;

  /// nullopt for files whose tables are so small that indexing them anew is cheaper than asking.
  static std::optional<Key> KeyOf(const ElfFile& image, const ElfFile* debug, const SipKey& secret);
  std::optional<Key> KeyOf(const ElfFile& image, const ElfFile* debug) const { return KeyOf(image, debug, secret_); }

  /// A mapped table; nullopt where there is none, or its file is not whole: that one is removed and counted.
  std::optional<Entry> Find(const Key& key);
  /// Writes a table and hands it back mapped. nullopt where it could not be written, or is larger than all may be.
  std::optional<Entry> Store(const Key& key, const Entry& entry);

  /// Makes a file without a name on the directory's disk, gone when it is closed. May outlive the cache.
  ScratchFile Scratch();

  /// Takes the pages of all mapped tables out of our memory; a look-up brings back those that it needs, from the page
  /// cache. Any thread.
  void Rest();

  const Stats& stats() const { return stats_; }

 private:
  SymbolCache(UniqueFd directory, uint64_t maxBytes)
      : directory_(std::make_shared<const UniqueFd>(std::move(directory))), maxBytes_(maxBytes) {}
  bool LoadSecret();
  bool ReadSecret();
  UniqueFd OpenFile(const char* name, uint64_t* bytes) const;
  std::optional<Entry> Map(const Key& key, const UniqueFd& fd, uint64_t bytes);
  bool WriteFile(const std::string& temporary, std::span<const std::span<const uint8_t>> parts) const;
  std::string TemporaryName();
  bool MakeRoom(uint64_t newBytes);

  const std::shared_ptr<const UniqueFd> directory_;
  const uint64_t maxBytes_;
  SipKey secret_{};
  uint64_t written_ = 0;
  Stats stats_;
  struct Mapping {
    std::weak_ptr<const void> owner;
    size_t bytes;
  };
  std::mutex mutex_;  // below
  std::vector<Mapping> mappings_;
};

}  // namespace otelprof
