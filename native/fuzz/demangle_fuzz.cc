// SPDX-License-Identifier: Apache-2.0
// Input: a linker name.
#include "fuzz.h"
#include "symbols/symbols.h"

using namespace otelprof;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto name = fuzz::TextOf({data, size});
  for (const auto mode : {DemangleMode::None, DemangleMode::Simplified, DemangleMode::Templates, DemangleMode::Full}) {
    const std::string text = Demangle(name, mode);
    FUZZ_CHECK(text.size() <= std::max(kMaxDemangledBytes, kMaxMangledBytes));
    FUZZ_CHECK(ValidUtf8(text) == text);
  }
  const std::string valid = ValidUtf8(name);
  FUZZ_CHECK(valid.size() <= kMaxDemangledBytes && ValidUtf8(valid) == valid);
  return 0;
}
