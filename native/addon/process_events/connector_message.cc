// SPDX-License-Identifier: Apache-2.0
#include "connector_message.h"

#include <linux/connector.h>
#include <linux/netlink.h>

#include <cstring>

namespace otelprof {
namespace {

/// A number at a place of the datagram; the caller has checked that it is there.
uint32_t Word(std::span<const uint8_t> bytes, size_t at) {
  uint32_t value = 0;
  memcpy(&value, bytes.data() + at, sizeof(value));
  return value;
}

constexpr size_t kHeads = sizeof(nlmsghdr) + sizeof(cn_msg);
static_assert(kHeads == connector::kWhat);

/// Where a message about one task has its ids, and of which process it is; undefined for its other threads.
std::optional<int> ProcessOf(std::span<const uint8_t> bytes, size_t thread, size_t process) {
  const uint32_t pid = Word(bytes, process);
  if (Word(bytes, thread) != pid || pid == 0 || pid > INT32_MAX) return std::nullopt;
  return static_cast<int>(pid);
}

std::optional<ConnectorEvent> ReadEvent(std::span<const uint8_t> bytes) {
  using Kind = ConnectorEvent::Kind;
  ConnectorEvent out;
  const auto of = [&](Kind kind, std::optional<int> pid) -> std::optional<ConnectorEvent> {
    if (!pid) return std::nullopt;
    out.kind = kind;
    out.pid = *pid;
    return out;
  };
  switch (Word(bytes, connector::kWhat)) {
    case connector::kNone:
      out.error = Word(bytes, connector::kThread);
      return out;
    case connector::kFork:
      return of(Kind::Fork, ProcessOf(bytes, connector::kChildThread, connector::kChildProcess));
    case connector::kExec:
      return of(Kind::Exec, ProcessOf(bytes, connector::kThread, connector::kProcess));
    case connector::kUid:
      return of(Kind::Changed, ProcessOf(bytes, connector::kThread, connector::kProcess));
    case connector::kExit:
      return of(Kind::Exit, ProcessOf(bytes, connector::kThread, connector::kProcess));
    case connector::kComm:
      return of(Kind::Name, ProcessOf(bytes, connector::kProcess, connector::kProcess));
    default:
      return std::nullopt;
  }
}

}  // namespace

ReadMessage ReadConnectorMessage(std::span<const uint8_t> bytes) {
  constexpr ReadMessage kRefused{std::nullopt, true};
  nlmsghdr netlink;
  cn_msg head;
  // Every event has the ids that are read here: the union of the kernel's is longer still.
  constexpr size_t kShortest = connector::kChildProcess + sizeof(uint32_t);
  if (bytes.size() < kShortest) return kRefused;
  memcpy(&netlink, bytes.data(), sizeof(netlink));
  if (netlink.nlmsg_len < kShortest || netlink.nlmsg_len > bytes.size()) return kRefused;
  if (netlink.nlmsg_type != NLMSG_DONE) return kRefused;
  memcpy(&head, bytes.data() + sizeof(netlink), sizeof(head));
  if (head.id.idx != CN_IDX_PROC || head.id.val != CN_VAL_PROC) return kRefused;
  if (head.len < kShortest - kHeads || head.len > netlink.nlmsg_len - kHeads) return kRefused;
  ReadMessage out;
  out.event = ReadEvent(bytes);
  if (out.event) out.event->acknowledge = head.ack;
  return out;
}

}  // namespace otelprof
