// SPDX-License-Identifier: Apache-2.0
#include <linux/cn_proc.h>
#include <linux/connector.h>
#include <linux/netlink.h>

#include <algorithm>
#include <cstring>
#include <vector>

#include "process_events/connector_message.h"
#include "process_events/pending_processes.h"
#include "test_macros.h"

using namespace otelprof;

namespace {

using Kind = ConnectorEvent::Kind;

/// A datagram as the kernel writes it: heads, what it is, CPU and time, up to six words of the event.
std::vector<uint8_t> Datagram(uint32_t what, std::vector<uint32_t> words) {
  nlmsghdr netlink{};
  cn_msg head{};
  words.resize(6);
  std::vector<uint8_t> out(sizeof(netlink) + sizeof(head) + 16 + words.size() * 4);
  netlink.nlmsg_len = out.size();
  netlink.nlmsg_type = NLMSG_DONE;
  head.id = {CN_IDX_PROC, CN_VAL_PROC};
  head.ack = 42;
  head.len = out.size() - sizeof(netlink) - sizeof(head);
  memcpy(out.data(), &netlink, sizeof(netlink));
  memcpy(out.data() + sizeof(netlink), &head, sizeof(head));
  memcpy(out.data() + connector::kWhat, &what, sizeof(what));
  memcpy(out.data() + connector::kThread, words.data(), words.size() * 4);
  return out;
}

void TellsProcessesFromThreads() {
  const auto read = [](uint32_t what, std::vector<uint32_t> words) {
    const ReadMessage message = ReadConnectorMessage(Datagram(what, std::move(words)));
    CHECK(!message.refused);
    return message.event;
  };
  const auto is = [](const std::optional<ConnectorEvent>& event, Kind kind, int pid) {
    return event && event->kind == kind && event->pid == pid;
  };
  CHECK(is(read(connector::kExec, {7, 7}), Kind::Exec, 7));
  CHECK(is(read(connector::kFork, {1, 1, 8, 8}), Kind::Fork, 8));
  CHECK(!read(connector::kFork, {1, 1, 8, 7}));
  CHECK(is(read(connector::kExit, {9, 9}), Kind::Exit, 9));
  CHECK(!read(connector::kExit, {10, 9}));
  CHECK(is(read(connector::kUid, {9, 9}), Kind::Changed, 9));
  CHECK(is(read(connector::kComm, {10, 9}), Kind::Name, 9));
  CHECK(!read(connector::kExec, {0, 0}));
  CHECK(!read(connector::kExec, {0x80000001, 0x80000001}));
  CHECK(!read(0x40, {1, 1}));
  const auto done = read(connector::kNone, {13});
  CHECK(done && done->kind == Kind::Acknowledge);
  CHECK_EQ(done ? done->error : 0, 13u);
  CHECK_EQ(done ? done->acknowledge : 0, 42u);
}

void RefusesWhatTheKernelDoesNotWrite() {
  const auto good = Datagram(connector::kExec, {7, 7});
  CHECK(!ReadConnectorMessage(good).refused);
  // No part of a datagram is one; each is a buffer of its own, so that a read behind its end is seen.
  for (size_t size = 0; size < good.size(); size++)
    CHECK(ReadConnectorMessage(std::vector<uint8_t>(good.begin(), good.begin() + size)).refused);
  const auto spoiled = [&](size_t at, uint32_t value) {
    auto bytes = good;
    memcpy(bytes.data() + at, &value, sizeof(value));
    return ReadConnectorMessage(bytes).refused;
  };
  CHECK(spoiled(0, 0));
  CHECK(spoiled(0, good.size() + 1));
  CHECK(spoiled(0, UINT32_MAX));
  CHECK(spoiled(4, NLMSG_ERROR));
  CHECK(spoiled(16, 2));   // the channel's index
  CHECK(spoiled(20, 9));   // and value
  CHECK(spoiled(32, 8));   // shorter than any event
  CHECK(spoiled(32, 41));  // longer than the datagram
  CHECK(spoiled(32, 0xffff));
}

ConnectorEvent Event(Kind kind, int pid) {
  ConnectorEvent out;
  out.kind = kind;
  out.pid = pid;
  return out;
}

std::vector<int32_t> Sorted(std::vector<int32_t> pids) {
  std::sort(pids.begin(), pids.end());
  return pids;
}

void WaitsUntilItHasSettled() {
  PendingProcesses pending(50, 1000);
  CHECK(!pending.DueMs(0));
  pending.Add(Event(Kind::Fork, 7), 100);
  CHECK_EQ(pending.DueMs(100).value_or(0), 1100u);
  pending.Add(Event(Kind::Exec, 7), 110);
  CHECK_EQ(pending.DueMs(110).value_or(0), 160u);
  // Once more does not put it off.
  pending.Add(Event(Kind::Exec, 7), 150);
  CHECK_EQ(pending.DueMs(150).value_or(0), 160u);
  CHECK(pending.Take(159, 10).began.empty());
  CHECK(pending.Take(160, 10).began == std::vector<int32_t>{7});
  CHECK(!pending.DueMs(160));
  // A copy that never becomes another program is one too, later.
  pending.Add(Event(Kind::Fork, 8), 200);
  CHECK(pending.Take(1199, 10).began.empty());
  CHECK(pending.Take(1200, 10).began == std::vector<int32_t>{8});
}

void WhatEndsBeforeItIsDueIsForgotten() {
  PendingProcesses pending(50, 1000);
  for (int pid = 1000; pid < 2000; pid++) {
    pending.Add(Event(Kind::Fork, pid), 1);
    if (pid % 2) pending.Add(Event(Kind::Exec, pid), 2);
    pending.Add(Event(Kind::Exit, pid), 3);
  }
  const ProcessChanges none = pending.Take(5000, 10);
  CHECK(none.began.empty() && none.ended.empty() && !none.lost);
  CHECK(!pending.DueMs(5000));
  // Its fork was not seen here: somebody may know it.
  pending.Add(Event(Kind::Exec, 7), 6000);
  pending.Add(Event(Kind::Exit, 7), 6001);
  CHECK_EQ(pending.DueMs(6001).value_or(0), 6050u);
  const ProcessChanges gone = pending.Take(6050, 10);
  CHECK(gone.began.empty());
  CHECK(gone.ended == std::vector<int32_t>{7});
}

void NumbersAreUsedAgain() {
  PendingProcesses pending(50, 1000);
  // One that is known ends, another gets its number and lives.
  pending.Add(Event(Kind::Exit, 7), 0);
  pending.Add(Event(Kind::Fork, 7), 1);
  ProcessChanges changes = pending.Take(60, 10);
  CHECK(changes.began == std::vector<int32_t>{7});
  CHECK(changes.ended.empty());
  // It ends too: the one that was known is still to be told of.
  pending.Add(Event(Kind::Exit, 8), 100);
  pending.Add(Event(Kind::Fork, 8), 101);
  pending.Add(Event(Kind::Exec, 8), 102);
  pending.Add(Event(Kind::Exit, 8), 103);
  changes = pending.Take(200, 10);
  CHECK(changes.began.empty());
  CHECK(changes.ended == std::vector<int32_t>{8});
}

void GivesSoManyAtATime() {
  PendingProcesses pending(50, 1000);
  for (int pid = 1; pid <= 25; pid++) pending.Add(Event(Kind::Exec, pid), 0);
  pending.Add(Event(Kind::Exit, 99), 0);
  std::vector<int32_t> began;
  size_t ended = 0;
  for (const size_t count : {10, 10, 5, 0}) {
    const ProcessChanges changes = pending.Take(50, 10);
    CHECK_EQ(changes.began.size(), count);
    began.insert(began.end(), changes.began.begin(), changes.began.end());
    ended += changes.ended.size();
    if (count == 10) CHECK_EQ(pending.DueMs(50).value_or(0), 50u);
  }
  began = Sorted(began);
  CHECK_EQ(began.size(), 25u);
  CHECK(std::unique(began.begin(), began.end()) == began.end());
  CHECK_EQ(ended, 1u);
}

void TooMuchIsLost() {
  PendingProcesses pending(50, 1000);
  for (size_t pid = 1; pid <= PendingProcesses::kMaxPending; pid++)
    pending.Add(Event(Kind::Exec, static_cast<int>(pid)), 0);
  CHECK(!pending.Take(49, 10).lost);
  pending.Add(Event(Kind::Exec, 1 << 20), 10);
  CHECK_EQ(pending.DueMs(59).value_or(0), 60u);
  const ProcessChanges changes = pending.Take(60, 10);
  CHECK(changes.lost);
  CHECK(changes.began.empty());
  CHECK(!pending.Take(60, 10).lost);
  // What the kernel dropped does not take away what is known.
  pending.Add(Event(Kind::Exec, 7), 100);
  pending.Lose(100);
  const ProcessChanges both = pending.Take(150, 10);
  CHECK(both.lost && both.began == std::vector<int32_t>{7});
}

}  // namespace

int main() {
  TellsProcessesFromThreads();
  RefusesWhatTheKernelDoesNotWrite();
  WaitsUntilItHasSettled();
  WhatEndsBeforeItIsDueIsForgotten();
  NumbersAreUsedAgain();
  GivesSoManyAtATime();
  TooMuchIsLost();
  return testResult("process_events_test");
}
