// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <bit>
#include <cstdint>

namespace otelprof {

/// What code is for: its registers, its call frame information, its stacks.
enum class Machine : uint8_t { X86_64, Aarch64 };

#if defined(__aarch64__)
constexpr Machine kNativeMachine = Machine::Aarch64;
#else
constexpr Machine kNativeMachine = Machine::X86_64;
#endif

/// The bits of a code address on this host. On aarch64 those above may hold an authentication code (PAC); how many
/// bits addresses have is the kernel's choice (39 to 48; more only for who asks for them), and the stack is at the top.
inline uint64_t CodeAddressMask() {
  if constexpr (kNativeMachine == Machine::X86_64) return ~uint64_t{0};
  const int onStack = 0;
  return (uint64_t{1} << std::bit_width(reinterpret_cast<uintptr_t>(&onStack))) - 1;
}

}  // namespace otelprof
