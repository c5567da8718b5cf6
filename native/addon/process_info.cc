// SPDX-License-Identifier: Apache-2.0
#include "process_info.h"

#include <atomic>

#include "proc_fs.h"

namespace otelprof {
namespace {

std::atomic<uint32_t> g_nextSerial{1};

std::string BaseName(const std::string& path) {
  const size_t slash = path.rfind('/');
  return slash == std::string::npos ? path : path.substr(slash + 1);
}

}  // namespace

std::shared_ptr<ProcessInfo> ReadProcessInfo(int pid, const std::vector<std::string>& environmentNames,
                                             const std::string& fallbackName) {
  constexpr std::string_view kDeleted = " (deleted)";
  auto info = std::make_shared<ProcessInfo>();
  const std::string proc = "/proc/" + std::to_string(pid);
  info->serial = g_nextSerial++;
  info->pid = pid;
  info->startNs = ReadProcStat(pid).startNs;
  info->path = ReadLink(proc + "/exe");
  if (info->path.empty()) info->path = ReadLink(ProcFolder(pid) + "/exe");
  if (info->path.ends_with(kDeleted)) info->path.resize(info->path.size() - kDeleted.size());
  info->name = BaseName(info->path);
  if (info->name.empty()) info->name = fallbackName;
  if (info->name.empty()) {
    info->name = ReadSmallFile(proc + "/comm", 64);
    if (info->name.ends_with('\n')) info->name.pop_back();
  }
  SetCgroup(info.get(), ReadSmallFile(proc + "/cgroup", kMaxCgroupBytes));
  info->environment = ReadEnvironment(pid, environmentNames);
  return info;
}

void SetCgroup(ProcessInfo* info, const std::string& text) {
  info->containerId = ContainerIdFromCgroup(text);
  info->cgroup = PathOfCgroup(text);
}

std::shared_ptr<ProcessInfo> ForkedProcessInfo(const ProcessInfo& parent, int pid, uint64_t startNs) {
  auto info = std::make_shared<ProcessInfo>();
  info->serial = g_nextSerial++;
  info->pid = pid;
  info->startNs = startNs;
  info->path = parent.path;
  info->name = parent.name;
  info->containerId = parent.containerId;
  info->cgroup = parent.cgroup;
  info->environment = parent.environment;
  return info;
}

}  // namespace otelprof
