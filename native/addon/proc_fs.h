// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace otelprof {

/// Reads of /proc. A process may end at any moment and may be closed to us, so every function answers
/// with an empty value instead of an error.

/// The folder that still answers for a process: `/proc/PID`, or where the first thread has ended before the others
/// and took its view of memory and files with it, `/proc/PID/task/TID` of one that lives (which has no map_files).
std::string ProcFolder(int pid);

/// At most `maxBytes` of a file that may not know its size.
std::string ReadSmallFile(const std::string& path, size_t maxBytes);
std::string ReadLink(const std::string& path);

/// One executable line of /proc/PID/maps.
struct ProcMapsLine {
  uint64_t start = 0;
  uint64_t end = 0;
  uint64_t offset = 0;
  uint64_t inode = 0;
  uint32_t major = 0;
  uint32_t minor = 0;
  std::string path;
};

/// False if the file cannot be read (another process's privileges, or it ended).
bool ReadExecutableMappings(int pid, std::vector<ProcMapsLine>* out);

constexpr size_t kMaxCgroupBytes = 64u << 10;

struct ProcStat {
  char state = 0;  // 0: not readable
  int threads = 0;
  uint64_t startNs = 0;  // since boot
};
ProcStat ReadProcStat(int pid);

/// Whether all threads have ended and only the parent has to take note. A "zombie" with threads lives: its first
/// thread alone has ended.
constexpr bool HasEnded(const ProcStat& stat) { return (stat.state == 'Z' || stat.state == 'X') && stat.threads < 2; }

/// All numeric entries of /proc.
std::vector<int> ListProcesses();

/// Container id in the text of /proc/PID/cgroup: the `0::` line first, then the others. Recognizes 64 hex
/// digits (docker, containerd, cri-o, podman; with prefix "libpod-", suffix ".scope" and the like) and
/// the 32-hex-digits-dash-number form of ECS. "" if none.
std::string ContainerIdFromCgroup(const std::string& text);

/// Path in the text of /proc/PID/cgroup: that of the unified hierarchy, or where that is only "/" (hosts with
/// both versions) the longest of the others.
std::string PathOfCgroup(std::string_view text);

/// Values of the named variables in /proc/PID/environ, in the order of `names`.
std::vector<std::pair<std::string, std::string>> ReadEnvironment(int pid, const std::vector<std::string>& names);

}  // namespace otelprof
