// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "perf_ring.h"

struct perf_event_attr;

namespace otelprof {

/// What the kernel tells about processes, in the order of its clock (CLOCK_BOOTTIME).
struct SidebandEvent {
  enum class Type : uint8_t { Mmap, Comm, Exec, Fork, Exit };
  Type type = Type::Mmap;
  int pid = 0;
  int tid = 0;
  int parentPid = 0;
  uint64_t timeNs = 0;
  uint64_t start = 0;
  uint64_t length = 0;
  uint64_t pageOffset = 0;
  uint64_t inode = 0;
  uint32_t major = 0;
  uint32_t minor = 0;
  std::string text;  // file name (Mmap) or command name (Comm, Exec)
};

/// Fills what every event that carries side-band records needs.
void RequestSideband(perf_event_attr* attr);

/// Decodes one record; false for types that are not side-band. PERF_RECORD_LOST adds to *lost.
bool DecodeSideband(const perf_event_header* header, SidebandEvent* out, uint64_t* lost);

/// One software dummy event per CPU that reports MMAP2, COMM, FORK and EXIT of all processes and wakes
/// its reader at each record.
class Sideband {
 public:
  static std::unique_ptr<Sideband> Open(std::span<const uint32_t> cpus, Failure* failure);

  /// To be polled for reading.
  std::vector<int> fds() const;
  /// Appends the waiting events, sorted by time. True if records were, or may have been, lost since the last call.
  bool Drain(std::vector<SidebandEvent>* out);
  uint64_t lost() const { return lost_; }

 private:
  std::vector<std::unique_ptr<PerfRing>> rings_;
  uint64_t lost_ = 0;
};

}  // namespace otelprof
