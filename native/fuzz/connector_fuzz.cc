// SPDX-License-Identifier: Apache-2.0
// Input: a datagram of the kernel's proc connector.
#include "fuzz.h"
#include "process_events/pending_processes.h"

using namespace otelprof;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  // A copy of its own, so that one byte too far is seen.
  const std::vector<uint8_t> copy(data, data + size);
  const ReadMessage message = ReadConnectorMessage(copy);
  if (!message.event) return 0;
  FUZZ_CHECK(!message.refused);
  FUZZ_CHECK((message.event->kind == ConnectorEvent::Kind::Acknowledge) == (message.event->pid == 0));
  FUZZ_CHECK(message.event->pid >= 0);
  PendingProcesses pending(0, 0);
  pending.Add(*message.event, 1);
  const ProcessChanges changes = pending.Take(1, 1);
  FUZZ_CHECK(changes.began.size() + changes.ended.size() <= 1 && !changes.lost);
  return 0;
}
