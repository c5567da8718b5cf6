// SPDX-License-Identifier: Apache-2.0
#include "off_cpu.h"

#include "test_macros.h"

using namespace otelprof;

namespace {

OffCpuThreads::Away AwayWith(size_t frames, uint64_t sinceNs) {
  OffCpuThreads::Away away;
  away.stack.resize(frames);
  away.sinceNs = sinceNs;
  return away;
}

void PairsAThreadWithItsOwnStart() {
  OffCpuThreads threads(10, 1000);
  threads.Left({7, 100}, AwayWith(3, 1));
  CHECK(!threads.CameBack({7, 200}));  // the tid is used again
  CHECK(!threads.CameBack({8, 100}));
  const auto away = threads.CameBack({7, 100});
  CHECK(away.has_value());
  CHECK_EQ(away ? away->sinceNs : 0, 1u);
  CHECK(!threads.CameBack({7, 100}));
  CHECK_EQ(threads.size(), 0u);
}

void TheLongestAwayGoesFirst() {
  OffCpuThreads threads(2, 1000);
  threads.Left({1, 0}, AwayWith(1, 1));
  threads.Left({2, 0}, AwayWith(1, 2));
  threads.Left({3, 0}, AwayWith(1, 3));
  CHECK_EQ(threads.evicted(), 1u);
  CHECK(!threads.CameBack({1, 0}));
  CHECK(threads.CameBack({3, 0}).has_value());
}

void FramesAreBoundedToo() {
  OffCpuThreads threads(100, 10);
  threads.Left({1, 0}, AwayWith(6, 1));
  threads.Left({2, 0}, AwayWith(6, 2));
  CHECK_EQ(threads.evicted(), 1u);
  CHECK_EQ(threads.size(), 1u);
  // What came back makes room.
  CHECK(threads.CameBack({2, 0}).has_value());
  threads.Left({3, 0}, AwayWith(10, 3));
  CHECK_EQ(threads.evicted(), 1u);
}

void EveryThreadThatLeftIsAccountedFor() {
  OffCpuThreads threads(10, 1000);
  threads.Left({1, 0}, AwayWith(1, 1));
  threads.Left({1, 0}, AwayWith(1, 5));
  CHECK_EQ(threads.replaced(), 1u);
  threads.Left({2, 0}, AwayWith(1, 6));
  threads.Abandon();
  CHECK_EQ(threads.abandoned(), 2u);
  CHECK_EQ(threads.size(), 0u);
}

}  // namespace

int main() {
  PairsAThreadWithItsOwnStart();
  TheLongestAwayGoesFirst();
  FramesAreBoundedToo();
  EveryThreadThatLeftIsAccountedFor();
  return testResult("off_cpu_test");
}
