// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>

#include "compression.h"

namespace otelcodecs {

/// Gives `use` a gzipped file as it is without gzip: checked to its last byte, no larger than `limit`, in memory that the
/// thread keeps for the next file. Does not call it where the file is no such.
template <typename Use>
void UseInflated(Input file, size_t limit, Use use) {
  // A thread keeps so much; nearly all files are smaller.
  constexpr size_t kKeptBytes = 2 << 20;
  thread_local std::unique_ptr<Output> kept;
  std::unique_ptr<Output> plain = kept ? std::move(kept) : std::make_unique<Output>(limit);
  plain->Reuse(limit);
  if (Decompress(Algorithm::kGzip, file, plain.get()) == Outcome::kOk) use(Input{plain->data(), plain->size()});
  if (plain->capacity() <= kKeptBytes) kept = std::move(plain);
}

}  // namespace otelcodecs
