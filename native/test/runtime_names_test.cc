// SPDX-License-Identifier: Apache-2.0
// Names of a process's functions: who is asked for, what is kept, what it may cost.
#include <memory>

#include "runtimes/names.h"
#include "runtimes/registry.h"
#include "test_macros.h"

namespace otelprof {
namespace {

class Fixed final : public RuntimeFunction {
 public:
  explicit Fixed(size_t bytes) : bytes_(bytes) {}
  ResolvedFrame At(uint32_t position) const override {
    ResolvedFrame out;
    out.line = position;
    return out;
  }
  size_t sizeBytes() const override { return bytes_; }

 private:
  size_t bytes_;
};

constexpr uint64_t kSecondNs = 1'000'000'000;

void TestAsking() {
  FunctionNames names;
  const FunctionKey key{0x1000, 7, 19};
  CHECK(names.Ask(key, kSecondNs));
  CHECK(!names.Ask(key, kSecondNs + 1));       // on its way
  CHECK(names.Ask(key, 3 * kSecondNs));        // was not readable then
  CHECK(!names.Find(key));
  CHECK(names.Keep(key, std::make_shared<Fixed>(100)));
  CHECK(!names.Ask(key, 9 * kSecondNs));
  CHECK(names.Find(key) && names.Find(key)->At(3).line == 3);
  // Any part of the key makes it another function.
  for (const FunctionKey& other : {FunctionKey{0x1001, 7, 19}, FunctionKey{0x1000, 8, 19}, FunctionKey{0x1000, 7, 20}}) {
    CHECK(!names.Find(other));
    CHECK(names.Ask(other, 9 * kSecondNs));
  }
}

void TestMemory() {
  CHECK_EQ(FunctionNames::TotalBytes(), 0u);
  {
    FunctionNames churning, steady;
    const FunctionKey known{1, 1, 1};
    CHECK(steady.Keep(known, std::make_shared<Fixed>(1 << 20)));
    for (uint64_t i = 0; i < 200; i++) {
      const FunctionKey key{i, 2, 2};
      churning.Ask(key, kSecondNs);
      CHECK(churning.Keep(key, std::make_shared<Fixed>(1 << 20)));
      CHECK(churning.Find(key) != nullptr);
      CHECK(FunctionNames::TotalBytes() <= 64u << 20);
    }
    CHECK(steady.Find(known) != nullptr);
    CHECK(!churning.Find({0, 2, 2}));
    CHECK(!churning.Keep({7, 7, 7}, std::make_shared<Fixed>(65u << 20)));
    for (uint64_t i = 0; i < 100'000; i++) churning.Ask({i, 3, 3}, kSecondNs);
    CHECK(FunctionNames::TotalBytes() < 16u << 20);
  }
  CHECK_EQ(FunctionNames::TotalBytes(), 0u);
}

void TestRegistry() {
  CHECK(IsRuntimeName("python"));
  CHECK(!IsRuntimeName("Python"));
  CHECK(RuntimeFrameKind(uint8_t{OP_FRAME_RUNTIME} + uint8_t{OP_RUNTIME_PYTHON}) == FrameKind::CPython);
  CHECK(RuntimeFrameKind(255) == FrameKind::Unknown);
}

}  // namespace
}  // namespace otelprof

int main() {
  otelprof::TestAsking();
  otelprof::TestMemory();
  otelprof::TestRegistry();
  return testResult("runtime_names");
}
