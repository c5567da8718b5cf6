// SPDX-License-Identifier: Apache-2.0
#include "user_frames.h"

#include <algorithm>
#include <cstddef>
#include <cstring>

#include "symbols/symbols.h"

namespace otelprof {
namespace {

/// The frame at `slot`; how many slots it takes, 0 if it reaches beyond `end`.
uint32_t ReadFrame(const uint8_t* slots, uint32_t slot, uint32_t end, UserFrame* out) {
  if (slot >= end) return 0;
  std::memcpy(&out->frame, slots + size_t{slot} * sizeof(op_frame), sizeof(op_frame));
  out->detail = nullptr;
  if (out->frame.kind < OP_FRAME_RUNTIME) return 1;
  if (slot + 1 >= end) return 0;
  out->detail = slots + size_t{slot + 1} * sizeof(op_frame);
  return 2;
}

/// Without the character at the end of which only the first bytes are there.
std::string_view WholeCharacters(std::string_view text) {
  size_t at = text.size();
  while (at > 0 && text.size() - at < 3 && (text[at - 1] & 0xc0) == 0x80) at--;
  if (at == 0) return text;
  const auto first = static_cast<uint8_t>(text[at - 1]);
  const size_t wanted = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : first >= 0xc0 ? 2 : 1;
  return text.size() - (at - 1) < wanted ? text.substr(0, at - 1) : text;
}

}  // namespace

bool HasTrace(const op_span_context& span) {
  return std::any_of(std::begin(span.trace_id), std::end(span.trace_id), [](uint8_t byte) { return byte != 0; });
}

LabelSet ReadLabels(const op_sample& head, const uint8_t* labels) {
  LabelSet out;
  for (uint32_t i = 0; i < std::min<uint32_t>(head.label_count, OP_MAX_LABELS); i++) {
    op_label label;
    std::memcpy(&label, labels + size_t{i} * sizeof(label), sizeof(label));
    if (label.key_bytes == 0 || label.key_bytes > OP_LABEL_KEY || label.value_bytes > OP_LABEL_VALUE) continue;
    const std::string_view key(label.key, label.key_bytes);
    std::string_view value(label.value, label.value_bytes);
    if (label.is_cut) value = WholeCharacters(value);
    if (ValidUtf8(key) == key) out.emplace_back(key, ValidUtf8(value));
  }
  return out;
}

void ReadUserFrames(const op_sample& head, const uint8_t* slots, std::vector<UserFrame>* out) {
  out->clear();
  UserFrame next{};
  const uint32_t leafEnd = std::min({uint32_t{head.leaf_count}, head.user_count, uint32_t{OP_LEAF_SLOTS}});
  for (uint32_t slot = 0; slot < leafEnd;) {
    const uint32_t taken = ReadFrame(slots, slot, leafEnd, &next);
    if (taken == 0) return;
    out->push_back(next);
    slot += taken;
  }
  if (head.flags & OP_SAMPLE_CUT) {
    UserFrame cut{};
    cut.frame.kind = OP_FRAME_CUT;
    out->push_back(cut);
  }
  for (uint32_t i = 0; i < std::min<uint32_t>(head.root_count, OP_ROOT_FRAMES); i++) {
    const uint32_t pair = (head.root_first + i) % OP_ROOT_FRAMES;
    if (ReadFrame(slots, OP_LEAF_SLOTS + 2 * pair, head.user_count, &next) == 0) return;
    out->push_back(next);
  }
}

}  // namespace otelprof
