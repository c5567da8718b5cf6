// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "failure.h"
#include "unique_fd.h"

struct perf_event_attr;
struct perf_event_header;

namespace otelprof {

/// One perf event with its ring in user memory. Reading belongs to one thread.
class PerfRing {
 public:
  /// `dataPages` must be a power of two.
  static std::unique_ptr<PerfRing> Open(perf_event_attr* attr, int pid, int cpu, size_t dataPages,
                                        Failure* failure);
  ~PerfRing();
  PerfRing(const PerfRing&) = delete;
  PerfRing& operator=(const PerfRing&) = delete;

  int fd() const { return fd_.get(); }
  /// Hands every waiting record over; a record is contiguous and valid during the call only. True if there was no
  /// room for one more: the kernel tells of what it lost only with the next record.
  bool Drain(const std::function<void(const perf_event_header*)>& sink);

 private:
  PerfRing() = default;

  UniqueFd fd_;
  uint8_t* base_ = nullptr;
  size_t dataBytes_ = 0;
  size_t pageBytes_ = 4096;
  std::vector<uint8_t> wrapped_;
};

}  // namespace otelprof
