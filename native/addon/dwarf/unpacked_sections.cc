// SPDX-License-Identifier: Apache-2.0
#include "unpacked_sections.h"

#include <sys/mman.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>

namespace otelprof {
namespace {

std::atomic<uint64_t> total{0};

bool WriteAt(int fd, uint64_t offset, std::span<const uint8_t> bytes) {
  while (!bytes.empty()) {
    const ssize_t n = pwrite(fd, bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return false;
    bytes = bytes.subspan(static_cast<size_t>(n));
    offset += static_cast<uint64_t>(n);
  }
  return true;
}

}  // namespace

UnpackedSections::~UnpackedSections() {
  Release();
  total -= end_;
}

bool UnpackedSections::Keep(size_t id, std::span<const uint8_t> bytes) {
  if (!scratch_ || bytes.empty() || places_.contains(id)) return false;
  const auto page = static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
  const uint64_t room = (bytes.size() + page - 1) / page * page;
  if ((total += room) > kMaxBytes) return total -= room, false;
  const uint64_t offset = end_;
  end_ += room;  // given back with all of the file
  if (!file_) file_ = scratch_();
  // Written, not mapped for writing: a full disk is an error then, not a signal.
  if (!file_ || !WriteAt(file_.get(), offset, bytes)) return false;
  places_[id] = {offset, bytes.size()};
  return true;
}

std::span<const uint8_t> UnpackedSections::Find(size_t id) {
  const auto it = places_.find(id);
  if (it == places_.end()) return {};
  Place& place = it->second;
  if (place.mapped == nullptr) {
    void* mapped = mmap(nullptr, place.size, PROT_READ, MAP_SHARED, file_.get(), static_cast<off_t>(place.offset));
    if (mapped == MAP_FAILED) return {};
    place.mapped = mapped;
  }
  return {static_cast<const uint8_t*>(place.mapped), place.size};
}

void UnpackedSections::Release() {
  for (auto& [id, place] : places_) {
    if (place.mapped != nullptr) munmap(place.mapped, place.size);
    place.mapped = nullptr;
  }
}

}  // namespace otelprof
