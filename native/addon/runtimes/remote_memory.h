// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace otelprof {

/// Reads another process's memory, at most `budgetBytes` in the object's life. What is read may change at any
/// moment and may be anything. Virtual, so that tests put recorded memory in its place.
class RemoteMemory {
 public:
  RemoteMemory(int pid, size_t budgetBytes) : pid_(pid), budget_(budgetBytes) {}
  virtual ~RemoteMemory() = default;

  /// All of `out` or nothing.
  bool Read(uint64_t address, std::span<uint8_t> out);
  template <typename T>
  bool Read(uint64_t address, T* out) {
    return Read(address, {reinterpret_cast<uint8_t*>(out), sizeof(T)});
  }
  bool isExhausted() const { return exhausted_; }

 protected:
  virtual bool ReadRaw(uint64_t address, std::span<uint8_t> out);

 private:
  const int pid_;
  size_t budget_;
  bool exhausted_ = false;
};

}  // namespace otelprof
