// SPDX-License-Identifier: Apache-2.0
#include "owned_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <charconv>
#include <string_view>

namespace otelprof {
namespace {

/// Last number of `key`'s line in /proc/PID/status, or its `index`-th.
std::optional<uint32_t> numberIn(std::string_view status, std::string_view key, size_t index, bool last) {
  size_t at = status.find(key);
  if (at == std::string_view::npos) return std::nullopt;
  std::string_view line = status.substr(at + key.size());
  line = line.substr(0, line.find('\n'));
  std::optional<uint32_t> found;
  for (size_t i = 0; !line.empty(); i++) {
    size_t start = line.find_first_of("0123456789");
    if (start == std::string_view::npos) break;
    uint32_t value = 0;
    auto result = std::from_chars(line.data() + start, line.data() + line.size(), value);
    if (result.ec != std::errc()) return std::nullopt;
    line.remove_prefix(static_cast<size_t>(result.ptr - line.data()));
    if (last || i == index) found = value;
    if (!last && i == index) break;
  }
  return found;
}

}  // namespace

std::optional<ProcessStatus> ReadProcessStatus(int pid) {
  std::string path = "/proc/" + std::to_string(pid) + "/status";
  int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return std::nullopt;
  char buffer[8192];
  ssize_t n = read(fd, buffer, sizeof buffer);
  close(fd);
  if (n <= 0) return std::nullopt;
  std::string_view text(buffer, static_cast<size_t>(n));
  ProcessStatus status;
  // The first line is "Name:\t<comm>", which the process chooses; the kernel escapes newlines in it.
  auto inner = numberIn(text, "\nNSpid:", 0, true);
  auto uid = numberIn(text, "\nUid:", 1, false);
  if (!uid) return std::nullopt;
  status.innermostPid = inner ? static_cast<int>(*inner) : pid;
  status.effectiveUid = *uid;
  return status;
}

int OpenOwnedFile(const std::string& path, uint32_t uid, struct stat* st) {
  std::string_view rest = path;
  std::string start = "/";
  if (path.starts_with("/proc/")) {
    size_t root = path.find("/root/");
    if (root != std::string::npos) start = path.substr(0, root + 5);
  }
  rest.remove_prefix(start.size());
  int fd = open(start.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC);
  while (fd >= 0 && !rest.empty()) {
    size_t slash = rest.find('/');
    std::string part(rest.substr(0, slash));
    bool last = slash == std::string_view::npos;
    rest.remove_prefix(last ? rest.size() : slash + 1);
    if (part.empty()) continue;
    int flags = last ? O_RDONLY | O_NONBLOCK | O_NOCTTY : O_PATH | O_DIRECTORY;
    int next = openat(fd, part.c_str(), flags | O_NOFOLLOW | O_CLOEXEC);
    close(fd);
    fd = next;
  }
  if (fd < 0) return -1;
  if (fstat(fd, st) == 0 && S_ISREG(st->st_mode) && (st->st_uid == uid || st->st_uid == 0)) return fd;
  close(fd);
  return -1;
}

}  // namespace otelprof
