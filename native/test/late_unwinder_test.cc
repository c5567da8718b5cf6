// SPDX-License-Identifier: Apache-2.0
#include "late_unwinder.h"

#include <algorithm>
#include <cstring>

#include "sample_window.h"
#include "test_macros.h"
#include "user_frames.h"

using namespace otelprof;

namespace {

constexpr uint64_t kBias = 0x400000;
constexpr uint64_t kStack = 0x7ffd0000;
// Page 1 of the file: one function whose frame is 16 bytes, and at 0x1100 the outermost one.
constexpr uint64_t kLeaf = 0x1000;
constexpr uint64_t kOutermost = 0x1100;

struct Host {
  std::shared_ptr<ProfiledFile> file = std::make_shared<ProfiledFile>(
      7, ProfiledFile::Identity{}, "/bin/late", "", UniqueFd(), std::vector<ElfFile::Segment>{});
  LateUnwinder::Mappings mappings = std::make_shared<const std::vector<ProcessMapping>>(
      std::vector<ProcessMapping>{{kBias + 0x1000, kBias + 0x2000, kBias, file}});
  size_t asked = 0;
  LateUnwinder late{[this](const std::shared_ptr<ProfiledFile>&) { asked++; }};
  std::vector<uint64_t> addresses;
  op_sample head{};
  size_t done = 0;

