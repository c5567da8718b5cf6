// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <span>

namespace otelprof {

/// What the kernel's proc connector tells with one message (include/uapi/linux/cn_proc.h).
struct ConnectorEvent {
  enum class Kind {
    Acknowledge,  ///< of a request: `error`, and its number as `acknowledge`
    Fork,         ///< a process, not a thread, began as a copy of another one
    Exec,
    Changed,  ///< the user of a process is another one
    Exit,     ///< of a process; of its main thread where others go on
    Name,     ///< a thread of `pid` is called otherwise
  };
  Kind kind = Kind::Acknowledge;
  int pid = 0;
  uint32_t error = 0;
  uint32_t acknowledge = 0;
};

/// What a datagram says. `refused` where it is none that the connector writes: cut, of other lengths than it says, of
/// another channel. Neither an event nor refused is what nobody here needs: threads, sessions, core dumps.
struct ReadMessage {
  std::optional<ConnectorEvent> event;
  bool refused = false;
};

ReadMessage ReadConnectorMessage(std::span<const uint8_t> bytes);

/// Offsets in a datagram, for the filter in the kernel: netlink's head, the connector's, what it is, then the ids.
namespace connector {
inline constexpr uint32_t kWhat = 36;
inline constexpr uint32_t kThread = 52;
inline constexpr uint32_t kProcess = 56;
inline constexpr uint32_t kChildThread = 60;
inline constexpr uint32_t kChildProcess = 64;

inline constexpr uint32_t kNone = 0;
inline constexpr uint32_t kFork = 1;
inline constexpr uint32_t kExec = 2;
inline constexpr uint32_t kUid = 4;
inline constexpr uint32_t kComm = 0x200;
inline constexpr uint32_t kExit = 0x80000000;
}  // namespace connector

}  // namespace otelprof
