// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "symbols/symbols.h"

namespace otelprof {

/// One ELF file opened for its names alone: of another host's process, found by build id. Look-ups come from one
/// thread: the same functions are asked for with every batch, so names in clear text are kept for a while.
class SymbolFile {
 public:
  /// Reads the file and indexes its symbols. nullptr, with `error` empty, where the file is there but none of its
  /// build ids (GNU, Go, htlhash) is `buildId`; nullptr and a reason where it cannot be read. A separate debug file
  /// that this host has for it is used too.
  static std::unique_ptr<SymbolFile> Open(const std::string& path, std::string_view buildId, DemangleMode mode,
                                          std::string* error);

  /// What a profile says of a mapping; all 0 where it says nothing.
  struct Mapping {
    uint64_t start;
    uint64_t limit;
    uint64_t fileOffset;
  };

  /// Replaces *out with the frames at `address`, innermost first: an ELF virtual address, or an address of the
  /// process where the mapping does not lie where the file's segments do. False where nothing is known.
  bool Lookup(uint64_t address, const Mapping& mapping, std::vector<ResolvedFrame>* out);

  SymbolSource source() const { return symbols_->source(); }
  size_t sizeBytes() const { return symbols_->sizeBytes() + segments_.size() * sizeof(Segment) + kMaxKnownBytes; }

 private:
  static constexpr size_t kMaxKnownBytes = 1 << 20;
  struct Segment {
    uint64_t offset;
    uint64_t fileBytes;
    uint64_t start;
    uint64_t limit;
  };

  std::optional<uint64_t> VirtualAddress(uint64_t address, const Mapping& mapping) const;

  std::unique_ptr<FileSymbols> symbols_;
  std::vector<Segment> segments_;
  std::unordered_map<uint64_t, ResolvedFrame> known_;  // by start; functions that have one frame and no line
  size_t knownBytes_ = 0;
};

}  // namespace otelprof
