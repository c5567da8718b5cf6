// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include "connector.h"
#include "pending_processes.h"

namespace otelprof {

/// Reads the connector on a thread of its own, so that what the kernel keeps for us (some hundred events where its
/// limit cannot be raised) does not overflow whenever the event loop is busy, and a storm does not wake the loop.
class ProcessWatch {
 public:
  struct Options {
    Connector::Options connector;
    uint32_t settleMs = 50;
    uint32_t forkSettleMs = 1000;
    /// How long the kernel may keep silent at the start.
    uint32_t waitMs = 1000;
  };
  struct Changes : ProcessChanges {
    /// Datagrams refused so far.
    uint64_t refused = 0;
    /// Why nothing comes any more.
    Failure failure;
  };

  /// Subscribes; blocks until the kernel has answered. The host is not followed before `Start`, and nothing is lost
  /// between.
  static std::unique_ptr<ProcessWatch> Open(const Options& options, Failure* failure);

  ~ProcessWatch() { Stop(); }

  /// `ready` is called on another thread when there is something to take: once, until `Take` was called.
  void Start(std::function<void()> ready);
  Changes Take(size_t maxBegan);
  /// Ends the subscription; `ready` is not called any more. May be called again.
  void Stop();

 private:
  ProcessWatch(const Options& options, std::unique_ptr<Connector> connector, UniqueFd wake);

  void Run();
  bool Read();
  /// Milliseconds until something is to be told; -1 for never.
  int Tell();

  std::unique_ptr<Connector> connector_;
  UniqueFd wake_;
  std::function<void()> ready_;
  std::thread thread_;
  std::atomic<bool> stopping_ = false;

  std::mutex mutex_;  // of all below
  PendingProcesses pending_;
  uint64_t refused_ = 0;
  Failure failure_;
  bool isTold_ = false;
};

}  // namespace otelprof
