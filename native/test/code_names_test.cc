// SPDX-License-Identifier: Apache-2.0
// Files with names of generated code that cannot be read to their end: each is counted, and once.
#include "code_names.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <string>

#include "table_worker.h"
#include "test_macros.h"

using namespace otelprof;

namespace {

std::string folder;

template <typename T>
void Put(std::string* out, T value) {
  out->append(reinterpret_cast<const char*>(&value), sizeof(value));
}

std::string DumpHeader() {
  std::string out;
  for (const uint32_t word : {0x4a695444u, 1u, 40u, 62u, 0u, 1u}) Put(&out, word);
  Put(&out, uint64_t{0});
  Put(&out, uint64_t{0});
  return out;
}

std::string RecordHead(uint32_t size) {
  std::string out;
  Put(&out, uint32_t{99});  // unknown ones are passed over
  Put(&out, size);
  Put(&out, uint64_t{1});
  return out;
}

/// A file that this process maps as programs map their jitdump.
class MappedDump {
 public:
  explicit MappedDump(const std::string& bytes) {
    const std::string path = folder + "/jit-1.dump";
    fd_ = UniqueFd(open(path.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
    Append(bytes);
    at_ = mmap(nullptr, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd_.get(), 0);
    CHECK(at_ != MAP_FAILED);
  }
  ~MappedDump() { munmap(at_, 4096); }
  void Append(const std::string& bytes) {
    CHECK(lseek(fd_.get(), 0, SEEK_END) >= 0);
    CHECK(write(fd_.get(), bytes.data(), bytes.size()) == static_cast<ssize_t>(bytes.size()));
  }
  void Grow(off_t size) { CHECK(ftruncate(fd_.get(), size) == 0); }

 private:
  UniqueFd fd_;
  void* at_;
};

std::unique_ptr<ProcessInfo> Self() {
  auto info = std::make_unique<ProcessInfo>();
  info->pid = getpid();
  info->startNs = BootTimeNs();
  return info;
}

struct Counted {
  explicit Counted(const CodeNameStats& stats)
      : malformed(stats.jitDumpsMalformed), truncated(stats.jitDumpsTruncated), maps(stats.perfMapsTruncated) {}
  Counted(uint64_t m, uint64_t t, uint64_t p) : malformed(m), truncated(t), maps(p) {}
  bool operator==(const Counted&) const = default;
  uint64_t malformed, truncated, maps;
};

void NoDumpAtAll() {
  CodeNameStats stats;
  const auto process = Self();
  MappedDump dump(std::string(64, 'x'));
  for (int i = 0; i < 3; i++) FindCodeNames(*process, &stats);
  CHECK(process->jitDump == nullptr);
  CHECK(Counted(stats) == Counted(1, 0, 0));
  FindCodeNames(*Self(), &stats);  // another process
  CHECK(Counted(stats) == Counted(2, 0, 0));
}

void NotYetWritten() {
  CodeNameStats stats;
  const auto process = Self();
  MappedDump dump(DumpHeader().substr(0, 20));
  FindCodeNames(*process, &stats);
  CHECK(process->jitDump == nullptr);
  dump.Append(DumpHeader().substr(20));
  FindCodeNames(*process, &stats);
  CHECK(process->jitDump != nullptr);
  CHECK(Counted(stats) == Counted(0, 0, 0));
  // Half a record is no fault; a size that leads nowhere is, when it comes.
  dump.Append(RecordHead(64));
  RefreshCodeNames(*process, &stats);
  CHECK(Counted(stats) == Counted(0, 0, 0));
  dump.Append(std::string(48, '\0') + RecordHead(3));
  for (int i = 0; i < 3; i++) RefreshCodeNames(*process, &stats);
  CHECK(Counted(stats) == Counted(1, 0, 0));
}

void BeyondALimit() {
  CodeNameStats stats;
  const auto process = Self();
  const off_t most = static_cast<off_t>(JitDump::Limits{}.maxFileBytes);
  MappedDump dump(DumpHeader() + RecordHead(static_cast<uint32_t>(most - 40)));
  dump.Grow(most + 100);  // a hole
  FindCodeNames(*process, &stats);
  RefreshCodeNames(*process, &stats);
  CHECK(process->jitDump != nullptr);
  CHECK(Counted(stats) == Counted(0, 1, 0));
}

void LongPerfMap() {
  CodeNameStats stats;
  const auto process = Self();
  const std::string path = "/tmp/perf-" + std::to_string(getpid()) + ".map";
  const UniqueFd map(open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
  CHECK(static_cast<bool>(map));
  CHECK(write(map.get(), "1000 10 first\n", 14) == 14);
  FindCodeNames(*process, &stats);
  CHECK(process->perfMap != nullptr);
  const PerfMap::Limits limits;
  CHECK(ftruncate(map.get(), static_cast<off_t>(limits.maxFileBytes)) == 0);
  const size_t reads = limits.maxFileBytes / limits.maxRefreshBytes + 2;
  for (size_t i = 0; i < reads; i++) RefreshCodeNames(*process, &stats);
  CHECK(Counted(stats) == Counted(0, 0, 0));
  CHECK(ftruncate(map.get(), static_cast<off_t>(limits.maxFileBytes + 1)) == 0);
  for (int i = 0; i < 3; i++) RefreshCodeNames(*process, &stats);
  CHECK(Counted(stats) == Counted(0, 0, 1));
  unlink(path.c_str());
}

}  // namespace

int main() {
  char name[] = "/tmp/otelprof-code-names-XXXXXX";
  folder = mkdtemp(name);
  NoDumpAtAll();
  NotYetWritten();
  BeyondALimit();
  LongPerfMap();
  std::filesystem::remove_all(folder);
  return testResult("code_names_test");
}
