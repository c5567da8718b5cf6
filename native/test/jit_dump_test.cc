// SPDX-License-Identifier: Apache-2.0
// Jitdump files: names, times, moves, lines, growth, and what does not fit together.
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstring>
#include <ctime>
#include <random>
#include <string>

#include "../addon/symbols/jit_dump.h"
#include "test_macros.h"

namespace otelprof {
namespace {

template <typename T>
void Put(std::string* out, T value) {
  out->append(reinterpret_cast<const char*>(&value), sizeof(value));
}

std::string Header(uint64_t flags = 0) {
  std::string out;
  for (const uint32_t word : {0x4a695444u, 1u, 40u, 62u, 0u, 1u}) Put(&out, word);
  Put(&out, uint64_t{0});
  Put(&out, flags);
  return out;
}

std::string Record(uint32_t id, uint64_t timeNs, const std::string& body) {
  std::string out;
  Put(&out, id);
  Put(&out, static_cast<uint32_t>(16 + body.size()));
  Put(&out, timeNs);
  return out + body;
}

std::string Load(uint64_t timeNs, uint64_t start, uint64_t size, std::string_view name) {
  std::string body;
  Put(&body, uint64_t{0});  // pid, tid
  Put(&body, start);
  Put(&body, start);
  Put(&body, size);
  Put(&body, uint64_t{1});
  body.append(name);
  body.append(1 + size, '\0');
  return Record(0, timeNs, body);
}

std::string Move(uint64_t timeNs, uint64_t from, uint64_t to) {
  std::string body;
  for (const uint64_t word : {uint64_t{0}, uint64_t{0}, from, to, uint64_t{0}, uint64_t{1}}) Put(&body, word);
  return Record(1, timeNs, body);
}

std::string Lines(uint64_t start, uint64_t shift) {
  std::string body;
  Put(&body, start);
  Put(&body, uint64_t{3});
  const char* files[] = {"one.js", "\xff", "two.js"};
  for (uint32_t i = 0; i < 3; i++) {
    Put(&body, start + shift + i * 16);
    Put(&body, 10 + i);
    Put(&body, uint32_t{0});
    body.append(files[i], std::strlen(files[i]) + 1);
  }
  return Record(2, 0, body);
}

/// A dump in memory that grows.
class File {
 public:
  File() : fd_(memfd_create("jit", MFD_CLOEXEC)) {}
  void Append(const std::string& bytes) {
    if (write(fd_.get(), bytes.data(), bytes.size()) != static_cast<ssize_t>(bytes.size())) CHECK(false);
  }
  std::unique_ptr<JitDump> Open(JitDump::Limits limits = {}) {
    malformed_ = false;
    auto dump = JitDump::Open(UniqueFd(dup(fd_.get())), limits, &malformed_);
    if (dump) dump->Refresh();
    return dump;
  }

  bool malformed() const { return malformed_; }

