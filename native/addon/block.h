// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "sample_window.h"
#include "symbols/symbols.h"

namespace otelprof {

/// Turns a window into a profile block (docs/specs/profile-block.md). Keeps names between blocks, so one
/// object lives as long as the profiler. One call at a time.
class BlockWriter {
 public:
  /// `maxNames` bounds the addresses whose names are kept from block to block.
  /// `groupUnnamed`: functions without a name are called by their file and start, not by the sampled address.
  /// `frameKinds`: the bit of each FrameKind that stacks keep.
  BlockWriter(DemangleMode demangle, size_t maxNames, bool groupUnnamed, uint32_t frameKinds = UINT32_MAX)
      : demangle_(demangle), maxNames_(maxNames), groupUnnamed_(groupUnnamed), frameKinds_(frameKinds) {}

  using AddressesByFile = std::unordered_map<std::shared_ptr<ProfiledFile>, std::vector<uint64_t>>;
  /// Addresses of the window whose functions are not known yet, by file.
  AddressesByFile Unnamed(const SampleWindow& window) const;
  /// Names addresses of a file; its symbols are needed no more for them.
  void Name(const ProfiledFile& file, const FileSymbols& symbols, const std::vector<uint64_t>& addresses);
  /// Addresses of the window whose lines and inlined functions are not known for good, by file.
  AddressesByFile Unresolved(const SampleWindow& window) const;
  /// Forgets names of long ago beyond `maxNames`; before a window's names are read.
  void Forget();
  /// Any thread.
  size_t namesKept() const { return namesKept_; }
  /// `bootOffsetNs` is what must be added to CLOCK_BOOTTIME to get unix time.
  std::vector<uint8_t> Write(const SampleWindow& window, uint64_t endUnixNs, uint64_t bootOffsetNs);

 private:
  friend class BlockBuilder;
  struct NameKey {
    uint32_t file;
    uint64_t va;
    bool operator==(const NameKey&) const = default;
  };
  struct NameKeyHash {
    size_t operator()(const NameKey& key) const {
      return std::hash<uint64_t>()(key.va * 0x9e3779b97f4a7c15u ^ key.file);
    }
  };
  struct CachedNames {
    uint32_t generation = 0;  // of the file's symbols
    std::vector<ResolvedFrame> frames;
    FrameKind kind = FrameKind::Native;
    uint64_t functionStart = 0;  // where there are no frames; 0: not known
    bool named = false;  // false: the file's symbols were not read in time
    bool final = false;  // false: nor was its unit of DWARF
  };
  /// What is known of an ELF address. The file's symbols are asked for only where they never were before: they
  /// may be out of memory by now.
  const CachedNames& Names(const ProfiledFile& file, const FileSymbols* symbols, uint64_t va);
  const CachedNames* Known(const ProfiledFile& file, uint64_t va) const;
  template <typename F>
  AddressesByFile Addresses(const SampleWindow& window, F isWanted) const;
  void RefreshKernel(uint64_t nowNs);
  bool Keeps(FrameKind kind) const { return frameKinds_ >> static_cast<unsigned>(kind) & 1; }

  const DemangleMode demangle_;
  const size_t maxNames_;
  const bool groupUnnamed_;
  const uint32_t frameKinds_;
  KernelSymbols kernel_;
  uint64_t kernelLoadedNs_ = 0;
  bool kernelMissed_ = false;
  using NameMap = std::unordered_map<NameKey, CachedNames, NameKeyHash>;
  /// Used since the last Forget that dropped something, and before: together at most maxNames_ and one window's.
  NameMap names_, olderNames_;
  std::atomic<size_t> namesKept_{0};
  std::unordered_map<std::string, std::string> kernelBuildIds_;
};

}  // namespace otelprof
