// SPDX-License-Identifier: Apache-2.0
#include "bpf_feature.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <fcntl.h>
#include <linux/perf_event.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "bpf_syscall.h"
#include "elf_symbol.h"
#include "proc_fs.h"

namespace otelprof {
namespace {

constexpr uint32_t kOffCpuThreads = 8192;
constexpr const char* kShared[] = {"samples", "processes", "mappings", "tables", "counters", "comm_rules", "control",
                                   "runtimes", "seen_functions", OP_SPAN_MAP_NAME};

bool IsShared(std::string_view name) {
  return std::any_of(std::begin(kShared), std::end(kShared), [&](const char* shared) { return name == shared; });
}

/// The type of a dynamic perf event source; -1 when the kernel has none of that name.
int EventSourceType(const char* name) {
  const std::string text = ReadSmallFile(std::string("/sys/bus/event_source/devices/") + name + "/type", 32);
  return text.empty() ? -1 : atoi(text.c_str());
}

std::string NameOf(const ProbeOption& probe) {
  const std::string mode = std::string(probe.kernel ? "k" : "u") + (probe.atReturn ? "retprobe" : "probe");
  return mode + " on \"" + probe.symbol + "\"" + (probe.kernel ? "" : " of \"" + probe.target + "\"");
}

}  // namespace

void BpfFeature::ObjectCloser::operator()(bpf_object* object) const { bpf_object__close(object); }
void BpfFeature::LinkCloser::operator()(bpf_link* link) const { bpf_link__destroy(link); }

BpfFeature::~BpfFeature() { Detach(); }

void BpfFeature::Detach() {
  link_.reset();
  event_ = UniqueFd();
}

Failure BpfFeature::Load(const BpfSession& session, const Options& options, const char* file, const char* program,
                         const op_config& config) {
  const std::string path = options.bpfObjectDir + "/" + file;
  DECLARE_LIBBPF_OPTS(bpf_object_open_opts, openOptions);
#if defined(LIBBPF_MAJOR_VERSION) && LIBBPF_MAJOR_VERSION >= 1
  openOptions.kernel_log_level = options.verifierLogLevel;
#endif
  bpf_object* object = bpf_object__open_file(path.c_str(), &openOptions);
  if (const long error = libbpf_get_error(object))
    return SystemFailure(static_cast<int>(-error), "open", "cannot open the eBPF object \"" + path + "\"");
  object_.reset(object);
  bpf_program* each = nullptr;
  bpf_object__for_each_program(each, object)
      bpf_program__set_autoload(each, std::string_view(bpf_program__name(each)) == program);
  const uint32_t threads = kOffCpuThreads << options.mapScaleFactor;
  bpf_map* map = nullptr;
  bpf_object__for_each_map(map, object) {
    const std::string_view name = bpf_map__name(map);
    int error = 0;
    if (name.ends_with(".rodata")) error = bpf_map__set_initial_value(map, &config, sizeof(config));
    if (name == "off_cpu_threads") {
      error = bpf_map__set_max_entries(map, threads);
      mapBytes_ += uint64_t{threads} * (64 + 24);
    }
    if (name == "scratch") error = bpf_map__set_max_entries(map, BpfPossibleCpus());
    if (IsShared(name)) error = bpf_map__reuse_fd(map, session.MapFd(bpf_map__name(map)));
    if (error) return SystemFailure(-error, "bpf", "cannot configure the eBPF map " + std::string(name));
  }
  if (const int error = BpfLoadObject(object)) {
    Failure failure = SystemFailure(-error, "bpf", "cannot load the eBPF program \"" + std::string(program) + "\"");
    failure.message += "\n" + TakeBpfLog();
    return failure;
  }
  mapBytes_ += ScratchBytes(object);  // unwinding state of its own
  programFd_ = bpf_program__fd(bpf_object__find_program_by_name(object, program));
  return {};
}

std::unique_ptr<BpfFeature> BpfFeature::OpenOffCpu(const BpfSession& session, const Options& options,
                                                   Failure* failure) {
  op_config config = session.config();
  // A number of 2^32 equally likely ones is chosen when it is not above.
  const double chosen = std::clamp(options.offCpuProbability, 0.0, 1.0) * 4294967296.0;
  config.off_cpu_threshold = static_cast<uint32_t>(std::max(chosen - 1, 0.0));
  for (const char* program : {"off_cpu", "off_cpu_raw"}) {
    std::unique_ptr<BpfFeature> self(new BpfFeature());
    if ((*failure = self->Load(session, options, "offcpu.bpf.o", program, config))) continue;
    bpf_link* link = bpf_program__attach(bpf_object__find_program_by_name(self->object_.get(), program));
    if (const long error = libbpf_get_error(link)) {
      *failure = SystemFailure(static_cast<int>(-error), "bpf", "off_cpu_threshold: cannot attach to sched_switch");
      continue;
    }
    self->link_.reset(link);
    *failure = {};
    return self;
  }
  return nullptr;
}

std::unique_ptr<BpfFeature> BpfFeature::OpenProbe(const BpfSession& session, const Options& options,
                                                  const ProbeOption& probe, uint32_t index, Failure* failure) {
  const char* source = probe.kernel ? "kprobe" : "uprobe";
  const int type = EventSourceType(source);
  if (type < 0) {
    *failure = {ENOENT, "perf_event_open",
                "probes: " + NameOf(probe) + ": this kernel is built without " + source + "s (CONFIG_" +
                    (probe.kernel ? "KPROBES" : "UPROBES") + ")"};
    return nullptr;
  }
  perf_event_attr attr{};
  attr.size = sizeof(attr);
  attr.type = static_cast<uint32_t>(type);
  attr.config = probe.atReturn ? 1 : 0;  // format/retprobe: config:0
  if (probe.kernel) {
    attr.config1 = reinterpret_cast<uint64_t>(probe.symbol.c_str());
  } else {
    std::string error;
    const auto offset = OffsetOfFunction(probe.target, probe.symbol, &error);
    if (!offset) {
      *failure = {ENOENT, "", "probes: " + NameOf(probe) + ": " + error};
      return nullptr;
    }
    attr.config1 = reinterpret_cast<uint64_t>(probe.target.c_str());
    attr.config2 = *offset;
  }
  std::unique_ptr<BpfFeature> self(new BpfFeature());
  op_config config = session.config();
  config.probe = index;
  if ((*failure = self->Load(session, options, "probe.bpf.o", "probe", config))) return nullptr;
  // Of any process; the CPU is a formality, the probe fires on all.
  const long fd = syscall(__NR_perf_event_open, &attr, -1, static_cast<int>(OnlineCpus().front()), -1,
                          PERF_FLAG_FD_CLOEXEC);
  if (fd < 0) {
    *failure = SystemFailure(errno, "perf_event_open", "probes: cannot set the " + NameOf(probe));
    return nullptr;
  }
  self->event_ = UniqueFd(static_cast<int>(fd));
  if (ioctl(self->event_.get(), PERF_EVENT_IOC_SET_BPF, self->programFd_) < 0 ||
      ioctl(self->event_.get(), PERF_EVENT_IOC_ENABLE, 0) < 0) {
    *failure = SystemFailure(errno, "ioctl", "probes: cannot attach to the " + NameOf(probe));
    return nullptr;
  }
  return self;
}

bool BpfFeature::RunTime(uint64_t* ns, uint64_t* runs) const { return BpfProgramRunTime(programFd_, ns, runs); }

}  // namespace otelprof
