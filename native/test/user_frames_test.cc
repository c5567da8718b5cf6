// SPDX-License-Identifier: Apache-2.0
// The user part of records: frames next to the leaf, the ring of the last ones, and what does not fit together.
#include <cstring>
#include <random>
#include <vector>

#include "../addon/user_frames.h"
#include "test_macros.h"

namespace otelprof {
namespace {

struct Record {
  op_sample head{};
  std::vector<op_frame> slots;

  void Put(size_t slot, uint64_t addr, uint8_t kind = OP_FRAME_FILE) {
    if (slots.size() < slot + 2) slots.resize(slot + 2);
    slots[slot] = {addr, 1, kind, 0, 0};
    slots[slot + 1] = {addr + 1000, 0, 0, 0, 0};
  }
  std::vector<UserFrame> Read() {
    std::vector<UserFrame> out;
    head.user_count = static_cast<uint32_t>(slots.size());
    ReadUserFrames(head, reinterpret_cast<const uint8_t*>(slots.data()), &out);
    return out;
  }
};

void TestShallow() {
  Record record;
  record.Put(0, 10);
  record.Put(1, 11, uint8_t{OP_FRAME_RUNTIME} + uint8_t{OP_RUNTIME_PYTHON});
  record.Put(3, 12);
  record.slots.resize(4);
  record.head.leaf_count = 4;
  const auto frames = record.Read();
  CHECK_EQ(frames.size(), size_t{3});
  if (frames.size() != 3) return;
  CHECK(!frames[0].detail && frames[1].detail && !frames[2].detail);
  uint64_t cookie = 0;
  std::memcpy(&cookie, frames[1].detail, sizeof(cookie));
  CHECK_EQ(cookie, uint64_t{1011});
  CHECK_EQ(frames[2].frame.addr, uint64_t{12});
}

/// All slots next to the leaf are taken, and `more` frames came after them.
Record Deep(uint32_t more) {
  Record record;
  for (uint32_t i = 0; i < OP_LEAF_SLOTS; i++) record.Put(i, i);
  for (uint32_t i = 0; i < more; i++) record.Put(OP_LEAF_SLOTS + 2 * (i % OP_ROOT_FRAMES), 5000 + i);
  const uint32_t lost = more > OP_ROOT_FRAMES ? more - OP_ROOT_FRAMES : 0;
  record.slots.resize(OP_LEAF_SLOTS + 2 * std::min<uint32_t>(more, OP_ROOT_FRAMES));
  record.head.leaf_count = OP_LEAF_SLOTS;
  record.head.root_count = static_cast<uint8_t>(more - lost);
  record.head.root_first = static_cast<uint8_t>(lost % OP_ROOT_FRAMES);
  if (lost) record.head.flags |= OP_SAMPLE_CUT;
  return record;
}

void TestDeep() {
  for (const uint32_t more : {0u, 1u, 63u, 64u, 65u, 100u, 1000u}) {
    const auto frames = Deep(more).Read();
    const bool isCut = more > OP_ROOT_FRAMES;
    const size_t kept = std::min<size_t>(more, OP_ROOT_FRAMES);
    CHECK_EQ(frames.size(), OP_LEAF_SLOTS + kept + isCut);
    CHECK_EQ(frames[OP_LEAF_SLOTS - 1].frame.addr, uint64_t{OP_LEAF_SLOTS - 1});
    CHECK(!isCut || frames[OP_LEAF_SLOTS].frame.kind == OP_FRAME_CUT);
    for (size_t i = 0; i < kept; i++)
      CHECK_EQ(frames[OP_LEAF_SLOTS + isCut + i].frame.addr, uint64_t{5000} + more - kept + i);
  }
}

void TestNonsense() {
  std::mt19937 random(1);
  for (int round = 0; round < 2000; round++) {
    Record record = Deep(random() % 130);
    record.head.leaf_count = static_cast<uint16_t>(random());
    record.head.root_count = static_cast<uint8_t>(random());
    record.head.root_first = static_cast<uint8_t>(random());
    record.slots.resize(random() % (record.slots.size() + 1));
    for (int i = 0; i < 8 && !record.slots.empty(); i++)
      record.slots[random() % record.slots.size()].kind = static_cast<uint8_t>(random());
    CHECK(record.Read().size() <= OP_USER_SLOTS + 1);
  }
}

}  // namespace
}  // namespace otelprof

int main() {
  otelprof::TestShallow();
  otelprof::TestDeep();
  otelprof::TestNonsense();
  return testResult("user_frames");
}
