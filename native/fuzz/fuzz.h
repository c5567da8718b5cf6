// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <vector>

/// What the fuzz targets share. A target is one file with one LLVMFuzzerTestOneInput; scripts/fuzz-native.mjs builds
/// it with libFuzzer, AddressSanitizer and UndefinedBehaviorSanitizer, and sets the limits of time and memory.
namespace otelprof::fuzz {

/// An invariant of the code under test; a false one is a finding.
#define FUZZ_CHECK(condition)                                                     \
  do {                                                                            \
    if (!(condition)) {                                                           \
      std::fprintf(stderr, "%s:%d: %s is false\n", __FILE__, __LINE__, #condition); \
      std::abort();                                                               \
    }                                                                             \
  } while (false)

/// Takes an input apart. What is not there reads as 0 or empty.
class Input {
 public:
  Input(const uint8_t* data, size_t size) : bytes_(data, size) {}

  template <typename T>
  T Take() {
    T value{};
    const auto from = Bytes(sizeof(T));
    if (!from.empty()) std::memcpy(&value, from.data(), from.size());
    return value;
  }
  std::span<const uint8_t> Bytes(size_t size) {
    const auto out = bytes_.first(std::min(size, bytes_.size()));
    bytes_ = bytes_.subspan(out.size());
    return out;
  }
  /// A piece that states its own length in two bytes.
  std::span<const uint8_t> Piece() { return Bytes(Take<uint16_t>()); }
  std::span<const uint8_t> Rest() { return Bytes(bytes_.size()); }
  size_t remaining() const { return bytes_.size(); }

 private:
  std::span<const uint8_t> bytes_;
};

inline std::string_view TextOf(std::span<const uint8_t> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

/// A file of this process, for readers that want a path. Its content is replaced by each input.
class ScratchFile {
 public:
  ScratchFile();
  ~ScratchFile();
  ScratchFile(const ScratchFile&) = delete;
  ScratchFile& operator=(const ScratchFile&) = delete;
  const std::string& path() const { return path_; }
  void Write(std::span<const uint8_t> bytes);
  void Append(std::span<const uint8_t> bytes);

 private:
  std::string path_;
  int fd_ = -1;
};

/// A section of an image that is made around an input.
struct Part {
  const char* name;
  uint32_t type;  // SHT_…
  uint64_t flags;
  uint64_t address;  // 0: not loaded
  std::span<const uint8_t> bytes;
};

/// An x86-64 ELF file of these sections, each loaded one with a segment of its own. With `ehFrameHeader`, the
/// segment table also says where it lies and the section table is left out, as in stripped files.
std::vector<uint8_t> MakeImage(std::span<const Part> parts, uint64_t ehFrameHeader = 0);

}  // namespace otelprof::fuzz