 private:
  UniqueFd fd_;
  bool malformed_ = false;
};

std::string NameAt(const JitDump& dump, uint64_t pc, uint64_t timeNs) {
  timespec boot{}, monotonic{};
  clock_gettime(CLOCK_BOOTTIME, &boot);
  clock_gettime(CLOCK_MONOTONIC, &monotonic);
  // Within a few microseconds of what the reader adds.
  const uint64_t ahead = static_cast<uint64_t>((boot.tv_sec - monotonic.tv_sec) * 1'000'000'000 + boot.tv_nsec - monotonic.tv_nsec);
  ResolvedFrame frame;
  FrameKind kind{};
  return dump.Lookup(pc, timeNs + ahead, &frame, &kind) ? frame.name : "-";
}

constexpr uint64_t kSecond = 1'000'000'000;

void TestTimes() {
  File file;
  file.Append(Header() + Load(10 * kSecond, 0x1000, 0x100, "first") + Load(20 * kSecond, 0x1080, 0x100, "second"));
  auto dump = file.Open();
  CHECK(dump != nullptr);
  if (!dump) return;
  CHECK_EQ(NameAt(*dump, 0x1090, 15 * kSecond), "first");
  CHECK_EQ(NameAt(*dump, 0x1090, 25 * kSecond), "second");
  CHECK_EQ(NameAt(*dump, 0x1090, 5 * kSecond), "first");   // ran before it was written down
  CHECK_EQ(NameAt(*dump, 0x1010, 15 * kSecond), "first");
  CHECK_EQ(NameAt(*dump, 0x1010, 25 * kSecond), "-");  // given up with the rest of its code
  CHECK_EQ(NameAt(*dump, 0x1180, 25 * kSecond), "-");
  // Half a record is read when the rest is there.
  const std::string third = Load(30 * kSecond, 0x2000, 0x10, "third");
  file.Append(third.substr(0, 30));
  dump->Refresh();
  CHECK_EQ(NameAt(*dump, 0x2000, 40 * kSecond), "-");
  file.Append(third.substr(30) + Move(50 * kSecond, 0x2000, 0x3000) + Record(99, 0, "?"));
  dump->Refresh();
  CHECK_EQ(NameAt(*dump, 0x2008, 40 * kSecond), "third");
  CHECK_EQ(NameAt(*dump, 0x3008, 60 * kSecond), "third");
  CHECK_EQ(NameAt(*dump, 0x2008, 60 * kSecond), "-");
  CHECK(dump->CodeAt(0x3008, 1000 * kSecond) != dump->CodeAt(0x1090, 1000 * kSecond));
  CHECK(!dump->truncated() && !dump->malformed());
}

void TestLines() {
  File file;
  // V8 shifts its lines by the size of an ELF header.
  file.Append(Header() + Lines(0x1000, 64) + Load(1, 0x1000, 0x100, "JS:*run file:///app.mjs:7:3") + Lines(0x2000, 0) +
              Load(1, 0x2000, 0x100, "plain") + Lines(0x9000, 0) + Load(1, 0x4000, 0x100, "other"));
  const auto dump = file.Open();
  CHECK(dump != nullptr);
  if (!dump) return;
  ResolvedFrame frame;
  FrameKind kind{};
  CHECK(dump->Lookup(0x1018, UINT64_MAX, &frame, &kind));
  CHECK_EQ(frame.name, "run");
  CHECK_EQ(frame.startLine, 7u);
  CHECK_EQ(frame.line, 11u);
  CHECK_EQ(frame.file, "one.js");
  CHECK(kind == FrameKind::V8Js);
  CHECK(dump->Lookup(0x2020, UINT64_MAX, &frame, &kind));
  CHECK_EQ(frame.line, 12u);
  CHECK_EQ(frame.file, "two.js");
  CHECK(dump->Lookup(0x4000, UINT64_MAX, &frame, &kind));
  CHECK_EQ(frame.line, 0u);
}

void TestOwnClock() {
  File file;
  file.Append(Header(1) + Load(UINT64_MAX - 10, 0x1000, 0x100, "old") + Load(5, 0x1000, 0x100, "new"));
  const auto dump = file.Open();
  CHECK(dump && NameAt(*dump, 0x1000, 1) == "new");
}

void TestHostile() {
  File empty;
  CHECK(!empty.Open() && !empty.malformed());  // nothing is written yet
  File magic;
  magic.Append(std::string(64, 'x'));
  CHECK(!magic.Open() && magic.malformed());
  File size;
  size.Append(Header() + Record(0, 0, "").replace(4, 4, std::string(4, '\0')) + Load(1, 0x1000, 16, "never"));
  CHECK(size.Open()->malformed() && !size.Open()->truncated());
  File wrap;
  wrap.Append(Header() + Load(1, UINT64_MAX - 8, 16, "wraps") + Load(1, 0, 0, "empty"));
  CHECK_EQ(wrap.Open()->entryCount(), size_t{0});
  File many;
  many.Append(Header());
  for (uint64_t i = 0; i < 100; i++) many.Append(Load(i, 0x1000, 16, "again"));
  JitDump::Limits limits;
  limits.maxReplaced = 10;
  CHECK_EQ(many.Open(limits)->entryCount(), size_t{11});
  limits.maxBytes = 500;
  CHECK(many.Open(limits)->truncated() && !many.Open(limits)->malformed());

  std::mt19937 random(1);
  const std::string good = Header() + Lines(0x1000, 64) + Load(1, 0x1000, 64, "JS:*a b:1:2") + Move(2, 0x1000, 0x8000) +
                           Load(3, 0x1010, 64, "c") + Record(3, 9, "");
  for (int round = 0; round < 300; round++) {
    std::string bad = good;
    for (int i = 0; i < 4; i++) bad[random() % bad.size()] = static_cast<char>(random());
    bad.resize(random() % (bad.size() + 1));
    File file;
    file.Append(bad);
    const auto dump = file.Open();
    if (dump) NameAt(*dump, 0x1010, random());
  }
}

}  // namespace
}  // namespace otelprof

int main() {
  otelprof::TestTimes();
  otelprof::TestLines();
  otelprof::TestOwnClock();
  otelprof::TestHostile();
  return testResult("jit_dump");
}
