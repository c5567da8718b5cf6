// SPDX-License-Identifier: Apache-2.0
#include "perf_ring.h"

#include <linux/perf_event.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include <atomic>
#include <cerrno>
#include <cstring>

namespace otelprof {
namespace {

// A mapping with the longest path, and what was lost before it.
constexpr size_t kLargestRecord = 4096 + 256;

}  // namespace

std::unique_ptr<PerfRing> PerfRing::Open(perf_event_attr* attr, int pid, int cpu, size_t dataPages,
                                         Failure* failure) {
  std::unique_ptr<PerfRing> self(new PerfRing());
  attr->size = sizeof(*attr);
  self->fd_ = UniqueFd(static_cast<int>(syscall(__NR_perf_event_open, attr, pid, cpu, -1, PERF_FLAG_FD_CLOEXEC)));
  if (!self->fd_) {
    *failure = SystemFailure(errno, "perf_event_open", "cannot open a perf event on CPU " + std::to_string(cpu));
    return nullptr;
  }
  self->pageBytes_ = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  self->dataBytes_ = dataPages * self->pageBytes_;
  void* area = mmap(nullptr, self->dataBytes_ + self->pageBytes_, PROT_READ | PROT_WRITE, MAP_SHARED,
                    self->fd_.get(), 0);
  if (area == MAP_FAILED) {
    *failure = SystemFailure(errno, "mmap", "cannot map a perf ring (see kernel.perf_event_mlock_kb)");
    return nullptr;
  }
  self->base_ = static_cast<uint8_t*>(area);
  return self;
}

PerfRing::~PerfRing() {
  if (base_) munmap(base_, dataBytes_ + pageBytes_);
}

bool PerfRing::Drain(const std::function<void(const perf_event_header*)>& sink) {
  auto* control = reinterpret_cast<perf_event_mmap_page*>(base_);
  const uint8_t* data = base_ + pageBytes_;
  const std::atomic_ref<__u64> headRef(control->data_head);
  const std::atomic_ref<__u64> tailRef(control->data_tail);
  const uint64_t head = headRef.load(std::memory_order_acquire);
  uint64_t tail = tailRef.load(std::memory_order_relaxed);
  const bool wasFull = head - tail + kLargestRecord > dataBytes_;
  while (head - tail >= sizeof(perf_event_header)) {
    const size_t at = tail & (dataBytes_ - 1);
    // Records are 8-byte aligned, so a header never wraps; its body may.
    const auto* header = reinterpret_cast<const perf_event_header*>(data + at);
    const size_t size = header->size;
    if (size < sizeof(perf_event_header) || size > head - tail) break;
    if (at + size > dataBytes_) {
      const size_t first = dataBytes_ - at;
      wrapped_.resize(size);
      std::memcpy(wrapped_.data(), data + at, first);
      std::memcpy(wrapped_.data() + first, data, size - first);
      header = reinterpret_cast<const perf_event_header*>(wrapped_.data());
    }
    sink(header);
    tail += size;
    tailRef.store(tail, std::memory_order_release);
  }
  tailRef.store(head, std::memory_order_release);
  return wasFull;
}

}  // namespace otelprof
