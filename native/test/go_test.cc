// SPDX-License-Identifier: Apache-2.0
// Labels of Go programs: versions, layouts, where a thread has its g, and what comes with a sample.
#include <cstring>
#include <random>
#include <string>
#include <vector>

#include "runtimes/go/detect.h"
#include "test_macros.h"
#include "user_frames.h"

namespace otelprof::go {
namespace {

std::vector<uint8_t> BuildInfo(std::string_view version, uint8_t flags = 2) {
  std::vector<uint8_t> out(32);
  const std::string_view magic = "\xff Go buildinf:";
  std::memcpy(out.data(), magic.data(), magic.size());
  out[14] = 8;
  out[15] = flags;
  out.push_back(static_cast<uint8_t>(version.size()));
  out.insert(out.end(), version.begin(), version.end());
  return out;
}

void TestVersions() {
  CHECK_EQ(MinorVersion(BuildInfo("go1.26.8")), 26u);
  CHECK_EQ(MinorVersion(BuildInfo("go1.21rc2 X:nocoverageredesign")), 21u);
  CHECK_EQ(MinorVersion(BuildInfo("devel go1.28-abcdef")), 28u);
  CHECK_EQ(MinorVersion(BuildInfo("go1.26.8", 0)), 0u);  // before 1.18: pointers
  CHECK_EQ(MinorVersion(BuildInfo("go2")), 0u);
  auto cut = BuildInfo("go1.26.8");
  cut.resize(36);
  CHECK_EQ(MinorVersion(cut), 0u);
  CHECK_EQ(MinorVersion({}), 0u);
  for (uint32_t minor = 21; minor <= 27; minor++) CHECK(LayoutOf(minor).has_value());
  CHECK(!LayoutOf(20) && !LayoutOf(28));
  CHECK(!LayoutOf(23)->is_list && LayoutOf(24)->is_list);
}

void TestThreadSlots() {
  // mov %fs:-8,%rdi; mov 0x30(%rdi),%rbx
  std::vector<uint8_t> direct = {0x90, 0x64, 0x48, 0x8b, 0x3c, 0x25, 0xf8, 0xff, 0xff, 0xff, 0x48, 0x8b, 0x5f, 0x30, 0x90};
  auto slot = FindThreadSlot(direct, 0x1000, 0x30);
  CHECK(slot && slot->source == OP_THREAD_OFFSET && slot->slot == static_cast<uint64_t>(-8));
  CHECK(!FindThreadSlot(direct, 0x1000, 0x38));
  // mov $-8,%rcx; mov %fs:(%rcx),%rdi; mov 0x30(%rdi),%rbx
  std::vector<uint8_t> immediate = {0x48, 0xc7, 0xc1, 0xf8, 0xff, 0xff, 0xff, 0x64, 0x48, 0x8b, 0x39,
                                    0x48, 0x8b, 0x5f, 0x30, 0x90, 0x90, 0x90, 0x90, 0x90};
  slot = FindThreadSlot(immediate, 0x1000, 0x30);
  CHECK(slot && slot->source == OP_THREAD_OFFSET && slot->slot == static_cast<uint64_t>(-8));
  // mov 0x100(%rip),%rcx; …
  immediate[1] = 0x8b;
  immediate[2] = 0x0d;
  std::memcpy(immediate.data() + 3, "\0\1\0\0", 4);
  slot = FindThreadSlot(immediate, 0x1000, 0x30);
  CHECK(slot && slot->source == OP_THREAD_GOT_OFFSET && slot->slot == 0x1107);
  std::mt19937 random(1);
  for (int round = 0; round < 500; round++) {
    std::vector<uint8_t> noise(random() % 64);
    for (auto& byte : noise) byte = random() % 2 ? 0x64 : static_cast<uint8_t>(random());
    FindThreadSlot(noise, 0, 0x30);
  }
}

op_label Label(std::string_view key, std::string_view value, bool isCut = false) {
  op_label out{};
  out.key_bytes = static_cast<uint8_t>(key.size());
  out.value_bytes = static_cast<uint8_t>(value.size());
  out.is_cut = isCut;
  std::memcpy(out.key, key.data(), key.size());
  std::memcpy(out.value, value.data(), value.size());
  return out;
}

LabelSet Read(const std::vector<op_label>& labels, uint32_t count) {
  op_sample head{};
  head.label_count = count;
  return ReadLabels(head, reinterpret_cast<const uint8_t*>(labels.data()));
}

void TestLabels() {
  const auto labels = Read({Label("endpoint", "/search"), Label("empty", ""), Label("cut", "gr\xc3\xb6\xc3", true),
                            Label("whole", "gr\xc3\xb6", true), Label("bad", "\xff!"), Label("\xffkey", "x")},
                           6);
  CHECK_EQ(labels.size(), size_t{5});
  if (labels.size() != 5) return;
  CHECK_EQ(labels[0].first, "endpoint");
  CHECK_EQ(labels[0].second, "/search");
  CHECK_EQ(labels[1].second, "");
  CHECK_EQ(labels[2].second, "gr\xc3\xb6");
  CHECK_EQ(labels[3].second, "gr\xc3\xb6");
  CHECK_EQ(labels[4].second, "\xef\xbf\xbd!");
  auto wild = Label("a", "b");
  wild.key_bytes = 255;
  CHECK(Read({wild}, 1).empty());
  CHECK(Read({}, 0).empty());
}

}  // namespace
}  // namespace otelprof::go

int main() {
  otelprof::go::TestVersions();
  otelprof::go::TestThreadSlots();
  otelprof::go::TestLabels();
  return testResult("go");
}