  /// `rest`: the frames and addresses behind the head.
  bool Add(const op_sample& sample, std::span<const uint8_t> rest = {}) {
    std::vector<uint8_t> bytes(sizeof(sample) + rest.size());
    std::memcpy(bytes.data(), &sample, sizeof(sample));
    std::copy(rest.begin(), rest.end(), bytes.begin() + sizeof(sample));
    auto record = SampleRecord::Decode(bytes);
    if (!record || late.Add(&*record, nullptr, mappings)) return record.has_value();
    head = record->head();
    return false;
  }
  void LoadTable() {
    const std::vector<op_row> rows = {{kLeaf, OP_RULE(OP_RULE_SP, 2, 0)}, {kOutermost, OP_RULE(OP_RULE_END, 0, 0)}};
    file->SetTable(std::make_shared<UnwindTable>(IndexRows(rows, nullptr)));
    file->tableState = TableState::Loaded;
  }
  void Resolve(uint64_t nowNs, bool all = false) {
    late.Resolve(nowNs, all, [this](const SampleRecord& record, const auto&) {
      head = record.head();
      done++;
      addresses.clear();
      std::vector<UserFrame> frames;
      ReadUserFrames(head, record.slots(), &frames);
      for (const auto& [frame, detail] : frames) addresses.push_back(frame.addr);
    });
  }
};

op_sample Sample(uint64_t timeNs) {
  op_sample head{};
  head.version = OP_SAMPLE_VERSION;
  head.tid = 9;
  head.time_ns = timeNs;
  head.flags = OP_SAMPLE_RESUME | OP_SAMPLE_UNKNOWN_MAPPING;
  head.span.trace_id[0] = 3;
  return head;
}

/// What follows the head of a stack's record: `leafFrames` frames of kLeaf's function, then the outermost one.
std::vector<uint8_t> Stack(size_t leafFrames) {
  op_resume resume{};
  resume.ip = kBias + kLeaf + 8;
  resume.sp = kStack;
  std::vector<uint64_t> words;
  for (size_t i = 0; i < leafFrames; i++) {
    words.push_back(0);
    words.push_back(kBias + (i + 1 < leafFrames ? kLeaf : kOutermost) + 16);
  }
  resume.bytes = static_cast<uint32_t>(words.size() * sizeof(uint64_t));
  std::vector<uint8_t> out(sizeof(resume) + resume.bytes);
  std::memcpy(out.data(), &resume, sizeof(resume));
  std::memcpy(out.data() + sizeof(resume), words.data(), resume.bytes);
  return out;
}

void WaitsForTheTableThenEndsTheWalk() {
  Host host;
  CHECK(host.late.AddStack(Sample(5), Stack(1)));
  CHECK(!host.Add(Sample(6)));  // another moment
  CHECK(host.Add(Sample(5)));
  host.Resolve(10);
  CHECK_EQ(host.done, 0u);
  CHECK_EQ(host.asked, 1u);
  host.LoadTable();
  host.Resolve(11);
  CHECK_EQ(host.done, 1u);
  CHECK_EQ(host.head.span.trace_id[0], 3);
  CHECK_EQ(host.addresses.size(), 2u);
  if (host.addresses.size() == 2) {
    CHECK_EQ(host.addresses[0], kLeaf + 8);
    CHECK_EQ(host.addresses[1], kOutermost + 16);
  }
  CHECK(host.head.flags & OP_SAMPLE_COMPLETE);
  CHECK(!(host.head.flags & (OP_SAMPLE_RESUME | OP_SAMPLE_ERROR)));
  CHECK_EQ(host.late.counter(OP_COUNT_USER_COMPLETE), 1u);
  CHECK_EQ(host.late.size(), 0u);
}

void FramesOfTheKernelProgramComeFirst() {
  Host host;
  host.LoadTable();
  op_sample head = Sample(5);
  head.user_count = 1;
  head.kernel_count = 1;
  head.leaf_count = 1;
  uint8_t rest[sizeof(op_frame) + sizeof(uint64_t)] = {};
  op_frame first{};
  first.addr = 0x77;
  std::memcpy(rest, &first, sizeof(first));
  CHECK(host.late.AddStack(head, Stack(2)));
  CHECK(host.Add(head, rest));
  host.Resolve(6);
  CHECK_EQ(host.addresses.size(), 4u);
  if (!host.addresses.empty()) CHECK_EQ(host.addresses[0], 0x77u);
  CHECK_EQ(host.head.kernel_count, 1u);
}

void GivesUpInTheEnd() {
  Host host;
  CHECK(host.late.AddStack(Sample(5), Stack(1)));
  CHECK(host.Add(Sample(5)));
  host.Resolve(6);
  CHECK_EQ(host.done, 0u);
  host.Resolve(60'000'000'000);
  CHECK_EQ(host.done, 1u);
  CHECK_EQ(host.late.gaveUp(), 1u);
  CHECK(host.head.flags & OP_SAMPLE_ERROR);
  CHECK_EQ(host.head.error, uint32_t{OP_COUNT_TABLE_MISSING});
  CHECK_EQ(host.addresses.size(), 1u);  // the leaf is never lost

  CHECK(host.late.AddStack(Sample(7), Stack(1)));
  CHECK(host.Add(Sample(7)));
  host.Resolve(8, true);
  CHECK_EQ(host.done, 2u);
}

void FailedTablesAreNotWaitedFor() {
  Host host;
  host.file->tableState = TableState::Failed;
  CHECK(host.late.AddStack(Sample(5), Stack(1)));
  CHECK(host.Add(Sample(5)));
  host.Resolve(6);
  CHECK_EQ(host.done, 1u);
  CHECK_EQ(host.asked, 0u);
}

void StacksInPartsAreOne() {
  Host host;
  host.LoadTable();
  auto whole = Stack(4);
  op_resume resume;
  std::memcpy(&resume, whole.data(), sizeof(resume));
  // The second half goes in a record of its own.
  const size_t half = resume.bytes / 2;
  std::vector<uint8_t> first(whole.begin(), whole.begin() + sizeof(resume) + half), second(sizeof(resume));
  second.insert(second.end(), whole.begin() + sizeof(resume) + half, whole.end());
  resume.bytes = static_cast<uint32_t>(half);
  std::memcpy(first.data(), &resume, sizeof(resume));
  std::memcpy(second.data(), &resume, sizeof(resume));
  CHECK(host.late.AddStack(Sample(5), first));
  CHECK(host.late.AddStack(Sample(5), second));
  CHECK(host.Add(Sample(5)));
  host.Resolve(6);
  CHECK_EQ(host.addresses.size(), 5u);
  CHECK(host.head.flags & OP_SAMPLE_COMPLETE);
}

void MalformedStacksAreRefused() {
  Host host;
  auto stack = Stack(1);
  CHECK(!host.late.AddStack(Sample(5), std::span(stack).first(sizeof(op_resume) - 1)));
  CHECK(!host.late.AddStack(Sample(5), std::span(stack).first(stack.size() - 1)));
  op_resume resume;
  std::memcpy(&resume, stack.data(), sizeof(resume));
  resume.bytes = OP_RESUME_BYTES + 1;
  stack.resize(sizeof(resume) + resume.bytes);
  std::memcpy(stack.data(), &resume, sizeof(resume));
  CHECK(!host.late.AddStack(Sample(5), stack));
  resume.bytes = OP_RESUME_BYTES;
  std::memcpy(stack.data(), &resume, sizeof(resume));
  for (int i = 0; i < OP_RESUME_PARTS; i++) CHECK(host.late.AddStack(Sample(6), stack));
  CHECK(!host.late.AddStack(Sample(6), stack));
}

void SamplesWithoutTheirStackSayThatTheyEndEarly() {
  Host host;
  auto stack = Stack(1);
  CHECK(!host.late.AddStack(Sample(5), std::span(stack).first(stack.size() - 1)));  // malformed
  op_sample head = Sample(5);
  head.user_count = 1;
  const uint8_t frame[sizeof(op_frame)] = {};
  CHECK_EQ(SampleWindow::FlagsOf(head), 2);
  CHECK(!host.Add(head, frame));
  CHECK(host.head.flags & OP_SAMPLE_ERROR);
  CHECK(!(host.head.flags & OP_SAMPLE_RESUME));
  CHECK(host.head.flags & OP_SAMPLE_UNKNOWN_MAPPING);
  CHECK_EQ(host.head.error, uint32_t{OP_COUNT_ERR_STACK_LOST});
  CHECK_EQ(SampleWindow::FlagsOf(host.head), 2);
  CHECK(!host.Add(Sample(6)));  // never came
  CHECK_EQ(host.late.counter(OP_COUNT_ERR_STACK_LOST), 2u);
  CHECK_EQ(host.late.counter(OP_COUNT_USER_STACKS), 2u);
  CHECK_EQ(host.late.counter(OP_COUNT_USER_FRAMES), 1u);
  CHECK_EQ(host.late.counter(OP_COUNT_USER_COMPLETE), 0u);
  CHECK_EQ(host.late.size(), 0u);
}

void StacksWhoseSampleDoesNotComeAreForgotten() {
  Host host;
  CHECK(host.late.AddStack(Sample(5), Stack(1)));
  host.Resolve(1'000'000'000);
  CHECK_EQ(host.late.looseStacks(), 1u);
  host.Resolve(2'000'000'000);
  CHECK_EQ(host.late.looseStacks(), 0u);
  CHECK(!host.Add(Sample(5)));
  // However many come at once, the latest are kept.
  for (uint64_t i = 0; i < 1100; i++) CHECK(host.late.AddStack(Sample(3'000'000'000 + i), Stack(1)));
  CHECK_EQ(host.late.looseStacks(), 1024u);
  CHECK(!host.Add(Sample(3'000'000'000)));
  CHECK(host.Add(Sample(3'000'001'099)));
  CHECK_EQ(host.late.counter(OP_COUNT_ERR_STACK_LOST), 2u);
}

}  // namespace

int main() {
  WaitsForTheTableThenEndsTheWalk();
  FramesOfTheKernelProgramComeFirst();
  GivesUpInTheEnd();
  FailedTablesAreNotWaitedFor();
  StacksInPartsAreOne();
  MalformedStacksAreRefused();
  SamplesWithoutTheirStackSayThatTheyEndEarly();
  StacksWhoseSampleDoesNotComeAreForgotten();
  return testResult("late_unwinder_test");
}
