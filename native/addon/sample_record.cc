// SPDX-License-Identifier: Apache-2.0
#include "sample_record.h"

namespace otelprof {

std::optional<SampleRecord> SampleRecord::Decode(std::span<const uint8_t> record) {
  SampleRecord out;
  if (record.size() < sizeof(out.head_)) return std::nullopt;
  std::memcpy(&out.head_, record.data(), sizeof(out.head_));
  const uint64_t userBytes = uint64_t{out.head_.user_count} * sizeof(op_frame);
  const uint64_t kernelBytes = uint64_t{out.head_.kernel_count} * sizeof(uint64_t);
  const uint64_t labelBytes = uint64_t{out.head_.label_count} * sizeof(op_label);
  if (out.head_.version != OP_SAMPLE_VERSION ||
      sizeof(out.head_) + userBytes + kernelBytes + labelBytes > record.size())
    return std::nullopt;
  out.head_.comm[OP_COMM_LEN - 1] = '\0';
  out.user_ = record.data() + sizeof(out.head_);
  out.kernel_ = out.user_ + userBytes;
  return out;
}

}  // namespace otelprof
