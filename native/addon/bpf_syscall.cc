// SPDX-License-Identifier: Apache-2.0
#include "bpf_syscall.h"

#include <bpf/libbpf.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <string_view>
#include <vector>

namespace otelprof {
namespace {

int Bpf(int command, bpf_attr& attr) {
  const long result = syscall(__NR_bpf, command, &attr, sizeof(attr));
  return result < 0 ? -errno : static_cast<int>(result);
}

uint64_t Pointer(const void* p) { return reinterpret_cast<uint64_t>(p); }

bpf_attr Zeroed() {
  bpf_attr attr;
  std::memset(&attr, 0, sizeof(attr));
  return attr;
}

constexpr bpf_insn Call(int helper) { return {BPF_JMP | BPF_CALL, 0, 0, 0, helper}; }
constexpr bpf_insn Move(uint8_t to, int32_t value) {
  return {BPF_ALU64 | BPF_MOV | BPF_K, static_cast<uint8_t>(to & 15), 0, 0, value};
}
constexpr bpf_insn kReturn = {BPF_JMP | BPF_EXIT, 0, 0, 0, 0};

}  // namespace

int BpfMapUpdate(int map, const void* key, const void* value, uint64_t flags) {
  bpf_attr attr = Zeroed();
  attr.map_fd = static_cast<uint32_t>(map);
  attr.key = Pointer(key);
  attr.value = Pointer(value);
  attr.flags = flags;
  return Bpf(BPF_MAP_UPDATE_ELEM, attr);
}

int BpfMapDelete(int map, const void* key) {
  bpf_attr attr = Zeroed();
  attr.map_fd = static_cast<uint32_t>(map);
  attr.key = Pointer(key);
  return Bpf(BPF_MAP_DELETE_ELEM, attr);
}

int BpfMapLookup(int map, const void* key, void* value) {
  bpf_attr attr = Zeroed();
  attr.map_fd = static_cast<uint32_t>(map);
  attr.key = Pointer(key);
  attr.value = Pointer(value);
  return Bpf(BPF_MAP_LOOKUP_ELEM, attr);
}

uint32_t BpfMapFill(int map, const uint32_t* keys, const void* values, uint32_t valueSize, uint32_t count) {
  bpf_attr attr = Zeroed();
  attr.batch.map_fd = static_cast<uint32_t>(map);
  attr.batch.keys = Pointer(keys);
  attr.batch.values = Pointer(values);
  attr.batch.count = count;
  if (Bpf(BPF_MAP_UPDATE_BATCH, attr) == 0) return count;
  // This map type, or this kernel, has no batches (or an element was refused): one by one.
  const auto* bytes = static_cast<const uint8_t*>(values);
  for (uint32_t i = 0; i < count; i++)
    if (BpfMapUpdate(map, &keys[i], bytes + size_t{i} * valueSize) < 0) return i;
  return count;
}

int BpfArrayFill(int map, std::span<const uint8_t> values) {
  // Plain stores: a batched update copies key by key and costs more than making the values did.
  void* area = mmap(nullptr, values.size(), PROT_READ | PROT_WRITE, MAP_SHARED, map, 0);
  if (area == MAP_FAILED) return -errno;
  std::memcpy(area, values.data(), values.size());
  munmap(area, values.size());
  return 0;
}

int BpfCreateInnerArray(uint32_t valueSize, uint32_t entries, UniqueFd* out) {
  bpf_attr attr = Zeroed();
  attr.map_type = BPF_MAP_TYPE_ARRAY;
  attr.key_size = sizeof(uint32_t);
  attr.value_size = valueSize;
  attr.max_entries = entries;
  attr.map_flags = BPF_F_INNER_MAP | BPF_F_MMAPABLE;
  const int fd = Bpf(BPF_MAP_CREATE, attr);
  if (fd < 0) return fd;
  *out = UniqueFd(fd);
  return 0;
}

int BpfCreateHash(uint32_t type, uint32_t keySize, uint32_t valueSize, uint32_t entries, const char* name, UniqueFd* out) {
  bpf_attr attr = Zeroed();
  attr.map_type = type;
  attr.key_size = keySize;
  attr.value_size = valueSize;
  attr.max_entries = entries;
  std::strncpy(attr.map_name, name, sizeof(attr.map_name) - 1);
  const int fd = Bpf(BPF_MAP_CREATE, attr);
  if (fd < 0) return fd;
  *out = UniqueFd(fd);
  return 0;
}

int BpfPin(int fd, const std::string& path) {
  bpf_attr attr = Zeroed();
  attr.pathname = Pointer(path.c_str());
  attr.bpf_fd = static_cast<uint32_t>(fd);
  return Bpf(BPF_OBJ_PIN, attr);
}

int BpfOpenPinned(const std::string& path, UniqueFd* out) {
  bpf_attr attr = Zeroed();
  attr.pathname = Pointer(path.c_str());
  const int fd = Bpf(BPF_OBJ_GET, attr);
  if (fd < 0) return fd;
  *out = UniqueFd(fd);
  return 0;
}

int BpfMapInfo(int map, bpf_map_info* out) {
  std::memset(out, 0, sizeof(*out));
  bpf_attr attr = Zeroed();
  attr.info.bpf_fd = static_cast<uint32_t>(map);
  attr.info.info_len = sizeof(*out);
  attr.info.info = Pointer(out);
  return Bpf(BPF_OBJ_GET_INFO_BY_FD, attr);
}

bool BpfProgramLoads(std::span<const bpf_insn> program) {
  bpf_attr attr = Zeroed();
  attr.prog_type = BPF_PROG_TYPE_PERF_EVENT;
  attr.insns = Pointer(program.data());
  attr.insn_cnt = static_cast<uint32_t>(program.size());
  attr.license = Pointer("Dual BSD/GPL");
  const int fd = Bpf(BPF_PROG_LOAD, attr);
  if (fd < 0) return false;
  close(fd);
  return true;
}

bool BpfHasTaskPtRegs() {
  const bpf_insn program[] = {
      Call(BPF_FUNC_get_current_task_btf),
      {BPF_ALU64 | BPF_MOV | BPF_X, BPF_REG_1, BPF_REG_0, 0, 0},
      Call(BPF_FUNC_task_pt_regs),
      Move(BPF_REG_0, 0),
      kReturn,
  };
  return BpfProgramLoads(program);
}

bool BpfHasLoop() {
  // A real call needs BTF for its callback. A helper the kernel knows is refused for its arguments, one it
  // does not know by number.
  const bpf_insn program[] = {Call(BPF_FUNC_loop), Move(BPF_REG_0, 0), kReturn};
  char log[4096] = {};
  bpf_attr attr = Zeroed();
  attr.prog_type = BPF_PROG_TYPE_PERF_EVENT;
  attr.insns = Pointer(program);
  attr.insn_cnt = std::size(program);
  attr.license = Pointer("Dual BSD/GPL");
  attr.log_buf = Pointer(log);
  attr.log_size = sizeof(log);
  attr.log_level = 1;
  const int fd = Bpf(BPF_PROG_LOAD, attr);
  if (fd >= 0) close(fd);
  const std::string_view said(log);
  return !said.empty() && said.find("unknown func") == said.npos && said.find("invalid func") == said.npos;
}

int BpfLoadObject(bpf_object* object) {
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  const int error = bpf_object__load(object);
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  return error;
}

unsigned BpfPossibleCpus() {
  // "0-63" or "0,2-3": the highest number decides.
  unsigned highest = 0;
  if (FILE* file = fopen("/sys/devices/system/cpu/possible", "re")) {
    unsigned value = 0;
    while (fscanf(file, "%u%*[-,]", &value) == 1) highest = std::max(highest, value);
    fclose(file);
  }
  return highest + 1;
}

bool BpfProgramRunTime(int program, uint64_t* ns, uint64_t* runs) {
  bpf_prog_info info;
  std::memset(&info, 0, sizeof(info));
  bpf_attr attr = Zeroed();
  attr.info.bpf_fd = static_cast<uint32_t>(program);
  attr.info.info_len = sizeof(info);
  attr.info.info = Pointer(&info);
  if (Bpf(BPF_OBJ_GET_INFO_BY_FD, attr) < 0) return false;
  *ns = info.run_time_ns;
  *runs = info.run_cnt;
  return true;
}

}  // namespace otelprof
