// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "../failure.h"
#include "../unique_fd.h"
#include "connector_message.h"

namespace otelprof {

/// The kernel's proc connector: a netlink socket on which it tells every process that begins and ends.
class Connector {
 public:
  struct Options {
    /// What the kernel keeps for us at most; more than the host allows only for who may.
    uint32_t receiveBufferBytes = 4 << 20;
    /// The namespace to hear of it in, as /proc/1/ns/net: the connector speaks in the host's first one only. The caller's
    /// where this is empty, the same, or cannot be entered.
    std::string networkNamespace;
    /// The process of `/proc/self`: events must tell the same number.
    int ownPid = 0;
  };

  /// Opens the socket, subscribes, and waits until the kernel has acknowledged that and told of this process by the number
  /// that /proc has for it. Where it keeps silent `waitMs` is over before there is a failure.
  static std::unique_ptr<Connector> Open(const Options& options, uint32_t waitMs, Failure* failure);

  ~Connector();
  Connector(const Connector&) = delete;
  Connector& operator=(const Connector&) = delete;

  enum class Drained {
    All,   ///< nothing more is there
    Some,  ///< there may be more
    Lost,  ///< the kernel had to drop events before these
    Failed,
  };
  /// Reads a bounded number of events without waiting. Where it failed, errno says why.
  Drained Drain(const std::function<void(const ConnectorEvent&)>& tell);

  int fd() const { return socket_.get(); }
  /// Datagrams that the kernel has not sent, or not so.
  uint64_t refused() const { return refused_; }

 private:
  explicit Connector(UniqueFd socket) : socket_(std::move(socket)) {}

  bool Request(uint32_t operation, uint32_t number);
  Failure Verify(int ownPid, uint32_t waitMs);

  UniqueFd socket_;
  uint64_t refused_ = 0;
  bool isListening_ = false;
};

}  // namespace otelprof
