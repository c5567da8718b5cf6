// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <span>

#include "../unique_fd.h"

namespace otelprof {

/// Makes a file without a name; an empty descriptor where it cannot.
using ScratchFile = std::function<UniqueFd()>;

/// Sections of one file that were unpacked once: unpacking libc's DWARF for every address of it costs more than all else
/// that is done for lines. They lie in a file without a name, mapped while they are read: their pages are the page
/// cache's, not ours. Not for several threads at once.
class UnpackedSections {
 public:
  /// Of all files together; what is beyond is unpacked each time.
  static constexpr uint64_t kMaxBytes = 512ull << 20;

  explicit UnpackedSections(ScratchFile scratch) : scratch_(std::move(scratch)) {}
  ~UnpackedSections();
  UnpackedSections(const UnpackedSections&) = delete;
  UnpackedSections& operator=(const UnpackedSections&) = delete;

  /// Copies a section's bytes; false where they cannot be kept.
  bool Keep(size_t id, std::span<const uint8_t> bytes);
  /// What Keep got, until Release; empty if there is nothing.
  std::span<const uint8_t> Find(size_t id);
  void Release();

 private:
  struct Place {
    uint64_t offset = 0;
    uint64_t size = 0;
    void* mapped = nullptr;
  };

  const ScratchFile scratch_;
  UniqueFd file_;
  uint64_t end_ = 0;
  std::map<size_t, Place> places_;
};

}  // namespace otelprof
