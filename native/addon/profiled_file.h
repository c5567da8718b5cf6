// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "dwarf/dwarf_file.h"
#include "elf/elf_file.h"
#include "runtimes/runtime.h"
#include "symbols/symbols.h"
#include "unique_fd.h"
#include "unwind/table.h"

namespace otelprof {

enum class TableState : uint8_t { Queued, Loaded, Empty, Failed, Evicted };
enum class SymbolState : uint8_t { Unasked, Queued, Loaded, Failed, Evicted };

/// One ELF file that some process executes. Identified by its contents' place and time (device, inode,
/// mtime, size), not by name. Ids are never reused. Kept as long as a mapping, a window or the file
/// table holds it; the descriptor keeps deleted files readable.
class ProfiledFile {
 public:
  struct Identity {
    uint32_t major = 0;
    uint32_t minor = 0;
    uint64_t inode = 0;
    int64_t modifiedNs = 0;
    uint64_t sizeBytes = 0;
    bool operator==(const Identity&) const = default;
  };
  struct Details {
    std::string buildId;
    std::string goBuildId;
    std::string htlHash;
  };

  ProfiledFile(uint32_t id, Identity identity, std::string path, std::string root, UniqueFd fd,
               std::vector<ElfFile::Segment> segments)
      : id_(id), identity_(identity), path_(std::move(path)), root_(std::move(root)), fd_(std::move(fd)),
        segments_(std::move(segments)) {}

  uint32_t id() const { return id_; }
  const Identity& identity() const { return identity_; }
  const std::string& path() const { return path_; }
  std::string baseName() const;
  std::string directory() const;
  /// Prefix under which the file's mount namespace was visible when it was found, for debug files.
  const std::string& root() const { return root_; }
  /// A fresh view; nullptr if the file can no longer be read. The vDSO comes from our own memory.
  std::unique_ptr<ElfFile> OpenImage() const;

  /// ELF address that file offset `offset` has when mapped executable; false if no segment has it.
  bool AddressOfOffset(uint64_t offset, uint64_t* va) const;
  /// The executable PT_LOAD around `va`, widened to pages; nullptr if none.
  const ElfFile::Segment* SegmentAt(uint64_t va) const;

  /// Written by the worker thread, read by any.
  Details details() const;
  void SetDetails(Details details);
  /// nullptr where the table is not in memory (any more).
  std::shared_ptr<const FileSymbols> symbols() const;
  /// The same, for a look-up: the table counts as the one used last.
  std::shared_ptr<const FileSymbols> UseSymbols() const;
  /// Grows with every use of a table of any file.
  uint64_t symbolsUsed() const { return symbolsUsed_; }
  void SetSymbols(std::shared_ptr<const FileSymbols> symbols);
  /// A separate debug file from elsewhere, "" if there is none; names known before it are known no more.
  std::string debugPath() const;
  void SetDebugPath(std::string path);
  /// Grows when the file gets other names.
  std::atomic<uint32_t> symbolGeneration{0};
  /// nullptr where there is none, or before the symbols are there.
  std::shared_ptr<DwarfFile> dwarf() const;
  void SetDwarf(std::shared_ptr<DwarfFile> dwarf);

  /// The managed runtime in it, or nullptr; set with the first table.
  std::shared_ptr<const RuntimeFile> runtime() const;
  void SetRuntime(std::shared_ptr<const RuntimeFile> runtime);

  std::atomic<TableState> tableState{TableState::Queued};
  std::atomic<uint64_t> tableBytes{0};
  std::atomic<uint64_t> lastUsedNs{0};
  /// An evicted table is not loaded again before this.
  std::atomic<uint64_t> reloadAfterNs{0};
  std::atomic<uint32_t> evictions{0};
  /// A copy of the table for user space is on its way.
  std::atomic<bool> copyQueued{false};
  /// When somebody last needed that copy.
  std::atomic<uint64_t> copyUsedNs{0};
  std::atomic<SymbolState> symbolState{SymbolState::Unasked};
  /// What the kernel program holds: always in perf mode, else for a while, where a sample waits for it.
  std::shared_ptr<const UnwindTable> table() const;
  void SetTable(std::shared_ptr<const UnwindTable> table);

 private:
  const uint32_t id_;
  const Identity identity_;
  const std::string path_;
  const std::string root_;
  const UniqueFd fd_;
  const std::vector<ElfFile::Segment> segments_;
  mutable std::mutex mutex_;
  Details details_;
  std::shared_ptr<const FileSymbols> symbols_;
  mutable std::atomic<uint64_t> symbolsUsed_{0};
  std::shared_ptr<DwarfFile> dwarf_;
  std::string debugPath_;
  std::shared_ptr<const UnwindTable> table_;
  std::shared_ptr<const RuntimeFile> runtime_;
};

/// The executable PT_LOAD segments of an image.
std::vector<ElfFile::Segment> ExecutableSegments(const ElfFile& image);

/// The vDSO of this process, which is that of every 64-bit process on this kernel; nullptr if none.
std::unique_ptr<ElfFile> OpenVdso();

}  // namespace otelprof
