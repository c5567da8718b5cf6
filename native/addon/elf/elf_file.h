// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace otelprof {

/// A read-only, bounds-checked view of one 64-bit little-endian ELF image (file or memory).
/// Everything in it is hostile: every accessor checks ranges and returns an empty span or nullopt
/// instead of reading past the image. Files are never mapped: whoever owns one could shorten it and
/// kill us with SIGBUS. Touched 64 KiB chunks are copied once into reserved memory, so spans are stable,
/// contiguous and live as long as the object; memory held is what was touched, at most 512 MiB: what
/// would exceed that reads as empty.
class ElfFile {
 public:
  struct Segment {
    uint32_t type;
    uint32_t flags;
    uint64_t offset;
    uint64_t vaddr;
    uint64_t filesz;
    uint64_t memsz;
  };
  struct Section {
    std::string_view name;
    uint32_t type;
    uint64_t flags;
    uint64_t addr;
    uint64_t offset;
    uint64_t size;
    uint32_t link;
    uint64_t entsize;
  };

  /// Reads the file behind `fd` (not consumed, needed no longer than the object: it is duplicated). nullptr and a reason in `error` when it is no ELF64 LE.
  static std::unique_ptr<ElfFile> Open(int fd, std::string* error);
  /// For images that live in memory only (vDSO).
  static std::unique_ptr<ElfFile> FromMemory(std::vector<uint8_t> bytes, std::string* error);
  /// A second, independent object on the same file: for readers that outlive this one.
  std::unique_ptr<ElfFile> reopen() const;
  ~ElfFile();
  ElfFile(const ElfFile&) = delete;
  ElfFile& operator=(const ElfFile&) = delete;

  uint16_t type() const;     // ET_EXEC, ET_DYN …
  uint16_t machine() const;  // EM_X86_64, EM_AARCH64
  uint64_t sizeBytes() const;
  std::span<const Segment> segments() const;
  std::span<const Section> sections() const;
  const Section* section(std::string_view name) const;
  /// Contents of a section; empty for SHT_NOBITS, out of range, or compressed sections.
  std::span<const uint8_t> data(const Section& section) const;
  /// The same contents in parts, in turn and without keeping them. False where they cannot all be read.
  bool stream(const Section& section, const std::function<void(std::span<const uint8_t>)>& take) const;
  /// Bytes behind a virtual address through the PT_LOAD segments; empty when not file-backed.
  std::span<const uint8_t> at(uint64_t vaddr, uint64_t size) const;

  /// Bytes at a file offset; empty when out of range.
  std::span<const uint8_t> bytes(uint64_t offset, uint64_t size) const;
  /// Name and CRC-32 in .gnu_debuglink; nullopt if absent.
  struct DebugLink {
    std::string name;
    uint32_t crc;
  };
  std::optional<DebugLink> debugLink() const;
  /// Bytes copied from the file so far.
  size_t residentBytes() const;

  std::string gnuBuildId() const;  // lower-case hex, "" if absent
  std::string goBuildId() const;
  /// hex of SHA-256(first 4 KiB + last 4 KiB + big-endian u64 size)[0..16], as upstream's htlhash.
  std::string htlHash() const;

  /// ELF virtual address of file offset `offset` through an executable PT_LOAD; nullopt if none covers it.
  std::optional<uint64_t> vaddrOfOffset(uint64_t offset) const;

 private:
  ElfFile();
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// GNU build id, lower-case hex, in the bytes of a note section (also /sys/kernel/notes); "" if absent.
std::string GnuBuildIdOfNotes(std::span<const uint8_t> notes);

}  // namespace otelprof
