// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <linux/types.h>

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "../bpf/counters.h"
#include "../bpf/profile.h"

namespace otelprof {

/// A frame of the user part of a sample; `detail` is there if it is a runtime's.
struct UserFrame {
  op_frame frame;
  const uint8_t* detail;
};

/// The user part of a record, leaf first, with an OP_FRAME_CUT where frames are left out. `slots` are the
/// head.user_count that follow the head. What does not fit together, which the kernel program does not write, ends it.
void ReadUserFrames(const op_sample& head, const uint8_t* slots, std::vector<UserFrame>* out);

/// What a program said of what it does, in its order; valid UTF-8.
using LabelSet = std::vector<std::pair<std::string, std::string>>;

/// The labels behind the kernel part; keys that are no text are left out, text that was cut ends with a whole character.
LabelSet ReadLabels(const op_sample& head, const uint8_t* labels);

/// Whether the thread worked for a span: a trace id of zeroes is none (W3C Trace Context).
bool HasTrace(const op_span_context& span);

}  // namespace otelprof
