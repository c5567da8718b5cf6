// SPDX-License-Identifier: Apache-2.0
// What a window that nobody collects may hold, and what becomes of what is too much; malformed records.
#include "sample_window.h"

#include <cstring>
#include <string>
#include <vector>

#include "sample_record.h"
#include "test_macros.h"

using namespace otelprof;

namespace {

op_frame FrameAt(uint64_t address) {
  op_frame frame{};
  frame.addr = address;
  return frame;
}

LabelSet LabelsOf(size_t number) {
  op_sample head{};
  head.label_count = 1;
  op_label label{};
  std::memcpy(label.key, "n", 1);
  label.key_bytes = 1;
  const std::string text = std::to_string(number);
  text.copy(reinterpret_cast<char*>(label.value), text.size());
  label.value_bytes = static_cast<decltype(label.value_bytes)>(text.size());
  return ReadLabels(head, reinterpret_cast<const uint8_t*>(&label));
}

void EventsAreBounded() {
  SampleWindow window(0);
  const op_frame frame = FrameAt(1);
  size_t kept = 0;
  while (kept < (3u << 20) && window.Add({}, {&frame, 1}, kept, 0)) kept++;
  CHECK_EQ(kept, size_t{2} << 20);
  CHECK_EQ(window.events().size(), kept);
  CHECK_EQ(window.samples().size(), 1u);
  CHECK_EQ(window.stackCount(), 1u);
  CHECK(!window.Add({}, {&frame, 1}, 0, 0));
}

void FramesAreBounded() {
  SampleWindow window(0);
  std::vector<op_frame> stack(2048, FrameAt(1));
  uint64_t kept = 0;
  do {
    stack[0].addr = kept;
  } while (window.Add({}, stack, kept, 0) && kept++ < 10'000);
  CHECK_EQ(kept, 2048u);
  CHECK_EQ(window.stackCount(), kept);
  // A small one still fits nowhere: the rest of the frames is not worth a search for it.
  CHECK(!window.Add({}, std::span(stack).first(1), 0, 0));
}

void LabelSetsAreBounded() {
  SampleWindow window(0);
  CHECK_EQ(window.LabelsIndex({}), 0u);
  size_t sets = 0;
  while (sets < 100'000 && window.LabelsIndex(LabelsOf(sets)) != 0) sets++;
  CHECK_EQ(sets, (size_t{64} << 10) - 1);
  CHECK_EQ(window.LabelsIndex(LabelsOf(sets)), 0u);
}

void RecordsThatDoNotHoldWhatTheySayAreRefused() {
  op_sample head{};
  head.version = OP_SAMPLE_VERSION;
  std::vector<uint8_t> bytes(sizeof(head) + 64);
  const auto decodes = [&](size_t size) {
    std::memcpy(bytes.data(), &head, sizeof(head));
    return SampleRecord::Decode(std::span(bytes).first(size)).has_value();
  };
  CHECK(decodes(sizeof(head)));
  CHECK(!decodes(sizeof(head) - 1));
  CHECK(!decodes(0));
  head.user_count = 1;
  CHECK(!decodes(sizeof(head) + sizeof(op_frame) - 1));
  CHECK(decodes(sizeof(head) + sizeof(op_frame)));
  head.kernel_count = 1;
  CHECK(!decodes(sizeof(head) + sizeof(op_frame)));
  head.kernel_count = UINT32_MAX;
  head.user_count = UINT32_MAX;
  CHECK(!decodes(bytes.size()));
  head.user_count = head.kernel_count = 0;
  head.label_count = 1;
  CHECK(!decodes(sizeof(head) + sizeof(op_label) - 1));
  head.label_count = 0;
  head.version = OP_SAMPLE_VERSION + 1;
  CHECK(!decodes(bytes.size()));
}

}  // namespace

int main() {
  EventsAreBounded();
  FramesAreBounded();
  LabelSetsAreBounded();
  RecordsThatDoNotHoldWhatTheySayAreRefused();
  return testResult("sample_window_test");
}
