// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>

#include "../unique_fd.h"
#include "symbols.h"

namespace otelprof {
namespace {

constexpr uint64_t kMaxCrcBytes = 512ull << 20;  // a CRC reads the whole file

bool isRegularFile(const std::string& path) {
  struct stat st;
  return stat(path.c_str(), &st) == 0 && S_ISREG(st.st_mode);
}

bool isHex(std::string_view text) {
  return std::all_of(text.begin(), text.end(),
                     [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

/// The CRC-32 of .gnu_debuglink: IEEE, reflected, as zlib's.
uint32_t crc32(std::span<const uint8_t> bytes, uint32_t crc) {
  static const auto kTable = [] {
    std::array<uint32_t, 256> table{};
    for (uint32_t i = 0; i < 256; i++) {
      uint32_t c = i;
      for (int bit = 0; bit < 8; bit++) c = (c & 1) != 0 ? 0xedb88320 ^ (c >> 1) : c >> 1;
      table[i] = c;
    }
    return table;
  }();
  crc = ~crc;
  for (uint8_t b : bytes) crc = kTable[(crc ^ b) & 0xff] ^ (crc >> 8);
  return ~crc;
}

bool crcMatches(int fd, uint32_t expected) {
  struct stat st;
  if (fstat(fd, &st) != 0 || static_cast<uint64_t>(st.st_size) > kMaxCrcBytes) return false;
  std::array<uint8_t, 64 * 1024> buffer;
  uint32_t crc = 0;
  off_t at = 0;
  for (;;) {
    ssize_t n = pread(fd, buffer.data(), buffer.size(), at);
    if (n < 0) return false;
    if (n == 0) return crc == expected;
    crc = crc32(std::span(buffer).first(static_cast<size_t>(n)), crc);
    at += n;
  }
}

UniqueFd openPath(const std::string& path) {
  if (path.empty()) return UniqueFd();
  // Non-blocking: a container may have put a FIFO there since the check.
  return UniqueFd(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
}

}  // namespace

std::string FindDebugFile(std::string_view buildId, std::string_view debuglink, std::string_view dir,
                          std::string_view rootPrefix) {
  std::string root(rootPrefix);
  if (buildId.size() > 2 && buildId.size() <= 128 && isHex(buildId)) {
    std::string path = root + "/usr/lib/debug/.build-id/";
    path.append(buildId.substr(0, 2)).append("/").append(buildId.substr(2)).append(".debug");
    if (isRegularFile(path)) return path;
  }
  // The name comes from the file: with a slash or ".." it could lead anywhere.
  bool plain = !debuglink.empty() && debuglink.size() <= 255 && debuglink != "." && debuglink != ".." &&
               debuglink.find('/') == std::string_view::npos &&
               debuglink.find('\0') == std::string_view::npos;
  if (!plain || dir.empty() || dir.front() != '/') return "";
  for (const char* before : {"", "/usr/lib/debug"}) {
    for (const char* between : {"/", "/.debug/"}) {
      std::string path = root + before;
      path.append(dir).append(between).append(debuglink);
      if (isRegularFile(path)) return path;
    }
  }
  return "";
}

std::unique_ptr<ElfFile> OpenDebugFileAt(const ElfFile& image, const std::string& path) {
  const UniqueFd fd = openPath(path);
  const std::string buildId = image.gnuBuildId();
  auto debug = fd && !buildId.empty() ? ElfFile::Open(fd.get(), nullptr) : nullptr;
  const bool same = debug && debug->machine() == image.machine() && debug->gnuBuildId() == buildId;
  return same ? std::move(debug) : nullptr;
}

std::unique_ptr<ElfFile> OpenDebugFile(const ElfFile& image, std::string_view dir,
                                       std::string_view rootPrefix) {
  const std::string buildId = image.gnuBuildId();
  const auto link = image.debugLink();
  // A wrong file under the build id must not hide a right one under the debuglink, so try both.
  if (auto debug = OpenDebugFileAt(image, FindDebugFile(buildId, "", dir, rootPrefix))) return debug;
  const std::string linked = FindDebugFile("", link ? std::string_view(link->name) : "", dir, rootPrefix);
  if (!buildId.empty()) return OpenDebugFileAt(image, linked);
  const UniqueFd fd = openPath(linked);
  auto debug = fd ? ElfFile::Open(fd.get(), nullptr) : nullptr;
  const bool same = debug && debug->machine() == image.machine() && crcMatches(fd.get(), link->crc);
  return same ? std::move(debug) : nullptr;
}

}  // namespace otelprof
