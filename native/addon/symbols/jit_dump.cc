// SPDX-License-Identifier: Apache-2.0
#include "jit_dump.h"

#include <elf.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <ctime>

#include "../proc_fs.h"
#include "owned_file.h"

namespace otelprof {
namespace {

constexpr uint32_t kMagic = 0x4a695444;  // "JiTD"
constexpr size_t kHeaderBytes = 40;
constexpr size_t kPrefixBytes = 16;
constexpr uint64_t kOwnClockFlag = 1;
enum RecordId : uint32_t { kLoad = 0, kMove = 1, kDebugInfo = 2, kClose = 3 };
// What is read of a record: all but the machine code of a load.
constexpr size_t kMaxBodyBytes = 4u << 20;
constexpr size_t kLoadBytes = 40;
constexpr size_t kMaxNameBytes = 4096;
constexpr uint64_t kMaxCodeBytes = 256u << 20;
constexpr size_t kMaxLines = 1u << 16;
// V8 adds the size of an ELF header to the addresses of its lines, as perf once left it out.
constexpr uint64_t kElfHeaderBytes = sizeof(Elf64_Ehdr);

template <typename T>
T At(std::string_view bytes, size_t offset) {
  T value{};
  if (offset + sizeof(T) <= bytes.size()) std::memcpy(&value, bytes.data() + offset, sizeof(T));
  return value;
}

std::string_view TextAt(std::string_view bytes, size_t offset) {
  if (offset >= bytes.size()) return {};
  const std::string_view rest = bytes.substr(offset);
  return rest.substr(0, std::min(rest.find('\0'), rest.size()));
}

bool ReadAt(int fd, uint64_t offset, size_t size, std::string* out) {
  out->resize(size);
  size_t done = 0;
  while (done < size) {
    const ssize_t n = pread(fd, out->data() + done, size - done, static_cast<off_t>(offset + done));
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return false;
    done += static_cast<size_t>(n);
  }
  return true;
}

uint64_t NowNs(clockid_t clock) {
  timespec now{};
  clock_gettime(clock, &now);
  return static_cast<uint64_t>(now.tv_sec) * 1000000000u + static_cast<uint64_t>(now.tv_nsec);
}

bool IsDumpPath(std::string_view path) {
  const std::string_view name = path.substr(path.rfind('/') + 1);
  return name.starts_with("jit-") && name.ends_with(".dump");
}

}  // namespace

std::unique_ptr<JitDump> JitDump::Find(int pid, bool* malformed) {
  std::vector<ProcMapsLine> lines;
  const auto status = ReadProcessStatus(pid);
  if (!status || !ReadExecutableMappings(pid, &lines)) return nullptr;
  for (const auto& line : lines) {
    if (!IsDumpPath(line.path) || !line.path.starts_with('/')) continue;
    struct stat st;
    UniqueFd fd(OpenOwnedFile("/proc/" + std::to_string(pid) + "/root" + line.path, status->effectiveUid, &st));
    if (!fd) continue;
    if (auto dump = Open(std::move(fd), Limits{}, malformed)) return dump;
  }
  return nullptr;
}

std::unique_ptr<JitDump> JitDump::Open(UniqueFd fd, Limits limits, bool* malformed) {
  std::unique_ptr<JitDump> dump(new JitDump(std::move(fd), limits));
  return dump->ReadHeader(malformed) ? std::move(dump) : nullptr;
}

bool JitDump::ReadHeader(bool* malformed) {
  std::string header;
  if (!ReadAt(fd_.get(), 0, kHeaderBytes, &header)) return false;
  const auto size = At<uint32_t>(header, 8);
  if (At<uint32_t>(header, 0) != kMagic || At<uint32_t>(header, 4) != 1 || size < kHeaderBytes || size > kMaxBodyBytes) {
    *malformed = true;
    return false;
  }
  ownClock_ = At<uint64_t>(header, 32) & kOwnClockFlag;
  offset_ = size;
  return true;
}

void JitDump::Refresh() {
  struct stat st {};
  if (truncated_ || malformed_ || fstat(fd_.get(), &st) != 0) return;
  const uint64_t monotonic = NowNs(CLOCK_MONOTONIC);
  bootAheadNs_ = NowNs(CLOCK_BOOTTIME) - monotonic;
  const auto fileBytes = std::min(static_cast<uint64_t>(st.st_size), limits_.maxFileBytes);
  for (size_t i = 0; i < limits_.maxRefreshRecords && ReadRecord(fileBytes); i++) continue;
}

bool JitDump::ReadRecord(uint64_t fileBytes) {
  std::string bytes;
  if (offset_ + kPrefixBytes > fileBytes || !ReadAt(fd_.get(), offset_, kPrefixBytes, &bytes)) {
    truncated_ = truncated_ || fileBytes == limits_.maxFileBytes;
    return false;
  }
  const auto id = At<uint32_t>(bytes, 0);
  const uint64_t size = At<uint32_t>(bytes, 4);
  const auto timeNs = At<uint64_t>(bytes, 8);
  if (size < kPrefixBytes) {
    malformed_ = true;
    return false;
  }
  if (size > fileBytes - offset_) return false;  // still being written
  if (entryCount() >= limits_.maxEntries || bytes_ >= limits_.maxBytes) {
    truncated_ = true;
    return false;
  }
  const uint64_t body = size - kPrefixBytes;
  const size_t wanted = std::min<uint64_t>(body, id == kLoad ? kLoadBytes + kMaxNameBytes : kMaxBodyBytes);
  if ((id == kLoad || id == kMove || id == kDebugInfo) && ReadAt(fd_.get(), offset_ + kPrefixBytes, wanted, &bytes)) {
    if (id == kLoad) ReadLoad(bytes, timeNs);
    if (id == kMove) ReadMove(bytes, timeNs);
    if (id == kDebugInfo) ReadLines(bytes);
  }
  offset_ += size;
  return id != kClose;
}

uint32_t JitDump::Keep(std::string_view text) {
  const auto at = static_cast<uint32_t>(text_.size());
  text_.append(text);
  text_ += '\0';
  bytes_ += text.size() + 1;
  return at;
}

/// {pid, tid, vma, address, size, index, name, code}
void JitDump::ReadLoad(std::string_view body, uint64_t timeNs) {
  Code code{};
  const auto start = At<uint64_t>(body, 16), size = At<uint64_t>(body, 24);
  const std::string_view name = TextAt(body, kLoadBytes);
  if (size == 0 || size > kMaxCodeBytes || start > UINT64_MAX - size || name.empty()) return;
  code.start = start;
  code.end = start + size;
  code.sinceNs = timeNs;
  code.name = Keep(name.substr(0, kMaxNameBytes));
  if (linesFor_ == start) code.lines = std::move(lines_);
  lines_.clear();
  linesFor_ = 0;
  if (!code.lines.empty() && name.starts_with("JS:") && code.lines.front().address >= start + kElfHeaderBytes)
    for (Line& line : code.lines) line.address -= kElfHeaderBytes;
  bytes_ += sizeof(Code) + code.lines.size() * sizeof(Line);
  Place(std::move(code));
}

/// {pid, tid, vma, old address, new address, size, index}
void JitDump::ReadMove(std::string_view body, uint64_t timeNs) {
  const auto from = At<uint64_t>(body, 16), to = At<uint64_t>(body, 24);
  const auto it = live_.find(from);
  if (it == live_.end() || to == 0) return;
  Code moved = it->second;
  const uint64_t size = moved.end - moved.start;
  if (to > UINT64_MAX - size) return;
  it->second.untilNs = timeNs;
  replaced_.push_back(std::move(it->second));
  live_.erase(it);
  for (Line& line : moved.lines) line.address += to - from;
  moved.start = to;
  moved.end = to + size;
  moved.sinceNs = timeNs;
  bytes_ += sizeof(Code) + moved.lines.size() * sizeof(Line);
  Place(std::move(moved));
}

/// {address, count, {address, line, discriminator, file}…}; a file of "\xff" is the one before.
void JitDump::ReadLines(std::string_view body) {
  constexpr size_t kEntryBytes = 16;
  const auto count = std::min<uint64_t>(At<uint64_t>(body, 8), kMaxLines);
  uint32_t file = 0;
  size_t at = 16;
  linesFor_ = At<uint64_t>(body, 0);
  lines_.clear();
  for (uint64_t i = 0; i < count && at + kEntryBytes < body.size(); i++) {
    const std::string_view name = TextAt(body, at + kEntryBytes);
    if (name != "\xff") {
      const auto known = files_.find(name);
      if (known != files_.end()) {
        file = known->second;
      } else {
        file = Keep(name.substr(0, kMaxNameBytes));
        files_.emplace(name, file);
      }
    }
    lines_.push_back({At<uint64_t>(body, at), At<uint32_t>(body, at + 8), file});
    at += kEntryBytes + name.size() + 1;
  }
  std::stable_sort(lines_.begin(), lines_.end(), [](const Line& a, const Line& b) { return a.address < b.address; });
}

void JitDump::Place(Code code) {
  code.id = nextId_++;
  code.untilNs = UINT64_MAX;
  auto it = live_.upper_bound(code.start);
  if (it != live_.begin() && std::prev(it)->second.end > code.start) --it;
  while (it != live_.end() && it->second.start < code.end) {
    it->second.untilNs = code.sinceNs;
    replaced_.push_back(std::move(it->second));
    it = live_.erase(it);
  }
  while (replaced_.size() > limits_.maxReplaced) {
    bytes_ -= sizeof(Code) + replaced_.front().lines.size() * sizeof(Line);
    replaced_.pop_front();
  }
  live_[code.start] = std::move(code);
}

const JitDump::Code* JitDump::Find(uint64_t pc, uint64_t bootNs) const {
  const uint64_t timeNs = ownClock_ ? UINT64_MAX - 1 : bootNs - std::min(bootNs, bootAheadNs_);
  const Code* found = nullptr;
  const auto after = live_.upper_bound(pc);
  if (after != live_.begin() && pc < std::prev(after)->second.end) found = &std::prev(after)->second;
  if (found && found->sinceNs <= timeNs) return found;
  for (auto it = replaced_.rbegin(); it != replaced_.rend(); ++it) {
    if (pc < it->start || pc >= it->end || timeNs >= it->untilNs) continue;
    found = &*it;
    if (found->sinceNs <= timeNs) break;
  }
  // Code may run a moment before it is written down: then the first one it was.
  return found;
}

uint64_t JitDump::CodeAt(uint64_t pc, uint64_t timeNs) const {
  const Code* code = Find(pc, timeNs);
  return code ? code->id : 0;
}

bool JitDump::Lookup(uint64_t pc, uint64_t timeNs, ResolvedFrame* out, FrameKind* kind) const {
  const Code* code = Find(pc, timeNs);
  if (!code) return false;
  *kind = ParsePerfMapName(text_.c_str() + code->name, false, out);
  const auto after = std::upper_bound(code->lines.begin(), code->lines.end(), pc,
                                      [](uint64_t address, const Line& line) { return address < line.address; });
  if (after == code->lines.begin()) return true;
  const Line& line = *std::prev(after);
  const char* file = text_.c_str() + line.file;
  // V8 names the script that an inlined function is from.
  if (*file) out->file = ValidUtf8(file);
  out->line = line.line;
  out->column = 0;
  return true;
}

}  // namespace otelprof
