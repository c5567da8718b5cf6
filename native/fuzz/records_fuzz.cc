// SPDX-License-Identifier: Apache-2.0
// Input: what to make of it (a byte), then a record of the sample ring, or records of a perf ring as the kernel
// writes them one behind the other.
#include <linux/perf_event.h>

#include "fuzz.h"
#include "sample_record.h"
#include "sideband.h"
#include "user_frames.h"

using namespace otelprof;
using namespace otelprof::fuzz;

namespace {

void ReadSample(std::span<const uint8_t> bytes) {
  // A copy of its own, so that one byte too far is seen.
  const std::vector<uint8_t> copy(bytes.begin(), bytes.end());
  const auto record = SampleRecord::Decode(copy);
  if (!record) return;
  const op_sample& head = record->head();
  FUZZ_CHECK(strnlen(head.comm, sizeof(head.comm)) < sizeof(head.comm));
  uint64_t sum = 0;
  for (uint32_t i = 0; i < head.kernel_count; i++) sum += record->kernelAddress(i);
  std::vector<UserFrame> frames;
  ReadUserFrames(head, record->slots(), &frames);
  size_t slots = 0;
  for (const auto& [frame, detail] : frames) {
    FUZZ_CHECK((frame.kind >= OP_FRAME_RUNTIME) == (detail != nullptr));
    sum += frame.addr + (detail ? detail[sizeof(op_frame_detail) - 1] : 0);
    slots += frame.kind == OP_FRAME_CUT ? 0 : detail ? 2 : 1;
  }
  // A ring of pairs wastes a slot on each native frame, and no slot is read twice.
  FUZZ_CHECK(slots <= head.user_count);
  sum += HasTrace(head.span) + head.span.span_id[sizeof(head.span.span_id) - 1];
  for (const auto& [key, value] : ReadLabels(head, record->labels())) sum += key.size() + value.size();
  asm volatile("" : : "r"(sum));  // or the reads would be optimized away
}

void ReadSideband(std::span<const uint8_t> bytes) {
  uint64_t lost = 0;
  while (bytes.size() >= sizeof(perf_event_header)) {
    perf_event_header header;
    std::memcpy(&header, bytes.data(), sizeof(header));
    // PerfRing hands on nothing smaller than a header or larger than what is there.
    if (header.size < sizeof(header) || header.size > bytes.size()) return;
    std::vector<uint64_t> copy((header.size + 7) / 8);
    std::memcpy(copy.data(), bytes.data(), header.size);
    SidebandEvent event;
    if (DecodeSideband(reinterpret_cast<const perf_event_header*>(copy.data()), &event, &lost))
      FUZZ_CHECK(event.text.size() <= header.size);
    bytes = bytes.subspan(header.size);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  Input in(data, size);
  if (in.Take<uint8_t>() & 1)
    ReadSideband(in.Rest());
  else
    ReadSample(in.Rest());
  return 0;
}
