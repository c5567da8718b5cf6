// SPDX-License-Identifier: Apache-2.0
// The thread that reads DWARF: several files at once, the byte budget, files without DWARF.
#include <fcntl.h>
#include <stdlib.h>

#include <cstdio>
#include <filesystem>
#include <string>

#include "line_worker.h"
#include "test_macros.h"

using namespace otelprof;

namespace {

constexpr std::chrono::milliseconds kForever{60'000};
const std::string kSources = std::filesystem::path(__FILE__).parent_path().string() + "/dwarf/";

struct Built {
  std::shared_ptr<ProfiledFile> file;
  std::vector<uint64_t> addresses;
};

Built Open(uint32_t id, const std::string& path, DwarfErrors* errors) {
  UniqueFd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  const auto image = ElfFile::Open(fd.get(), nullptr);
  CHECK(image != nullptr);
  Built out;
  if (!image) return out;
  const auto* text = image->section(".text");
  for (uint64_t at = 0; at < text->size; at += 64) out.addresses.push_back(text->addr + at);
  out.file = std::make_shared<ProfiledFile>(id, ProfiledFile::Identity{}, path, "", std::move(fd), ExecutableSegments(*image));
  out.file->SetDwarf(DwarfFile::Open(*image, nullptr, errors));
  return out;
}

size_t Found(const Built& built) {
  size_t found = 0;
  std::vector<SourceFrame> frames;
  std::shared_ptr<const UnitTable> table;
  for (const uint64_t address : built.addresses)
    found += built.file->dwarf()->Find(address, &frames, &table) == DwarfFile::Answer::Found;
  return found;
}

}  // namespace

int main() {
  char name[] = "/tmp/otelprof-lines-XXXXXX";
  const std::string folder = mkdtemp(name);
  const std::string program = folder + "/program";
  CHECK(std::system(("g++ -std=c++17 -O1 -g " + kSources + "inlined.cc -o " + program).c_str()) == 0);
  CHECK(std::system(("strip " + program + " -o " + program + "-bare").c_str()) == 0);
  DwarfErrors errors;
  {
    const Built a = Open(1, program, &errors), b = Open(2, program, &errors), bare = Open(3, program + "-bare", &errors);
    CHECK(bare.file->dwarf() == nullptr);
    LineWorker worker;
    for (const Built* built : {&a, &bare, &b}) worker.Queue(built->file, built->addresses);
    worker.WaitIdle(kForever);
    CHECK(Found(a) > 100);
    CHECK_EQ(Found(a), Found(b));
    CHECK_EQ(worker.stats().unitsLoaded.load(), 2u);
    CHECK_EQ(worker.stats().evictions.load(), 0u);
    CHECK_EQ(worker.stats().bytes.load(), a.file->dwarf()->sizeBytes() + b.file->dwarf()->sizeBytes());
    CHECK_EQ(worker.queued(), 0u);
  }
  {
    const Built a = Open(1, program, &errors), b = Open(2, program, &errors);
    uint64_t one = 0;
    {
      const Built measured = Open(3, program, &errors);
      LineWorker worker;
      worker.Queue(measured.file, measured.addresses);
      worker.WaitIdle(kForever);
      one = worker.stats().bytes;
    }
    // Room for one of the two: the one used last stays.
    LineWorker worker(one * 3 / 2);
    worker.Queue(a.file, a.addresses);
    worker.WaitIdle(kForever);
    CHECK(Found(a) > 100);
    worker.Queue(b.file, b.addresses);
    worker.WaitIdle(kForever);
    CHECK_EQ(worker.stats().evictions.load(), 1u);
    CHECK(worker.stats().bytes.load() <= one * 3 / 2);
    CHECK_EQ(a.file->dwarf()->unitCount(), 0u);
    CHECK(Found(b) > 100);
    // What was forgotten is read again when it is asked for.
    worker.Queue(a.file, a.addresses);
    worker.WaitIdle(kForever);
    CHECK(Found(a) > 100);
    CHECK_EQ(worker.stats().evictions.load(), 2u);
  }
  {
    const Built a = Open(1, program, &errors);
    LineWorker worker(1);
    worker.Queue(a.file, a.addresses);
    worker.WaitIdle(kForever);
    CHECK(worker.stats().evictions.load() > 0);
    CHECK_EQ(a.file->dwarf()->unitCount(), 0u);
    worker.Stop();
    worker.Queue(a.file, a.addresses);
    CHECK_EQ(worker.queued(), 0u);
  }
  CHECK_EQ(errors.malformed + errors.overLimit, 0u);
  std::filesystem::remove_all(folder);
  return testResult("line_worker_test");
}
