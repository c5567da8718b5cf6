// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <linux/bpf.h>

#include <cstdint>
#include <span>
#include <string>

#include "unique_fd.h"

struct bpf_object;

namespace otelprof {

/// bpf(2) itself: libbpf 0.5 lacks wrappers for some of it and has others under changed names.
/// All return 0 (or a valid descriptor), or a negative errno.
int BpfMapUpdate(int map, const void* key, const void* value, uint64_t flags = 0);
int BpfMapDelete(int map, const void* key);
int BpfMapLookup(int map, const void* key, void* value);
/// Writes the elements of an array made by BpfCreateInnerArray, from key 0; their size is a multiple of 8.
int BpfArrayFill(int map, std::span<const uint8_t> values);
/// Writes elements under u32 keys; returns how many of the first ones were written.
uint32_t BpfMapFill(int map, const uint32_t* keys, const void* values, uint32_t valueSize, uint32_t count);
/// An array with BPF_F_INNER_MAP, so that sizes may differ within one outer map, and BPF_F_MMAPABLE.
int BpfCreateInnerArray(uint32_t valueSize, uint32_t entries, UniqueFd* out);
int BpfCreateHash(uint32_t type, uint32_t keySize, uint32_t valueSize, uint32_t entries, const char* name, UniqueFd* out);
/// Gives a map a path in a BPF file system; -EEXIST where there is something.
int BpfPin(int fd, const std::string& path);
/// Whatever is pinned there, which may be no map.
int BpfOpenPinned(const std::string& path, UniqueFd* out);
int BpfMapInfo(int map, bpf_map_info* out);
/// True if the kernel's verifier takes a perf_event program of these instructions.
bool BpfProgramLoads(std::span<const bpf_insn> program);
/// A perf_event program that calls `helper` with no arguments that matter.
bool BpfHasTaskPtRegs();
bool BpfHasLoop();
/// bpf_object__load without signals for the calling thread: the verifier gives up with EAGAIN where one waits, and a
/// profiler of V8 sends one every few hundred microseconds.
int BpfLoadObject(bpf_object* object);
/// Possible CPUs, the element count of per-CPU map values.
unsigned BpfPossibleCpus();
/// Run time and run count of a program; false if the kernel does not tell.
bool BpfProgramRunTime(int program, uint64_t* ns, uint64_t* runs);

}  // namespace otelprof
