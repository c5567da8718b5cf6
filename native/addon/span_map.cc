// SPDX-License-Identifier: Apache-2.0
#include "span_map.h"

#include <limits.h>
#include <linux/bpf.h>
#include <linux/magic.h>
#include <linux/types.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include <cerrno>
#include <cstdint>
#include <string_view>

#include "../bpf/profile.h"
#include "bpf_syscall.h"

namespace otelprof {
namespace {

constexpr const char* kOption = "obi_process_ctx: ";
constexpr uint32_t kType = BPF_MAP_TYPE_LRU_HASH;
constexpr uint32_t kKeyBytes = sizeof(uint64_t);
constexpr uint32_t kValueBytes = sizeof(op_span_context);

// Another profiler, or the instrumentation, may make it between our look and our pin, and take it away again.
constexpr int kAttempts = 3;

Failure Refused(int error, const char* syscall, const std::string& what) {
  return SystemFailure(error, syscall, kOption + what + " (needs CAP_BPF and access to the directory)");
}

/// A program or a link can be pinned too, and its information be mistaken for a map's.
bool IsMap(int fd) {
  char target[64];
  const ssize_t length = readlink(("/proc/self/fd/" + std::to_string(fd)).c_str(), target, sizeof(target));
  return length > 0 && std::string_view(target, static_cast<size_t>(length)) == "anon_inode:bpf-map";
}

Failure CheckShape(int fd, const std::string& path) {
  if (!IsMap(fd)) return {EINVAL, "", kOption + ("\"" + path + "\" is no eBPF map")};
  bpf_map_info info;
  if (const int error = BpfMapInfo(fd, &info); error < 0)
    return SystemFailure(-error, "bpf", kOption + ("cannot inspect \"" + path + "\""));
  if (info.type == kType && info.key_size == kKeyBytes && info.value_size == kValueBytes) return {};
  const auto shape = [](uint32_t type, uint32_t key, uint32_t value) {
    return "type " + std::to_string(type) + " with keys of " + std::to_string(key) + " and values of " +
           std::to_string(value) + " bytes";
  };
  return {EINVAL, "",
          kOption + ("\"" + path + "\" is another map than the instrumentation's: of " +
                     shape(info.type, info.key_size, info.value_size) + ", not " +
                     shape(kType, kKeyBytes, kValueBytes) + " (LRU hash)")};
}

}  // namespace

Failure OpenSpanMap(const std::string& root, UniqueFd* out) {
  struct statfs mounted{};
  if (statfs(root.c_str(), &mounted) < 0)
    return SystemFailure(errno, "statfs", kOption + ("bpf_fs_root \"" + root + "\" cannot be used"));
  if (static_cast<uint32_t>(mounted.f_type) != BPF_FS_MAGIC)
    return {ENODEV, "", kOption + ("no BPF file system is mounted at bpf_fs_root \"" + root + "\"")};
  const std::string folder = root + (root.ends_with('/') ? "otel" : "/otel");
  const std::string path = folder + "/" OP_SPAN_MAP_NAME;
  int error = 0;
  for (int attempt = 0; attempt < kAttempts; attempt++) {
    if ((error = BpfOpenPinned(path, out)) == 0) return CheckShape(out->get(), path);
    if (error != -ENOENT) return Refused(-error, "bpf", "cannot open \"" + path + "\"");
    if (mkdir(folder.c_str(), 0700) < 0 && errno != EEXIST)
      return Refused(errno, "mkdir", "cannot make \"" + folder + "\"");
    UniqueFd made;
    if ((error = BpfCreateHash(kType, kKeyBytes, kValueBytes, OP_SPAN_MAP_ENTRIES, OP_SPAN_MAP_NAME, &made)) < 0)
      return Refused(-error, "bpf", "cannot create the map for \"" + path + "\"");
    if ((error = BpfPin(made.get(), path)) == 0) {
      *out = std::move(made);
      return {};
    }
    if (error != -EEXIST) break;
  }
  return Refused(-error, "bpf", "cannot pin \"" + path + "\"");
}

}  // namespace otelprof
