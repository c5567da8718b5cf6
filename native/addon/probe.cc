// SPDX-License-Identifier: Apache-2.0
#include "probe.h"

#include <linux/capability.h>
#include <linux/perf_event.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "bpf_syscall.h"
#include "failure.h"
#include "proc_fs.h"

namespace otelprof {
namespace {

using Facts = std::vector<std::pair<std::string, ProbeValue>>;

constexpr const char* kCapabilityNames[] = {
    "CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_DAC_READ_SEARCH", "CAP_FOWNER", "CAP_FSETID", "CAP_KILL", "CAP_SETGID",
    "CAP_SETUID", "CAP_SETPCAP", "CAP_LINUX_IMMUTABLE", "CAP_NET_BIND_SERVICE", "CAP_NET_BROADCAST",
    "CAP_NET_ADMIN", "CAP_NET_RAW", "CAP_IPC_LOCK", "CAP_IPC_OWNER", "CAP_SYS_MODULE", "CAP_SYS_RAWIO",
    "CAP_SYS_CHROOT", "CAP_SYS_PTRACE", "CAP_SYS_PACCT", "CAP_SYS_ADMIN", "CAP_SYS_BOOT", "CAP_SYS_NICE",
    "CAP_SYS_RESOURCE", "CAP_SYS_TIME", "CAP_SYS_TTY_CONFIG", "CAP_MKNOD", "CAP_LEASE", "CAP_AUDIT_WRITE",
    "CAP_AUDIT_CONTROL", "CAP_SETFCAP", "CAP_MAC_OVERRIDE", "CAP_MAC_ADMIN", "CAP_SYSLOG", "CAP_WAKE_ALARM",
    "CAP_BLOCK_SUSPEND", "CAP_AUDIT_READ", "CAP_PERFMON", "CAP_BPF", "CAP_CHECKPOINT_RESTORE"};

std::string Trimmed(std::string text) {
  while (!text.empty() && (text.back() == '\n' || text.back() == ' ')) text.pop_back();
  return text;
}

void AddSysctl(Facts* facts, const char* name, const char* path) {
  const std::string text = Trimmed(ReadSmallFile(path, 64));
  if (!text.empty()) facts->emplace_back(name, strtod(text.c_str(), nullptr));
}

std::vector<std::string> EffectiveCapabilities() {
  std::vector<std::string> out;
  __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct data[2] = {};
  if (syscall(SYS_capget, &header, data) != 0) return out;
  for (unsigned i = 0; i < std::size(kCapabilityNames); i++)
    if (data[i / 32].effective & (1u << (i % 32))) out.emplace_back(kCapabilityNames[i]);
  return out;
}

void ProbeBpf(Facts* facts) {
  const bpf_insn nothing[] = {{BPF_ALU64 | BPF_MOV | BPF_K, BPF_REG_0, 0, 0, 0}, {BPF_JMP | BPF_EXIT, 0, 0, 0, 0}};
  errno = 0;
  const bool loads = BpfProgramLoads(nothing);
  facts->emplace_back("bpf", loads);
  if (!loads) facts->emplace_back("bpfError", ErrnoName(errno));
  facts->emplace_back("bpfLoop", BpfHasLoop());
  facts->emplace_back("taskPtRegs", BpfHasTaskPtRegs());
}

void ProbePerf(Facts* facts) {
  const auto attempt = [&](const char* name, int pid, int cpu, bool excludeKernel) {
    perf_event_attr attr{};
    attr.size = sizeof(attr);
    attr.type = PERF_TYPE_SOFTWARE;
    attr.config = PERF_COUNT_SW_CPU_CLOCK;
    attr.sample_period = 1000000;
    attr.disabled = 1;
    attr.exclude_kernel = excludeKernel;
    const UniqueFd fd(static_cast<int>(syscall(__NR_perf_event_open, &attr, pid, cpu, -1, PERF_FLAG_FD_CLOEXEC)));
    const int error = errno;
    facts->emplace_back(name, static_cast<bool>(fd));
    if (!fd) facts->emplace_back(std::string(name) + "Error", ErrnoName(error));
  };
  attempt("perfEventSystemWide", -1, 0, false);
  attempt("perfEventOwn", 0, -1, true);
}

/// "none", "v1", "v2" or "hybrid".
std::string CgroupMode() {
  constexpr long kCgroup2Magic = 0x63677270;
  struct statfs info;
  if (statfs("/sys/fs/cgroup", &info) != 0) return "none";
  if (info.f_type == kCgroup2Magic) return "v2";
  if (statfs("/sys/fs/cgroup/unified", &info) == 0 && info.f_type == kCgroup2Magic) return "hybrid";
  const std::string own = ReadSmallFile("/proc/self/cgroup", 65536);
  if (own.empty()) return "none";
  const bool unified = own.starts_with("0::") || own.find("\n0::") != std::string::npos;
  const bool v1 = own.find(":/") != std::string::npos && !own.starts_with("0::");
  return unified && v1 ? "hybrid" : unified ? "v2" : "v1";
}

/// The bracketed word of "none [integrity] confidentiality"; "none" where there is no lockdown.
std::string Lockdown() {
  const std::string text = ReadSmallFile("/sys/kernel/security/lockdown", 128);
  const size_t open = text.find('['), close = text.find(']');
  return open == std::string::npos || close == std::string::npos ? "none" : text.substr(open + 1, close - open - 1);
}

bool KallsymsHasAddresses() {
  const std::string text = ReadSmallFile("/proc/kallsyms", 65536);
  for (size_t at = 0; at + 16 < text.size();) {
    if (strtoull(text.c_str() + at, nullptr, 16) != 0) return true;
    at = text.find('\n', at);
    if (at == std::string::npos) break;
    at++;
  }
  return false;
}

bool TracefsMounted() {
  return access("/sys/kernel/tracing/events", R_OK) == 0 || access("/sys/kernel/debug/tracing/events", R_OK) == 0;
}

}  // namespace

std::vector<std::pair<std::string, ProbeValue>> ProbeHost() {
  Facts facts;
  utsname name{};
  uname(&name);
  facts.emplace_back("kernelRelease", std::string(name.release));
  facts.emplace_back("machine", std::string(name.machine));
  facts.emplace_back("btf", access("/sys/kernel/btf/vmlinux", R_OK) == 0);
  facts.emplace_back("capabilities", EffectiveCapabilities());
  ProbeBpf(&facts);
  ProbePerf(&facts);
  AddSysctl(&facts, "perfEventParanoid", "/proc/sys/kernel/perf_event_paranoid");
  AddSysctl(&facts, "perfEventMlockKb", "/proc/sys/kernel/perf_event_mlock_kb");
  AddSysctl(&facts, "perfEventMaxStack", "/proc/sys/kernel/perf_event_max_stack");
  AddSysctl(&facts, "unprivilegedBpfDisabled", "/proc/sys/kernel/unprivileged_bpf_disabled");
  AddSysctl(&facts, "kptrRestrict", "/proc/sys/kernel/kptr_restrict");
  facts.emplace_back("kallsyms", KallsymsHasAddresses());
  facts.emplace_back("tracefs", TracefsMounted());
  facts.emplace_back("lockdown", Lockdown());
  facts.emplace_back("cgroupMode", CgroupMode());
  return facts;
}

}  // namespace otelprof
