// SPDX-License-Identifier: Apache-2.0
#include "user_frames.h"

#include <algorithm>
#include <cstddef>
#include <cstring>

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

}  // namespace

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
