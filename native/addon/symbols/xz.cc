// SPDX-License-Identifier: Apache-2.0
#include "xz.h"

#include <lzma.h>

#include <algorithm>

namespace otelprof {

std::vector<uint8_t> UnpackXz(std::span<const uint8_t> packed, size_t maxBytes) {
  constexpr uint64_t kMemoryLimit = 80ull << 20;  // xz -9 needs 65 MiB to unpack
  lzma_stream stream = LZMA_STREAM_INIT;
  if (lzma_stream_decoder(&stream, kMemoryLimit, 0) != LZMA_OK) return {};
  std::vector<uint8_t> out(std::min(maxBytes, std::max<size_t>(packed.size() * 4, 64 * 1024)));
  stream.next_in = packed.data();
  stream.avail_in = packed.size();
  lzma_ret result = LZMA_OK;
  while (result == LZMA_OK) {
    if (stream.total_out == out.size()) {
      if (out.size() == maxBytes) break;
      out.resize(std::min(maxBytes, out.size() * 2));
    }
    stream.next_out = out.data() + stream.total_out;
    stream.avail_out = out.size() - stream.total_out;
    result = lzma_code(&stream, LZMA_FINISH);
  }
  out.resize(result == LZMA_STREAM_END ? stream.total_out : 0);
  lzma_end(&stream);
  return out;
}

}  // namespace otelprof
