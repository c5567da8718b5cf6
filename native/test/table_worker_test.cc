// SPDX-License-Identifier: Apache-2.0
// What the thread that makes unwind tables counts: without a kernel program, as for perf events.
#include "table_worker.h"

#include <fcntl.h>
#include <unistd.h>

#include <string>

#include "test_macros.h"

using namespace otelprof;

namespace {

constexpr std::chrono::milliseconds kForever{60'000};

std::shared_ptr<ProfiledFile> FileAt(uint32_t id, const std::string& path) {
  return std::make_shared<ProfiledFile>(id, ProfiledFile::Identity{}, path, "",
                                        UniqueFd(open(path.c_str(), O_RDONLY | O_CLOEXEC)),
                                        std::vector<ElfFile::Segment>{});
}

void LoadsAndFails() {
  TableWorker worker(nullptr, Options{});
  const auto self = FileAt(1, "/proc/self/exe");
  // An ELF file when it was first seen, overwritten by now.
  const auto none = FileAt(2, "/proc/self/cmdline"), copied = FileAt(3, "/proc/self/cmdline");
  worker.QueueTable(self);
  worker.QueueTable(none);
  worker.WaitIdle(kForever);
  CHECK(self->tableState == TableState::Loaded);
  CHECK(self->table() != nullptr);
  CHECK(none->tableState == TableState::Failed);
  CHECK_EQ(worker.stats().tablesLoaded.load(), 1u);
  CHECK_EQ(worker.stats().tablesFailed.load(), 1u);
  CHECK_EQ(worker.stats().tableBytes.load(), self->tableBytes.load());
  CHECK(self->tableBytes > 10'000);
  copied->tableState = TableState::Evicted;
  worker.QueueCopy(copied);
  worker.WaitIdle(kForever);
  CHECK(copied->tableState == TableState::Failed);
  CHECK_EQ(worker.stats().tablesFailed.load(), 2u);
  CHECK_EQ(worker.stats().tablesEvicted.load(), 0u);
  CHECK_EQ(worker.queued(), 0u);
}

void KeepsToItsBytes() {
  Options options;
  const auto a = FileAt(1, "/proc/self/exe"), b = FileAt(2, "/proc/self/exe");
  {
    TableWorker measured(nullptr, Options{});
    measured.QueueTable(FileAt(3, "/proc/self/exe"));
    measured.WaitIdle(kForever);
    options.maxTableBytes = measured.stats().tableBytes * 3 / 2;
  }
  TableWorker worker(nullptr, options);
  worker.QueueTable(a);
  worker.WaitIdle(kForever);
  CHECK_EQ(worker.stats().tablesEvicted.load(), 0u);
  worker.QueueTable(b);
  worker.WaitIdle(kForever);
  CHECK_EQ(worker.stats().tablesEvicted.load(), 1u);
  CHECK(worker.stats().tableBytes <= options.maxTableBytes);
  // The first one is in use: the newcomer waits.
  CHECK(a->table() != nullptr && b->table() == nullptr);
  CHECK(b->tableState == TableState::Evicted && b->reloadAfterNs > BootTimeNs());
}

}  // namespace

int main() {
  LoadsAndFails();
  KeepsToItsBytes();
  return testResult("table_worker_test");
}
