// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <linux/types.h>

#include <cstdint>
#include <cstring>
#include <optional>
#include <span>

#include "../bpf/counters.h"
#include "../bpf/profile.h"

namespace otelprof {

/// A sample of the ring (struct op_sample in native/bpf/profile.h) whose counts fit its bytes. Points into the record.
class SampleRecord {
 public:
  /// nullopt for another version, or where the stack that the head states is not there.
  static std::optional<SampleRecord> Decode(std::span<const uint8_t> record);

  /// The command name ends with a zero.
  const op_sample& head() const { return head_; }
  uint64_t kernelAddress(size_t i) const {
    uint64_t address;
    std::memcpy(&address, kernel_ + i * sizeof(address), sizeof(address));
    return address;
  }

  /// The walk ends where the frames do: what was to go on with it is not there. `error` is an op_counter.
  void EndEarly(uint32_t error) {
    head_.flags = static_cast<uint16_t>((head_.flags & ~OP_SAMPLE_RESUME) | OP_SAMPLE_ERROR);
    head_.error = error;
  }

  /// The user's slots, for ReadUserFrames.
  const uint8_t* slots() const { return user_; }
  /// head().label_count of op_label, for ReadLabels.
  const uint8_t* labels() const { return kernel_ + head_.kernel_count * sizeof(uint64_t); }

 private:
  op_sample head_;
  const uint8_t* user_;
  const uint8_t* kernel_;
};

}  // namespace otelprof
