// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <map>
#include <utility>

#include "owned_file.h"
#include "symbols.h"

namespace otelprof {
namespace {

// Process start times have a resolution of 10 ms, file times that of the kernel's tick.
constexpr uint64_t kClockSlackNs = 1'000'000'000;

constexpr size_t kReadBytes = 64 * 1024;
constexpr size_t kMaxLine = 16 * 1024;
constexpr uint64_t kMaxCodeBytes = 256u << 20;  // one piece of generated code; larger is a mistake

bool parseHexField(std::string_view* text, uint64_t* value, bool* prefixed) {
  *prefixed = text->starts_with("0x");
  if (*prefixed) text->remove_prefix(2);
  auto result = std::from_chars(text->data(), text->data() + text->size(), *value, 16);
  if (result.ec != std::errc()) return false;
  text->remove_prefix(static_cast<size_t>(result.ptr - text->data()));
  if (text->empty() || text->front() != ' ') return false;
  text->remove_prefix(1);
  return true;
}

struct Piece {
  uint64_t start;
  uint32_t size;
  uint32_t name;  // offset into names
};

/// Disjoint pieces by start; what comes later takes the place of what it covers.
class Batch {
 public:
  void overlay(uint64_t start, uint64_t end, uint32_t name) {
    auto it = pieces_.lower_bound(start);
    if (it != pieces_.begin()) {
      auto before = std::prev(it);
      if (before->second.end > start) {
        if (before->second.end > end) pieces_[end] = before->second;
        before->second.end = start;
      }
    }
    while (it != pieces_.end() && it->first < end) {
      if (it->second.end > end) pieces_[end] = it->second;
      it = pieces_.erase(it);
    }
    pieces_[start] = {end, name};
  }

  struct Tail {
    uint64_t end;
    uint32_t name;
  };
  const std::map<uint64_t, Tail>& pieces() const { return pieces_; }

 private:
  std::map<uint64_t, Tail> pieces_;
};

}  // namespace

struct PerfMap::Impl {
  int pid;
  std::string path;
  Limits limits;
  std::vector<Piece> pieces;  // sorted, disjoint
  std::string names;          // zero-terminated
  std::string partial;        // a line without its end yet
  uint64_t offset = 0;
  dev_t device = 0;
  ino_t inode = 0;
  bool jvm = false;
  bool truncated = false;

