// SPDX-License-Identifier: Apache-2.0
// The thread that reads DWARF: several files at once, the byte budget, files without DWARF.
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

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

/// A copy of a program with other bytes at an offset into its .debug_info.
std::string Patched(const std::string& program, const std::string& name, size_t at, const std::string& bytes) {
  const UniqueFd fd(open(program.c_str(), O_RDONLY | O_CLOEXEC));
  const auto image = ElfFile::Open(fd.get(), nullptr);
  const auto* info = image ? image->section(".debug_info") : nullptr;
  CHECK(info != nullptr && at + bytes.size() <= info->size);
  if (info == nullptr) return program;
  std::filesystem::copy_file(program, program + name);
  const UniqueFd copy(open((program + name).c_str(), O_WRONLY | O_CLOEXEC));
  CHECK(pwrite(copy.get(), bytes.data(), bytes.size(), static_cast<off_t>(info->offset + at)) > 0);
  return program + name;
}

/// Each way in which DWARF is refused counts under its own reason.
void RefusalsAreCounted(const std::string& program) {
  struct Case {
    std::string path;
    std::atomic<uint64_t> DwarfErrors::*counter;
  };
  const std::string packed = program + "-packed", dwz = program + "-dwz";
  CHECK(std::system(("objcopy --compress-debug-sections=zlib " + program + " " + packed).c_str()) == 0);
  CHECK(std::system(("objcopy --add-section .gnu_debugaltlink=/etc/hostname " + program + " " + dwz).c_str()) == 0);
  constexpr size_t kSizeInHead = 8, kPackedHead = 24, kVersion = 4;
  const Case cases[] = {
      {Patched(program, "-version", kVersion, {99, 0}), &DwarfErrors::malformed},
      {Patched(packed, "-size", kSizeInHead, {0, 0, 0, 0, 1, 0, 0, 0}), &DwarfErrors::overLimit},  // 4 GiB
      {Patched(packed, "-bytes", kPackedHead, "xxxxxxxx"), &DwarfErrors::compressed},
      {dwz, &DwarfErrors::alternate},
  };
  for (const auto& [path, counter] : cases) {
    DwarfErrors errors;
    const Built built = Open(1, path, &errors);
    LineWorker worker;
    worker.Queue(built.file, built.addresses);
    worker.WaitIdle(kForever);
    CHECK(errors.*counter > 0);
    // What did not unpack is, to who reads it, malformed as well.
    for (const auto other : {&DwarfErrors::overLimit, &DwarfErrors::compressed, &DwarfErrors::alternate})
      CHECK(other == counter || errors.*other == 0);
    CHECK(built.file->dwarf() == nullptr || Found(built) < 100);
  }
}

void TooMuchAtOnceIsRefused(const std::string& program) {
  DwarfErrors errors;
  const Built built = Open(1, program, &errors);
  LineWorker worker;
  worker.Queue(built.file, std::vector<uint64_t>(200'001, built.addresses.front()));
  CHECK_EQ(worker.stats().addressesRefused.load(), 200'001u);
  CHECK_EQ(worker.queued(), 0u);
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
  RefusalsAreCounted(program);
  TooMuchAtOnceIsRefused(program);
  std::filesystem::remove_all(folder);
  return testResult("line_worker_test");
}
