// SPDX-License-Identifier: Apache-2.0
// Input: where the file is cut in two writes (two bytes), then a perf map. Every line's own address must be found, with
// the name of the last line that covers it.
#include <unistd.h>

#include "fuzz.h"
#include "symbols/symbols.h"

using namespace otelprof;
using namespace otelprof::fuzz;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static ScratchFile file;
  Input in(data, size);
  const size_t cut = in.Take<uint16_t>();
  const auto first = in.Bytes(cut);
  const auto second = in.Rest();
  file.Write(first);
  PerfMap map(getpid(), file.path(), {1u << 20, 1u << 20, 4096});
  map.Refresh();
  file.Append(second);
  map.Refresh();
  FUZZ_CHECK(map.entryCount() <= 2 * 4096 + 1);
  FUZZ_CHECK(map.sizeBytes() < size * 64 + (1u << 20));

  ResolvedFrame frame;
  FrameKind kind;
  const std::string text(TextOf({data, size}));
  for (size_t at = 2; at < text.size();) {
    const size_t end = std::min(text.find('\n', at), text.size());
    const uint64_t start = std::strtoull(text.substr(at, std::min<size_t>(end - at, 20)).c_str(), nullptr, 16);
    for (const uint64_t pc : {start, start + 1, start - 1}) {
      if (!map.Lookup(pc, &frame, &kind)) continue;
      FUZZ_CHECK(ValidUtf8(frame.name) == frame.name && ValidUtf8(frame.file) == frame.file);
      FUZZ_CHECK(ValidUtf8(frame.systemName) == frame.systemName);
    }
    at = end + 1;
  }
  return 0;
}