  void reset() {
    pieces.clear();
    names.clear();
    partial.clear();
    offset = 0;
    jvm = truncated = false;
  }
  bool line(std::string_view text, Batch* batch);
  void merge(const Batch& batch);
};

bool PerfMap::Impl::line(std::string_view text, Batch* batch) {
  uint64_t start;
  uint64_t size;
  bool prefixed;
  bool sizePrefixed;
  if (!parseHexField(&text, &start, &prefixed) || !parseHexField(&text, &size, &sizePrefixed)) return false;
  if (size == 0 || size > kMaxCodeBytes || start > UINT64_MAX - size || text.empty()) return false;
  if (pieces.size() + batch->pieces().size() >= limits.maxEntries ||
      names.size() + text.size() + 1 > limits.maxFileBytes) {
    truncated = true;
    return false;
  }
  // Only HotSpot (CodeCache::write_perf_map) writes 0x before its numbers.
  jvm = jvm || prefixed;
  auto name = static_cast<uint32_t>(names.size());
  names.append(text.substr(0, kMaxMangledBytes));
  names += '\0';
  batch->overlay(start, start + size, name);
  return true;
}

void PerfMap::Impl::merge(const Batch& batch) {
  std::vector<Piece> merged;
  merged.reserve(pieces.size() + batch.pieces().size() + 8);
  auto add = [&merged](uint64_t start, uint64_t end, uint32_t name) {
    if (start < end) merged.push_back({start, static_cast<uint32_t>(end - start), name});
  };
  auto fresh = batch.pieces().begin();
  auto freshEnd = batch.pieces().end();
  for (const Piece& old : pieces) {
    uint64_t start = old.start;
    uint64_t end = old.start + old.size;
    // Parts of the old piece between the new ones stay.
    while (fresh != freshEnd && fresh->first < end) {
      add(start, std::min(end, fresh->first), old.name);
      if (fresh->second.end > end) {
        start = end;
        break;
      }
      start = std::max(start, fresh->second.end);
      add(fresh->first, fresh->second.end, fresh->second.name);
      ++fresh;
    }
    add(start, end, old.name);
    // A new piece that reaches beyond this old one meets the next: it is added when it is passed.
  }
  for (; fresh != freshEnd; ++fresh) add(fresh->first, fresh->second.end, fresh->second.name);
  pieces = std::move(merged);
}

std::optional<std::string> PerfMap::PathFor(int pid, uint64_t notBeforeUnixNs) {
  auto status = ReadProcessStatus(pid);
  if (!status) return std::nullopt;
  const std::string candidates[] = {
      "/proc/" + std::to_string(pid) + "/root/tmp/perf-" + std::to_string(status->innermostPid) + ".map",
      "/tmp/perf-" + std::to_string(pid) + ".map"};
  for (const std::string& path : candidates) {
    struct stat st;
    int fd = OpenOwnedFile(path, status->effectiveUid, &st);
    if (fd < 0) continue;
    close(fd);
    // Maps stay when their process ends, and pids come again.
    const uint64_t writtenNs =
        static_cast<uint64_t>(st.st_mtim.tv_sec) * 1000000000u + static_cast<uint64_t>(st.st_mtim.tv_nsec);
    if (writtenNs + kClockSlackNs >= notBeforeUnixNs) return path;
  }
  return std::nullopt;
}

PerfMap::PerfMap(int pid, std::string path) : PerfMap(pid, std::move(path), Limits{}) {}
PerfMap::PerfMap(int pid, std::string path, Limits limits) : impl_(std::make_unique<Impl>()) {
  impl_->pid = pid;
  impl_->path = std::move(path);
  impl_->limits = limits;
  impl_->limits.maxFileBytes = std::min<size_t>(limits.maxFileBytes, UINT32_MAX / 2);
}
PerfMap::~PerfMap() = default;

bool PerfMap::Refresh() {
  Impl& impl = *impl_;
  auto status = ReadProcessStatus(impl.pid);
  if (!status) return false;
  struct stat st;
  int fd = OpenOwnedFile(impl.path, status->effectiveUid, &st);
  if (fd < 0) return false;
  auto size = static_cast<uint64_t>(st.st_size);
  if (st.st_dev != impl.device || st.st_ino != impl.inode || size < impl.offset) impl.reset();
  impl.device = st.st_dev;
  impl.inode = st.st_ino;

  Batch batch;
  size_t added = 0;
  std::vector<char> buffer(kReadBytes);
  for (size_t refreshed = 0; refreshed < impl.limits.maxRefreshBytes;) {
    if (impl.offset >= impl.limits.maxFileBytes) {
      impl.truncated = impl.truncated || size > impl.offset;
      break;
    }
    ssize_t n = pread(fd, buffer.data(), buffer.size(), static_cast<off_t>(impl.offset));
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) break;
    impl.offset += static_cast<uint64_t>(n);
    refreshed += static_cast<size_t>(n);
    std::string_view text(buffer.data(), static_cast<size_t>(n));
    for (size_t end; (end = text.find('\n')) != std::string_view::npos;) {
      if (impl.partial.empty()) {
        added += impl.line(text.substr(0, end), &batch);
      } else {
        impl.partial.append(text.substr(0, end));
        added += impl.line(impl.partial, &batch);
        impl.partial.clear();
      }
      text.remove_prefix(end + 1);
    }
    // An endless line is cut: its beginning still parses, its rest will not.
    if (impl.partial.size() < kMaxLine) impl.partial.append(text);
  }
  close(fd);
  if (added != 0) impl.merge(batch);
  return added != 0;
}

bool PerfMap::Lookup(uint64_t pc, ResolvedFrame* out, FrameKind* kind) const {
  const auto& pieces = impl_->pieces;
  auto after = std::upper_bound(pieces.begin(), pieces.end(), pc,
                                [](uint64_t address, const Piece& p) { return address < p.start; });
  if (after == pieces.begin()) return false;
  const Piece& piece = *std::prev(after);
  if (pc - piece.start >= piece.size) return false;
  *kind = ParsePerfMapName(impl_->names.c_str() + piece.name, impl_->jvm, out);
  return true;
}

bool PerfMap::truncated() const { return impl_->truncated; }
size_t PerfMap::entryCount() const { return impl_->pieces.size(); }
size_t PerfMap::sizeBytes() const {
  return sizeof(Impl) + impl_->pieces.capacity() * sizeof(Piece) + impl_->names.capacity() +
         impl_->partial.capacity();
}

}  // namespace otelprof
