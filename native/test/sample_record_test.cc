// SPDX-License-Identifier: Apache-2.0
#include "sample_record.h"

#include <vector>

#include "sample_window.h"
#include "test_macros.h"
#include "user_frames.h"

using namespace otelprof;

namespace {

op_span_context Span(uint8_t trace, uint8_t span) {
  op_span_context out{};
  out.trace_id[15] = trace;
  out.span_id[0] = span;
  return out;
}

std::vector<uint8_t> Record(uint8_t version) {
  op_sample head{};
  head.version = version;
  head.kernel_count = 1;
  head.span = Span(7, 9);
  std::vector<uint8_t> out(sizeof(head) + sizeof(uint64_t), 0xee);
  std::memcpy(out.data(), &head, sizeof(head));
  return out;
}

void TheSpanIsOfTheHead() {
  const auto bytes = Record(OP_SAMPLE_VERSION);
  const auto record = SampleRecord::Decode(bytes);
  CHECK(record.has_value());
  if (!record) return;
  CHECK_EQ(record->head().span.trace_id[15], 7);
  CHECK_EQ(record->head().span.span_id[0], 9);
  CHECK(HasTrace(record->head().span));
  CHECK_EQ(record->kernelAddress(0), 0xeeeeeeeeeeeeeeeeu);
}

void AnotherVersionOrACutRecordIsRefused() {
  CHECK(!SampleRecord::Decode(Record(OP_SAMPLE_VERSION - 1)));
  const auto bytes = Record(OP_SAMPLE_VERSION);
  for (size_t size = 0; size < bytes.size(); size++) CHECK(!SampleRecord::Decode(std::span(bytes).first(size)));
}

void SpansAreRowsOnce() {
  SampleWindow window(0);
  CHECK_EQ(window.SpanIndex({}), 0u);
  CHECK_EQ(window.SpanIndex(Span(0, 5)), 0u);  // no trace, no span
  CHECK_EQ(window.SpanIndex(Span(1, 5)), 1u);
  CHECK_EQ(window.SpanIndex(Span(1, 6)), 2u);
  CHECK_EQ(window.SpanIndex(Span(1, 5)), 1u);
  CHECK_EQ(window.SpanIndex(Span(2, 0)), 3u);
  const auto& rows = window.spans();
  CHECK_EQ(rows.size(), 4 * sizeof(op_span_context));
  const auto second = Span(1, 6);
  CHECK(std::memcmp(&rows[2 * sizeof(second)], &second, sizeof(second)) == 0);
}

void SamplesOfTwoSpansAreTwo() {
  SampleWindow window(0);
  SampleWindow::Sample sample{};
  sample.span = window.SpanIndex(Span(1, 1));
  CHECK(window.Add(sample, {}, 1, 0));
  CHECK(window.Add(sample, {}, 2, 0));
  sample.span = window.SpanIndex(Span(1, 2));
  CHECK(window.Add(sample, {}, 3, 0));
  CHECK_EQ(window.samples().size(), 2u);
  CHECK_EQ(window.events().size(), 3u);
}

void AWindowHoldsSoManySpans() {
  SampleWindow window(0);
  uint32_t kept = 0;
  for (uint32_t i = 1; i <= 70'000; i++) {
    op_span_context span{};
    std::memcpy(span.trace_id, &i, sizeof(i));
    kept += window.SpanIndex(span) != 0;
  }
  CHECK_EQ(kept, 65'536u);
  CHECK_EQ(window.spans().size(), 65'537 * sizeof(op_span_context));
}

}  // namespace

int main() {
  TheSpanIsOfTheHead();
  AnotherVersionOrACutRecordIsRefused();
  SpansAreRowsOnce();
  SamplesOfTwoSpansAreTwo();
  AWindowHoldsSoManySpans();
  return testResult("sample_record_test");
}
