// SPDX-License-Identifier: Apache-2.0
#include "sideband.h"

#include <linux/perf_event.h>

#include <algorithm>
#include <cstring>
#include <ctime>

#include "elf/byte_reader.h"

namespace otelprof {
namespace {

// 128 KiB: about a thousand records, some hundred execs on one CPU between two wake-ups.
constexpr size_t kRingPages = 32;

/// sample_id_all with TID | TIME | CPU puts {pid, tid, time, cpu, reserved} at the end of a record.
constexpr size_t kTrailerBytes = 24;
constexpr size_t kTimeInTrailer = 8;

}  // namespace

void RequestSideband(perf_event_attr* attr) {
  attr->sample_type |= PERF_SAMPLE_TID | PERF_SAMPLE_TIME | PERF_SAMPLE_CPU;
  attr->sample_id_all = 1;
  attr->mmap = 1;
  attr->mmap2 = 1;
  attr->comm = 1;
  attr->comm_exec = 1;
  attr->task = 1;
  attr->use_clockid = 1;
  attr->clockid = CLOCK_BOOTTIME;
}

bool DecodeSideband(const perf_event_header* header, SidebandEvent* out, uint64_t* lost) {
  const auto* bytes = reinterpret_cast<const uint8_t*>(header);
  if (header->size < sizeof(*header) + kTrailerBytes) return false;
  std::memcpy(&out->timeNs, bytes + header->size - kTrailerBytes + kTimeInTrailer, sizeof(out->timeNs));
  ByteReader in({bytes + sizeof(*header), header->size - sizeof(*header) - kTrailerBytes});
  switch (header->type) {
    case PERF_RECORD_MMAP2:
      out->type = SidebandEvent::Type::Mmap;
      out->pid = in.Read<int32_t>();
      out->tid = in.Read<int32_t>();
      out->start = in.Read<uint64_t>();
      out->length = in.Read<uint64_t>();
      out->pageOffset = in.Read<uint64_t>();
      out->major = in.Read<uint32_t>();
      out->minor = in.Read<uint32_t>();
      out->inode = in.Read<uint64_t>();
      in.Skip(8 + 4 + 4);  // inode generation, protection, flags
      out->text = in.CString();
      return true;
    case PERF_RECORD_COMM:
      out->type = header->misc & PERF_RECORD_MISC_COMM_EXEC ? SidebandEvent::Type::Exec : SidebandEvent::Type::Comm;
      out->pid = in.Read<int32_t>();
      out->tid = in.Read<int32_t>();
      out->text = in.CString();
      return true;
    case PERF_RECORD_FORK:
    case PERF_RECORD_EXIT:
      out->type = header->type == PERF_RECORD_FORK ? SidebandEvent::Type::Fork : SidebandEvent::Type::Exit;
      out->pid = in.Read<int32_t>();
      out->parentPid = in.Read<int32_t>();
      out->tid = in.Read<int32_t>();
      return true;
    case PERF_RECORD_LOST:
      in.Read<uint64_t>();
      *lost += in.Read<uint64_t>();
      return false;
    default:
      return false;
  }
}

std::unique_ptr<Sideband> Sideband::Open(std::span<const uint32_t> cpus, Failure* failure) {
  auto self = std::make_unique<Sideband>();
  for (const uint32_t cpu : cpus) {
    perf_event_attr attr{};
    attr.type = PERF_TYPE_SOFTWARE;
    attr.config = PERF_COUNT_SW_DUMMY;
    attr.watermark = 1;
    attr.wakeup_watermark = 1;
    RequestSideband(&attr);
    auto ring = PerfRing::Open(&attr, -1, static_cast<int>(cpu), kRingPages, failure);
    if (!ring) return nullptr;
    self->rings_.push_back(std::move(ring));
  }
  return self;
}

std::vector<int> Sideband::fds() const {
  std::vector<int> out;
  for (const auto& ring : rings_) out.push_back(ring->fd());
  return out;
}

bool Sideband::Drain(std::vector<SidebandEvent>* out) {
  const uint64_t lostBefore = lost_;
  const size_t first = out->size();
  bool wasFull = false;
  for (const auto& ring : rings_) {
    wasFull |= ring->Drain([&](const perf_event_header* header) {
      SidebandEvent event;
      if (DecodeSideband(header, &event, &lost_)) out->push_back(std::move(event));
    });
  }
  std::stable_sort(out->begin() + static_cast<ptrdiff_t>(first), out->end(),
                   [](const SidebandEvent& a, const SidebandEvent& b) { return a.timeNs < b.timeNs; });
  return wasFull || lost_ != lostBefore;
}

}  // namespace otelprof
