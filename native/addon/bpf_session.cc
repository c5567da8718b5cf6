// SPDX-License-Identifier: Apache-2.0
#include "bpf_session.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/perf_event.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <mutex>

#include "bpf_syscall.h"
#include "proc_fs.h"
#include "process_filter.h"
#include "span_map.h"
#include "unwind/machine.h"

namespace otelprof {
namespace {

constexpr size_t kMaxLogBytes = 64 * 1024;
constexpr uint32_t kMinRingBytes = 2u << 20;
constexpr uint32_t kMaxRingBytes = 64u << 20;
// A usual record, and for how long the ring must take records when nobody drains it.
constexpr uint64_t kTypicalRecordBytes = 1024;
constexpr uint64_t kRingMilliseconds = 1000;
// Room for processes to come, and for the mappings of each: forked children share their parent's.
constexpr size_t kMinProcesses = 4096;
constexpr size_t kMaxProcesses = 65536;
constexpr uint32_t kMappingsPerProcess = 16;
// PID_MAX_LIMIT, and 640 MiB of mappings: what a scale of 8 may ask for on the largest hosts.
constexpr uint32_t kMaxPids = 1u << 22;
constexpr uint32_t kMaxMappings = 1u << 24;
// Context switches come in bursts that no rate bounds.
constexpr uint32_t kOffCpuRingBytes = 4u << 20;
// task_struct.stack spans this without KASAN, and at least a page; used only where bpf_task_pt_regs is unknown.
constexpr uint32_t kKernelStackBytes = 16384;
// PROC_PID_INIT_INO of the kernel.
constexpr ino_t kHostPidNamespace = 0xEFFFFFFC;
// Functions met (16384 words) and up to 2048 runtimes.
constexpr uint64_t kRuntimeMapBytes = 16384 * 8 + 2048 * (64 + sizeof(op_runtime));

std::mutex g_logMutex;
std::string g_log;

int KeepLog(libbpf_print_level level, const char* format, va_list args) {
  if (level == LIBBPF_DEBUG) return 0;
  char line[4096];
  const int length = vsnprintf(line, sizeof(line), format, args);
  if (length <= 0) return 0;
  const std::lock_guard lock(g_logMutex);
  g_log.append(line, std::min<size_t>(static_cast<size_t>(length), sizeof(line) - 1));
  if (g_log.size() > kMaxLogBytes) g_log.erase(0, g_log.size() - kMaxLogBytes);
  return 0;
}

bool EndsWith(std::string_view text, std::string_view tail) { return text.ends_with(tail); }

uint32_t RingBytesFor(size_t cpus, uint32_t samplesPerSecond) {
  const uint64_t wanted = cpus * samplesPerSecond * kTypicalRecordBytes * kRingMilliseconds / 1000;
  return std::bit_ceil(static_cast<uint32_t>(std::clamp<uint64_t>(wanted, kMinRingBytes, kMaxRingBytes)));
}

}  // namespace

std::string TakeBpfLog() {
  const std::lock_guard lock(g_logMutex);
  return std::exchange(g_log, {});
}

std::vector<uint32_t> OnlineCpus() {
  std::vector<uint32_t> out;
  FILE* file = fopen("/sys/devices/system/cpu/online", "re");
  if (!file) return {0};
  unsigned first = 0;
  while (fscanf(file, "%u", &first) == 1) {
    unsigned last = first;
    int separator = fgetc(file);
    if (separator == '-' && fscanf(file, "%u", &last) == 1) separator = fgetc(file);
    for (unsigned cpu = first; cpu <= last && out.size() < 8192; cpu++) out.push_back(cpu);
    if (separator != ',') break;
  }
  fclose(file);
  return out;
}

uint64_t ScratchBytes(const bpf_object* object) {
  const bpf_map* scratch = bpf_object__find_map_by_name(object, "scratch");
  return scratch ? uint64_t{bpf_map__value_size(scratch)} * bpf_map__max_entries(scratch) : 0;
}

void BpfSession::ObjectCloser::operator()(bpf_object* object) const { bpf_object__close(object); }
void BpfSession::RingCloser::operator()(ring_buffer* ring) const { ring_buffer__free(ring); }

BpfSession::~BpfSession() {
  Detach();
  ring_.reset();
  if (mappings_) munmap(mappings_, mappingBytes_);
}

std::unique_ptr<BpfSession> BpfSession::Load(const Options& options, SampleSink sink, Failure* failure) {
  std::unique_ptr<BpfSession> self(new BpfSession());
  self->sink_ = std::move(sink);
  libbpf_set_print(KeepLog);
  TakeBpfLog();

  // Kernels before 5.11 charge maps to this limit; later ones do not care, so a refusal is no error.
  const rlimit unlimited = {RLIM_INFINITY, RLIM_INFINITY};
  setrlimit(RLIMIT_MEMLOCK, &unlimited);

  const std::string path = options.bpfObjectDir + "/oncpu.bpf.o";
  DECLARE_LIBBPF_OPTS(bpf_object_open_opts, openOptions);
#if defined(LIBBPF_MAJOR_VERSION) && LIBBPF_MAJOR_VERSION >= 1
  openOptions.kernel_log_level = options.verifierLogLevel;
#endif
  bpf_object* object = bpf_object__open_file(path.c_str(), &openOptions);
  if (const long error = libbpf_get_error(object)) {
    *failure = SystemFailure(static_cast<int>(-error), "open", "cannot open the eBPF object \"" + path + "\"");
    return nullptr;
  }
  self->object_.reset(object);
  if (!options.spanMapRoot.empty() && (*failure = OpenSpanMap(options.spanMapRoot, &self->spanMap_))) return nullptr;
  if ((*failure = self->Configure(options))) return nullptr;
  if (const int error = BpfLoadObject(object)) {
    *failure = SystemFailure(-error, "bpf", "cannot load the eBPF programs (need CAP_BPF and CAP_PERFMON, or root)");
    failure->message += "\n" + TakeBpfLog();
    return nullptr;
  }
  if ((*failure = self->MapArrays())) return nullptr;
  if ((*failure = self->FillCommRules(options))) return nullptr;
  return self;
}

Failure BpfSession::Configure(const Options& options) {
  const size_t cpus = options.pinCpuIds.empty() ? OnlineCpus().size() : options.pinCpuIds.size();
  ringBytes_ = RingBytesFor(cpus, options.samplesPerSecond);
  if (options.offCpuProbability > 0) ringBytes_ = std::max(ringBytes_, kOffCpuRingBytes);
  taskPtRegs_ = BpfHasTaskPtRegs();
  const size_t running = ListProcesses().size();
  // The scale doubles what grows with the host, up to what a kernel can number.
  const uint32_t scale = options.mapScaleFactor;
  const uint32_t processes = std::min(
      std::bit_ceil(static_cast<uint32_t>(std::clamp<size_t>(running * 4, kMinProcesses, kMaxProcesses))) << scale,
      kMaxPids);
  const ProcessFilter filter(options.filter);

  op_config& config = config_;
  config.send_idle = options.sendIdleFrames;
  config.have_task_pt_regs = taskPtRegs_;
  config.ring_bytes = ringBytes_;
  config.kernel_stack_bytes = std::max(kKernelStackBytes, static_cast<uint32_t>(sysconf(_SC_PAGESIZE)));
  config.code_address_mask = CodeAddressMask();
  config.no_kernel_stacks = !options.kernelStacks;
  config.no_user_stacks = !options.userStacks;
  config.min_age_ns = options.minProcessAgeNs;
  config.filter_include = filter.include();
  config.filter_exclude = filter.exclude();
  config.filter_any_comm = filter.anyComm();
  config.span_contexts = spanMap_.get() >= 0;
  config.filter_comm = (filter.include() | filter.exclude()) != filter.anyComm();
  // Elsewhere than in the host's namespace /proc and the side-band speak of pids of our own, which are other
  // processes than those with the same numbers on the host.
  struct stat own{};
  const bool isKnown = stat("/proc/self/ns/pid", &own) == 0;
  if (options.pidNamespaceTranslation && !isKnown)
    return SystemFailure(errno, "stat", "pid_namespace_translation: cannot read \"/proc/self/ns/pid\"");
  if (isKnown && (options.pidNamespaceTranslation || own.st_ino != kHostPidNamespace))
    config.pid_namespace = static_cast<uint32_t>(own.st_ino);
  bpf_map* map = nullptr;
  bpf_object__for_each_map(map, object_.get()) {
    const std::string_view name = bpf_map__name(map);
    int error = 0;
    if (EndsWith(name, ".rodata")) error = bpf_map__set_initial_value(map, &config, sizeof(config));
    if (name == "samples") error = bpf_map__set_max_entries(map, ringBytes_);
    if (name == "scratch") error = bpf_map__set_max_entries(map, BpfPossibleCpus());
    if (name == "processes") error = bpf_map__set_max_entries(map, processes);
    if (name == "mappings") error = bpf_map__set_max_entries(map, std::min(processes * kMappingsPerProcess, kMaxMappings));
    if (name == "tables") error = bpf_map__set_max_entries(map, bpf_map__max_entries(map) << scale);
    // Last, for it takes the other map's name.
    if (name == OP_SPAN_MAP_NAME && spanMap_) error = bpf_map__reuse_fd(map, spanMap_.get());
    if (error) return SystemFailure(-error, "bpf", "cannot configure the eBPF map " + std::string(name));
  }
  return {};
}

int BpfSession::MapFd(const char* name) const {
  // Whoever made it may have given it another name.
  if (spanMap_ && std::string_view(name) == OP_SPAN_MAP_NAME) return spanMap_.get();
  return bpf_object__find_map_fd_by_name(object_.get(), name);
}

Failure BpfSession::FillCommRules(const Options& options) {
  const ProcessFilter filter(options.filter);
  for (const auto& rule : filter.rules()) {
    if (rule.comm.empty()) continue;
    char comm[OP_COMM_LEN] = {};
    rule.comm.copy(comm, sizeof(comm) - 1);
    const uint64_t bits = filter.RulesOfComm(rule.comm);
    if (const int error = BpfMapUpdate(MapFd("comm_rules"), comm, &bits); error < 0)
      return SystemFailure(-error, "bpf", "filter: cannot write the comm \"" + rule.comm + "\"");
  }
  return {};
}

Failure BpfSession::MapArrays() {
  const auto mapFd = [this](const char* name) { return MapFd(name); };
  samplesFd_ = mapFd("samples");
  processesFd_ = mapFd("processes");
  tablesFd_ = mapFd("tables");
  countersFd_ = mapFd("counters");
  runtimesFd_ = mapFd("runtimes");
  controlFd_ = mapFd("control");
  const bpf_map* mappings = bpf_object__find_map_by_name(object_.get(), "mappings");
  const bpf_program* program = bpf_object__find_program_by_name(object_.get(), "on_cpu");
  if (samplesFd_ < 0 || processesFd_ < 0 || tablesFd_ < 0 || countersFd_ < 0 || runtimesFd_ < 0 || controlFd_ < 0 ||
      !mappings || !program)
    return SystemFailure(ENOENT, "bpf", "the eBPF object is of another version than the addon");
  programFd_ = bpf_program__fd(program);

  mappingCount_ = bpf_map__max_entries(mappings);
  mappingBytes_ = mappingCount_ * sizeof(op_mapping);
  void* area = mmap(nullptr, mappingBytes_, PROT_READ | PROT_WRITE, MAP_SHARED, bpf_map__fd(mappings), 0);
  if (area == MAP_FAILED) return SystemFailure(errno, "mmap", "cannot map the eBPF mapping table");
  mappings_ = static_cast<op_mapping*>(area);

  ring_.reset(ring_buffer__new(samplesFd_, TakeRecord, this, nullptr));
  if (!ring_) return SystemFailure(errno, "mmap", "cannot map the eBPF ring buffer");
  // What the kernel accounts for these types, roughly: contents plus 64 bytes a hash element.
  const uint32_t processes = bpf_map__max_entries(bpf_object__find_map_by_name(object_.get(), "processes"));
  const uint32_t tables = bpf_map__max_entries(bpf_object__find_map_by_name(object_.get(), "tables"));
  mapBytes_ = mappingBytes_ + ringBytes_ + processes * (64 + sizeof(op_process)) + tables * 80 +
              ScratchBytes(object_.get()) + BpfPossibleCpus() * OP_COUNT_MAX * 8 + kRuntimeMapBytes;
  return {};
}

Failure BpfSession::Attach(std::span<const uint32_t> cpus, uint32_t samplesPerSecond) {
  perf_event_attr attr{};
  attr.size = sizeof(attr);
  attr.type = PERF_TYPE_SOFTWARE;
  attr.config = PERF_COUNT_SW_CPU_CLOCK;
  attr.freq = 1;
  attr.sample_freq = samplesPerSecond;
  attr.disabled = 1;
  for (const uint32_t cpu : cpus) {
    const long fd = syscall(__NR_perf_event_open, &attr, -1, static_cast<int>(cpu), -1, PERF_FLAG_FD_CLOEXEC);
    if (fd < 0) {
      if (errno == ENODEV && cpus.size() > 1) continue;  // taken offline since we looked
      return SystemFailure(errno, "perf_event_open",
                           "cannot sample CPU " + std::to_string(cpu) + " (need CAP_PERFMON or root)");
    }
    UniqueFd event(static_cast<int>(fd));
    if (ioctl(event.get(), PERF_EVENT_IOC_SET_BPF, programFd_) < 0)
      return SystemFailure(errno, "ioctl", "cannot attach the eBPF program to CPU " + std::to_string(cpu));
    if (ioctl(event.get(), PERF_EVENT_IOC_ENABLE, 0) < 0)
      return SystemFailure(errno, "ioctl", "cannot enable sampling on CPU " + std::to_string(cpu));
    events_.push_back(std::move(event));
  }
  return events_.empty() ? SystemFailure(ENODEV, "perf_event_open", "no CPU to sample") : Failure{};
}

void BpfSession::SetSampling(bool on) {
  const std::lock_guard lock(eventsMutex_);
  for (const auto& event : events_) ioctl(event.get(), on ? PERF_EVENT_IOC_ENABLE : PERF_EVENT_IOC_DISABLE, 0);
}

void BpfSession::SetFraction(double fraction) {
  const uint32_t zero = 0;
  op_control control{};
  control.thin = static_cast<uint32_t>((1 - std::clamp(fraction, 0.0, 1.0)) * UINT32_MAX);
  BpfMapUpdate(controlFd_, &zero, &control);
}

void BpfSession::Detach() {
  const std::lock_guard lock(eventsMutex_);
  events_.clear();
}

int BpfSession::TakeRecord(void* session, void* data, size_t size) {
  auto* self = static_cast<BpfSession*>(session);
  self->sink_({static_cast<const uint8_t*>(data), size});
  self->drainedBytes_ += size;
  return self->drainedBytes_ < self->ringBytes_ ? 0 : -EAGAIN;  // this record is taken either way
}

bool BpfSession::Drain() {
  drainedBytes_ = 0;
  const int records = ring_buffer__consume(ring_.get());
  return records > 0 || records == -EAGAIN;
}

int BpfSession::SetProcess(const op_process& process) { return BpfMapUpdate(processesFd_, &process.tgid, &process); }

int BpfSession::DeleteProcess(uint32_t tgid) { return BpfMapDelete(processesFd_, &tgid); }

int BpfSession::MakeTable(const UnwindTable& table, UniqueFd* out) {
  const uint32_t count = static_cast<uint32_t>(table.entries.size());
  if (const int error = BpfCreateInnerArray(sizeof(op_row), count, out); error < 0) return error;
  const auto* bytes = reinterpret_cast<const uint8_t*>(table.entries.data());
  return BpfArrayFill(out->get(), std::span(bytes, table.sizeBytes()));
}

size_t BpfSession::AddTables(std::span<const std::pair<uint32_t, int>> tables) {
  std::vector<uint32_t> keys;
  std::vector<int> values;
  for (const auto& [file, fd] : tables) {
    keys.push_back(file);
    values.push_back(fd);
  }
  return BpfMapFill(tablesFd_, keys.data(), values.data(), sizeof(int), static_cast<uint32_t>(keys.size()));
}

int BpfSession::RemoveTable(uint32_t file) { return BpfMapDelete(tablesFd_, &file); }

int BpfSession::SetRuntime(uint32_t file, const op_runtime& runtime) {
  return BpfMapUpdate(runtimesFd_, &file, &runtime);
}

int BpfSession::RemoveRuntime(uint32_t file) { return BpfMapDelete(runtimesFd_, &file); }

Counters BpfSession::ReadCounters() const {
  Counters out{};
  const unsigned cpus = BpfPossibleCpus();
  std::vector<uint64_t> values(cpus);
  for (uint32_t i = 0; i < OP_COUNT_MAX; i++) {
    if (BpfMapLookup(countersFd_, &i, values.data()) < 0) continue;
    for (const uint64_t value : values) out[i] += value;
  }
  return out;
}

bool BpfSession::RunTime(uint64_t* ns, uint64_t* runs) const { return BpfProgramRunTime(programFd_, ns, runs); }

}  // namespace otelprof
