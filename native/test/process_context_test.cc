// SPDX-License-Identifier: Apache-2.0
#include "process_context.h"

#include <cstring>
#include <map>
#include <random>

#include "test_macros.h"

using namespace otelprof;

namespace {

using Bytes = std::vector<uint8_t>;

Bytes Field(int number, const Bytes& content) {
  Bytes out = {static_cast<uint8_t>(number << 3 | 2)};
  size_t size = content.size();
  for (; size > 127; size >>= 7) out.push_back(static_cast<uint8_t>(size | 128));
  out.push_back(static_cast<uint8_t>(size));
  out.insert(out.end(), content.begin(), content.end());
  return out;
}

Bytes Text(int number, const std::string& text) { return Field(number, Bytes(text.begin(), text.end())); }

Bytes Attribute(const std::string& key, const Bytes& value) {
  Bytes pair = Text(1, key);
  const Bytes rest = Field(2, value);
  pair.insert(pair.end(), rest.begin(), rest.end());
  return Field(1, pair);
}

Bytes Joined(std::initializer_list<Bytes> parts) {
  Bytes out;
  for (const auto& part : parts) out.insert(out.end(), part.begin(), part.end());
  return out;
}

/// Memory at address 4096 that may change with every read.
class FakeMemory : public RemoteMemory {
 public:
  FakeMemory() : RemoteMemory(0, 1 << 20) {}
  Bytes bytes = Bytes(200'000);
  int reads = 0;
  int changesAt = -1;

  void Header(uint64_t publishedNs, uint32_t size, uint64_t payload, uint32_t version = 2) {
    std::memcpy(bytes.data(), "OTEL_CTX", 8);
    std::memcpy(bytes.data() + 8, &version, 4);
    std::memcpy(bytes.data() + 12, &size, 4);
    std::memcpy(bytes.data() + 16, &publishedNs, 8);
    std::memcpy(bytes.data() + 24, &payload, 8);
  }

 protected:
  bool ReadRaw(uint64_t address, std::span<uint8_t> out) override {
    if (++reads == changesAt) bytes[16]++;
    if (address < 4096 || address - 4096 > bytes.size() || out.size() > bytes.size() - (address - 4096)) return false;
    std::memcpy(out.data(), bytes.data() + (address - 4096), out.size());
    return true;
  }
};

constexpr const char* kMaps = "1000-2000 rw-p 00000000 00:01 5  /memfd:OTEL_CTX (deleted)\n";

const Bytes kResource = Joined({Attribute("service.name", Text(1, "shop")), Attribute("n", {3 << 3, 7}),
                                Attribute("on", {2 << 3, 1}), Attribute("list", Field(5, {}))});

void FindsTheMappingByItsPathOnly() {
  CHECK_EQ(FindProcessContext(kMaps), 0x1000u);
  CHECK_EQ(FindProcessContext("a-b r--p 0 0:0 0 \nabc000-abd000 r--p 00000000 00:00 0   [anon:OTEL_CTX]\n"), 0xabc000u);
  CHECK_EQ(FindProcessContext("abc000-abd000 r--s 00000000 00:01 9   [anon_shmem:OTEL_CTX]"), 0xabc000u);
  CHECK_EQ(FindProcessContext("1000-2000 r-xp 00000000 00:01 5  /tmp/memfd:OTEL_CTX\n"), 0u);
  CHECK_EQ(FindProcessContext("OTEL_CTX\nOTEL_CTX OTEL_CTX\n"), 0u);
  CHECK_EQ(FindProcessContext(""), 0u);
}

void ReadsBothShapesAndPassesOverWhatIsNoText() {
  for (const Bytes& payload : {kResource, Field(1, kResource)}) {
    const auto found = DecodeProcessContext(payload);
    CHECK(found.has_value());
    CHECK_EQ(found ? found->size() : 0, 3u);
    if (!found || found->size() != 3) continue;
    CHECK_EQ((*found)[0].key + "=" + (*found)[0].value, "service.name=shop");
    CHECK_EQ((*found)[1].value, "7");
    CHECK((*found)[2].kind == PublishedAttribute::Kind::Bool);
  }
}

void KeepsWithinItsLimits() {
  Bytes many;
  for (int i = 0; i < 1000; i++) {
    const Bytes one = Attribute("k" + std::to_string(i), Text(1, std::string(i % 7 ? 10 : 4000, 'x')));
    many.insert(many.end(), one.begin(), one.end());
  }
  const auto found = DecodeProcessContext(many);
  CHECK(found.has_value());
  size_t bytes = 0;
  for (const auto& attribute : *found) bytes += attribute.key.size() + attribute.value.size();
  CHECK(found->size() <= 128 && bytes <= 8192);
}

void ReadsOnceAndAgainWhenItWasPublishedAgain() {
  FakeMemory memory;
  ProcessContext context;
  CHECK(context.IsDue(0));
  context.Looked(kMaps, 0);
  CHECK(!context.IsDue(1));
  std::memcpy(memory.bytes.data() + 100, kResource.data(), kResource.size());
  memory.Header(5, static_cast<uint32_t>(kResource.size()), 4196);
  CHECK(context.Read(memory) == ContextOutcome::Read);
  CHECK_EQ(context.attributes().size(), 3u);
  CHECK(context.Read(memory) == ContextOutcome::Unchanged);
  memory.Header(6, 0, 4196);
  CHECK(context.Read(memory) == ContextOutcome::Read);
  CHECK_EQ(context.attributes().size(), 0u);
}

void DoesNotTakeWhatChangesWhileItIsRead() {
  FakeMemory memory;
  ProcessContext context;
  context.Looked(kMaps, 0);
  memory.Header(0, 10, 4196);
  CHECK(context.Read(memory) == ContextOutcome::Busy);
  CHECK_EQ(memory.reads, 3);
  std::memcpy(memory.bytes.data() + 100, kResource.data(), kResource.size());
  memory.Header(5, static_cast<uint32_t>(kResource.size()), 4196);
  memory.changesAt = memory.reads + 3;  // the header's second reading
  CHECK(context.Read(memory) == ContextOutcome::Read);
  CHECK_EQ(memory.reads, 3 + 6);
}

void RefusesWhatIsNoContext() {
  const auto outcome = [](uint32_t size, uint64_t payload, uint32_t version) {
    FakeMemory memory;
    ProcessContext context;
    context.Looked(kMaps, 0);
    memory.Header(5, size, payload, version);
    return context.Read(memory);
  };
  CHECK(outcome(0xfffffff0u, 4196, 2) == ContextOutcome::Malformed);
  CHECK(outcome(10, 0xdeadbeef000, 2) == ContextOutcome::Malformed);
  CHECK(outcome(10, 4196, 1) == ContextOutcome::Malformed);
  CHECK(outcome(10, 4196, 2) == ContextOutcome::Malformed);  // zeroes
}

void LivesThroughAnyPayload() {
  std::mt19937 random(7);
  for (int i = 0; i < 20000; i++) {
    Bytes bytes = i % 2 ? kResource : Bytes(random() % 300);
    if (i % 2 == 0)
      for (auto& byte : bytes) byte = static_cast<uint8_t>(random());
    for (int n = 0; n < 3 && !bytes.empty(); n++) bytes[random() % bytes.size()] = static_cast<uint8_t>(random());
    bytes.resize(random() % (bytes.size() + 1));
    const auto found = DecodeProcessContext(bytes);
    CHECK(!found || found->size() <= 128);
  }
}

}  // namespace

int main() {
  FindsTheMappingByItsPathOnly();
  ReadsBothShapesAndPassesOverWhatIsNoText();
  KeepsWithinItsLimits();
  ReadsOnceAndAgainWhenItWasPublishedAgain();
  DoesNotTakeWhatChangesWhileItIsRead();
  RefusesWhatIsNoContext();
  LivesThroughAnyPayload();
  return testResult("process_context");
}
