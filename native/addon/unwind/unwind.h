// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "machine.h"
#include "table.h"

namespace otelprof {

/// The kernel program's unwinder (native/bpf/unwind.bpf.h) over a copy of the stack: same tables, same
/// steps, same errors, but for functions whose return is probed, which only the kernel knows. Used where eBPF
/// may not be loaded, and by tests.

struct UnwindMapping {
  uint64_t start = 0;
  uint64_t end = 0;
  uint64_t bias = 0;
  uint32_t file = 0;                   // 0: executable memory without a file
  const UnwindTable* table = nullptr;  // nullptr: none loaded (yet)
};

struct UnwindRegisters {
  uint64_t ip = 0;
  uint64_t sp = 0;
  uint64_t fp = 0;
  uint64_t lr = 0;  // aarch64: where a function that has not saved it returns to
  // Where a walk that was begun elsewhere goes on:
  bool returnAddress = false;
  bool viaFp = false;  // ip was found by a frame-pointer step
  int stackSwitches = 0;
  bool called = false;     // aarch64: lr is not the frame's
  bool guessedSp = false;  // aarch64: sp is lower than the frame's
  int depth = 0;  // frames found before
};

struct UnwindResult {
  uint8_t flags = 0;   // enum op_sample_flag
  uint32_t error = 0;  // enum op_counter, 0 = none
};

/// False when no mapping covers pc.
using MappingLookup = std::function<bool(uint64_t pc, UnwindMapping* out)>;

/// Appends the frames, leaf first. `stack` holds the memory from registers.sp upwards; what lies outside
/// cannot be read. `codeMask`: see CodeAddressMask.
UnwindResult UnwindStack(UnwindRegisters registers, std::span<const uint8_t> stack, const MappingLookup& lookup,
                         std::vector<op_frame>* frames, Machine machine = kNativeMachine,
                         uint64_t codeMask = CodeAddressMask());

}  // namespace otelprof
