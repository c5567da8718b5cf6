// SPDX-License-Identifier: Apache-2.0
#pragma once

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
  explicit BlockWriter(DemangleMode demangle) : demangle_(demangle) {}

  /// Addresses of the window whose lines and inlined functions are not known for good, by file.
  std::unordered_map<std::shared_ptr<ProfiledFile>, std::vector<uint64_t>> Unresolved(
      const SampleWindow& window) const;
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
    std::vector<ResolvedFrame> frames;
    bool final = false;  // false: its unit of DWARF was not read in time
  };
  /// Frames at an ELF address; empty if nothing is known.
  const std::vector<ResolvedFrame>& Names(const ProfiledFile& file, const FileSymbols& symbols, uint64_t va);
  void RefreshKernel(uint64_t nowNs);

  const DemangleMode demangle_;
  KernelSymbols kernel_;
  uint64_t kernelLoadedNs_ = 0;
  bool kernelMissed_ = false;
  std::unordered_map<NameKey, CachedNames, NameKeyHash> names_;
  std::unordered_map<std::string, std::string> kernelBuildIds_;
};

}  // namespace otelprof
