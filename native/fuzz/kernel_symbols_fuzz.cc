// SPDX-License-Identifier: Apache-2.0
// Input: length (two bytes) and text of /proc/modules, then the text of /proc/kallsyms.
#include "fuzz.h"
#include "symbols/symbols.h"

using namespace otelprof;
using namespace otelprof::fuzz;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static ScratchFile modulesFile, symbolsFile;
  Input in(data, size);
  modulesFile.Write(in.Piece());
  const auto text = in.Rest();
  symbolsFile.Write(text);
  KernelSymbols symbols;
  if (!symbols.Load(symbolsFile.path().c_str(), modulesFile.path().c_str())) {
    FUZZ_CHECK(!symbols.error().empty() && symbols.symbolCount() == 0);
    return 0;
  }
  FUZZ_CHECK(symbols.sizeBytes() < size * 64 + (1u << 20));
  const std::string_view lines = TextOf(text);
  for (size_t at = 0; at < lines.size();) {
    const size_t end = std::min(lines.find('\n', at), lines.size());
    const uint64_t address =
        std::strtoull(std::string(lines.substr(at, std::min<size_t>(end - at, 17))).c_str(), nullptr, 16);
    std::string_view name, module;
    uint64_t start = 0;
    if (symbols.Lookup(address, &name, &module, &start)) {
      FUZZ_CHECK(start <= address && !name.empty() && !module.empty());
      FUZZ_CHECK(ValidUtf8(name) == name && ValidUtf8(module) == module);
      symbols.moduleStart(module);
      symbols.moduleLimit(module);
    }
    at = end + 1;
  }
  return 0;
}
