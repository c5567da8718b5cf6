// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <optional>
#include <string_view>

namespace otelcodecs {

enum class Algorithm : uint8_t { kGzip, kZlib, kDeflate, kZstd, kSnappy, kSnappyFramed, kLz4 };

/// By the names of HTTP's Content-Encoding, in lower case.
std::optional<Algorithm> AlgorithmOf(std::string_view name);

enum class Outcome : uint8_t { kOk, kTooLarge, kMalformed, kNoMemory };

struct Input {
  const uint8_t* data;
  size_t size;
};

/// Memory from malloc that grows by steps, never beyond `limit`, and is handed on without a copy.
class Output {
 public:
  explicit Output(size_t limit) : limit_(limit) {}
  ~Output() { free(data_); }
  Output(const Output&) = delete;
  Output& operator=(const Output&) = delete;

  /// Makes room for `capacity` bytes in all. What is written stays.
  Outcome Reserve(size_t capacity);
  /// Room for at least one byte more: doubles, up to the limit.
  Outcome Grow();
  void Wrote(size_t size) { size_ += size; }
  /// Forgets what is written and keeps the memory for what is next; more than the limit is given back.
  void Reuse(size_t limit);

  uint8_t* end() { return data_ + size_; }
  size_t room() const { return capacity_ - size_; }
  size_t size() const { return size_; }
  size_t capacity() const { return capacity_; }
  size_t limit() const { return limit_; }
  const uint8_t* data() const { return data_; }
  /// Gives the memory, cut to its size, to a caller that frees it; never null.
  uint8_t* Release();

 private:
  uint8_t* data_ = nullptr;
  size_t size_ = 0;
  size_t capacity_ = 0;
  size_t limit_;
};

/// Decompresses all of `in` into `out`. Bytes behind the end of the stream are malformed; members and
/// frames in a row are one stream where the format has them (gzip, zstd, framed snappy, lz4).
/// Deflate is taken with and without the zlib header, snappy as a block and framed.
Outcome Decompress(Algorithm algorithm, Input in, Output* out);

/// Compresses all of `in`. `level`: gzip, zlib and deflate 0 to 9 (deflate gets the zlib header), zstd 1 to
/// 22; the others have none.
Outcome Compress(Algorithm algorithm, Input in, int level, Output* out);

// The formats that have a file of their own.
Outcome DecompressSnappyBlock(Input in, Output* out);
Outcome DecompressSnappyFrames(Input in, Output* out);
Outcome CompressSnappyBlock(Input in, Output* out);
Outcome CompressSnappyFrames(Input in, Output* out);
bool StartsSnappyFrames(Input in);

}  // namespace otelcodecs
