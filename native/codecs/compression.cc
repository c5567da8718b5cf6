// SPDX-License-Identifier: Apache-2.0
#include "compression.h"

#include <libdeflate.h>
#include <lz4frame.h>
// ZSTD_decompressBound; the library is linked statically.
#define ZSTD_STATIC_LINKING_ONLY
#include <zstd.h>
#include <zstd_errors.h>

#include <algorithm>
#include <iterator>
#include <memory>

namespace otelcodecs {
namespace {

constexpr size_t kSmallest = 4096;

struct Name {
  std::string_view name;
  Algorithm algorithm;
};
constexpr Name kNames[] = {
    {"gzip", Algorithm::kGzip},
    {"zlib", Algorithm::kZlib},
    {"deflate", Algorithm::kDeflate},
    {"zstd", Algorithm::kZstd},
    {"snappy", Algorithm::kSnappy},
    {"x-snappy-framed", Algorithm::kSnappyFramed},
    {"lz4", Algorithm::kLz4},
};

template <auto kFree>
struct Freed {
  template <typename T>
  void operator()(T* pointer) const {
    kFree(pointer);
  }
};
using Deflater = std::unique_ptr<libdeflate_compressor, Freed<libdeflate_free_compressor>>;
using Inflater = std::unique_ptr<libdeflate_decompressor, Freed<libdeflate_free_decompressor>>;
using ZstdDecoder = std::unique_ptr<ZSTD_DCtx, Freed<ZSTD_freeDCtx>>;
using ZstdEncoder = std::unique_ptr<ZSTD_CCtx, Freed<ZSTD_freeCCtx>>;
using Lz4Decoder = std::unique_ptr<LZ4F_dctx, Freed<LZ4F_freeDecompressionContext>>;

using InflateFunction = decltype(&libdeflate_gzip_decompress_ex);

/// One stream from `in`; `consumed` tells where it ended. libdeflate cannot go on where it ran out of room,
/// so it starts over in twice the room: at most twice the work of knowing the size.
Outcome InflateOne(libdeflate_decompressor* inflater, InflateFunction inflate, Input in, Output* out,
                   size_t* consumed) {
  for (;;) {
    size_t wrote = 0;
    switch (inflate(inflater, in.data, in.size, out->end(), out->room(), consumed, &wrote)) {
      case LIBDEFLATE_SUCCESS:
        out->Wrote(wrote);
        return Outcome::kOk;
      case LIBDEFLATE_INSUFFICIENT_SPACE:
        if (const Outcome grown = out->Grow(); grown != Outcome::kOk) return grown;
        break;
      default:
        return Outcome::kMalformed;
    }
  }
}

size_t FirstGuess(Input in, const Output& out) {
  return std::min(out.limit(), std::max(kSmallest, in.size > SIZE_MAX / 4 ? in.size : in.size * 4));
}

/// The last four bytes of a gzip member are its size modulo 2^32: right for nearly all senders, and no more
/// than a hint, because anybody may write anything there.
size_t GzipGuess(Input in, const Output& out) {
  if (in.size < 18) return FirstGuess(in, out);
  const uint8_t* tail = in.data + in.size - 4;
  const size_t size = tail[0] | tail[1] << 8 | tail[2] << 16 | static_cast<size_t>(tail[3]) << 24;
  return size > out.limit() ? FirstGuess(in, out) : std::min(out.limit(), std::max<size_t>(size, 1));
}

Outcome Inflate(Algorithm algorithm, Input in, Output* out) {
  // Every encoder leaves the padding of a first stored block zero, so that these bits say "zlib" for sure.
  const bool bare = algorithm == Algorithm::kDeflate && (in.data[0] & 0x0f) != 8;
  const bool gzip = algorithm == Algorithm::kGzip;
  const InflateFunction inflate = gzip   ? libdeflate_gzip_decompress_ex
                                  : bare ? libdeflate_deflate_decompress_ex
                                         : libdeflate_zlib_decompress_ex;
  const size_t guess = gzip ? GzipGuess(in, *out) : FirstGuess(in, *out);
  if (const Outcome made = out->Reserve(guess); made != Outcome::kOk) return made;
  const Inflater inflater(libdeflate_alloc_decompressor());
  if (!inflater) return Outcome::kNoMemory;
  for (;;) {
    size_t consumed = 0;
    const Outcome outcome = InflateOne(inflater.get(), inflate, in, out, &consumed);
    if (outcome != Outcome::kOk) return outcome;
    in = {in.data + consumed, in.size - consumed};
    if (in.size == 0) return Outcome::kOk;
    if (!gzip) return Outcome::kMalformed;
  }
}

Outcome Deflate(Algorithm algorithm, Input in, int level, Output* out) {
  const Deflater deflater(libdeflate_alloc_compressor(level));
  if (!deflater) return Outcome::kNoMemory;
  const bool gzip = algorithm == Algorithm::kGzip;
  const size_t bound = gzip ? libdeflate_gzip_compress_bound(deflater.get(), in.size)
                            : libdeflate_zlib_compress_bound(deflater.get(), in.size);
  if (const Outcome made = out->Reserve(bound); made != Outcome::kOk) return made;
  const auto compress = gzip ? libdeflate_gzip_compress : libdeflate_zlib_compress;
  out->Wrote(compress(deflater.get(), in.data, in.size, out->end(), out->room()));
  return out->size() > 0 ? Outcome::kOk : Outcome::kTooLarge;
}

/// `limited`: the room was less than what the frames may need.
Outcome ZstdFailure(size_t code, bool limited) {
  const ZSTD_ErrorCode error = ZSTD_getErrorCode(code);
  if (error == ZSTD_error_memory_allocation) return Outcome::kNoMemory;
  return limited && error == ZSTD_error_dstSize_tooSmall ? Outcome::kTooLarge : Outcome::kMalformed;
}

/// In one go: the output is the window, so that a frame's wish for a large one costs nothing. The bound is
/// exact where frames tell their size, and pages of it that stay unused are never touched.
Outcome DecompressZstd(Input in, Output* out) {
  const unsigned long long bound = ZSTD_decompressBound(in.data, in.size);
  if (bound == ZSTD_CONTENTSIZE_ERROR) return Outcome::kMalformed;
  const unsigned long long told = ZSTD_findDecompressedSize(in.data, in.size);
  if (told < ZSTD_CONTENTSIZE_ERROR && told > out->limit()) return Outcome::kTooLarge;
  const size_t room = static_cast<size_t>(std::min<unsigned long long>(bound, out->limit()));
  if (const Outcome made = out->Reserve(room); made != Outcome::kOk) return made;
  const ZstdDecoder decoder(ZSTD_createDCtx());
  if (!decoder) return Outcome::kNoMemory;
  const size_t wrote = ZSTD_decompressDCtx(decoder.get(), out->end(), out->room(), in.data, in.size);
  if (ZSTD_isError(wrote)) return ZstdFailure(wrote, bound > room);
  out->Wrote(wrote);
  return Outcome::kOk;
}

Outcome CompressZstd(Input in, int level, Output* out) {
  if (const Outcome made = out->Reserve(ZSTD_compressBound(in.size)); made != Outcome::kOk) return made;
  const ZstdEncoder encoder(ZSTD_createCCtx());
  if (!encoder) return Outcome::kNoMemory;
  const size_t wrote = ZSTD_compressCCtx(encoder.get(), out->end(), out->room(), in.data, in.size, level);
  if (ZSTD_isError(wrote)) return ZstdFailure(wrote, false);
  out->Wrote(wrote);
  return Outcome::kOk;
}

Outcome DecompressLz4(Input in, Output* out) {
  LZ4F_dctx* made = nullptr;
  if (LZ4F_isError(LZ4F_createDecompressionContext(&made, LZ4F_VERSION))) return Outcome::kNoMemory;
  const Lz4Decoder decoder(made);
  if (const Outcome first = out->Reserve(FirstGuess(in, *out)); first != Outcome::kOk) return first;
  size_t wanted = 1;
  while (in.size > 0 || wanted > 0) {
    // At the limit it goes on without room: what is left may be no more than end mark and checksum.
    if (out->room() == 0 && out->Grow() == Outcome::kNoMemory) return Outcome::kNoMemory;
    size_t consumed = in.size;
    size_t wrote = out->room();
    wanted = LZ4F_decompress(decoder.get(), out->end(), &wrote, in.data, &consumed, nullptr);
    if (LZ4F_isError(wanted)) return Outcome::kMalformed;
    out->Wrote(wrote);
    in = {in.data + consumed, in.size - consumed};
    if (consumed == 0 && wrote == 0) {
      return out->room() == 0 ? Outcome::kTooLarge : Outcome::kMalformed;
    }
  }
  return Outcome::kOk;
}

Outcome CompressLz4(Input in, Output* out) {
  LZ4F_preferences_t preferences = LZ4F_INIT_PREFERENCES;
  preferences.frameInfo.contentSize = in.size;
  preferences.frameInfo.contentChecksumFlag = LZ4F_contentChecksumEnabled;
  if (const Outcome made = out->Reserve(LZ4F_compressFrameBound(in.size, &preferences));
      made != Outcome::kOk) {
    return made;
  }
  const size_t wrote = LZ4F_compressFrame(out->end(), out->room(), in.data, in.size, &preferences);
  if (LZ4F_isError(wrote)) return Outcome::kNoMemory;
  out->Wrote(wrote);
  return Outcome::kOk;
}

}  // namespace

std::optional<Algorithm> AlgorithmOf(std::string_view name) {
  const auto* found =
      std::find_if(std::begin(kNames), std::end(kNames), [&](const Name& known) { return known.name == name; });
  if (found == std::end(kNames)) return std::nullopt;
  return found->algorithm;
}

Outcome Output::Reserve(size_t capacity) {
  if (capacity > limit_) return Outcome::kTooLarge;
  if (capacity <= capacity_) return Outcome::kOk;
  auto* moved = static_cast<uint8_t*>(realloc(data_, capacity));
  if (moved == nullptr) return Outcome::kNoMemory;
  data_ = moved;
  capacity_ = capacity;
  return Outcome::kOk;
}

Outcome Output::Grow() {
  if (capacity_ >= limit_) return Outcome::kTooLarge;
  return Reserve(std::min(limit_, std::max(kSmallest, capacity_ > limit_ / 2 ? limit_ : capacity_ * 2)));
}

void Output::Reuse(size_t limit) {
  limit_ = limit;
  size_ = 0;
  if (capacity_ <= limit_) return;
  free(data_);
  data_ = nullptr;
  capacity_ = 0;
}

uint8_t* Output::Release() {
  // Never a null pointer: Node-API takes that for "no memory" in some versions.
  if (size_ < capacity_ || data_ == nullptr) {
    auto* cut = static_cast<uint8_t*>(realloc(data_, std::max<size_t>(size_, 1)));
    if (cut != nullptr) data_ = cut;
  }
  uint8_t* given = data_;
  data_ = nullptr;
  size_ = 0;
  capacity_ = 0;
  return given;
}

Outcome Decompress(Algorithm algorithm, Input in, Output* out) {
  if (in.size == 0) return Outcome::kMalformed;
  switch (algorithm) {
    case Algorithm::kGzip:
    case Algorithm::kZlib:
    case Algorithm::kDeflate:
      return Inflate(algorithm, in, out);
    case Algorithm::kZstd:
      return DecompressZstd(in, out);
    case Algorithm::kSnappy:
      return StartsSnappyFrames(in) ? DecompressSnappyFrames(in, out) : DecompressSnappyBlock(in, out);
    case Algorithm::kSnappyFramed:
      return DecompressSnappyFrames(in, out);
    case Algorithm::kLz4:
      return DecompressLz4(in, out);
  }
  return Outcome::kMalformed;
}

Outcome Compress(Algorithm algorithm, Input in, int level, Output* out) {
  switch (algorithm) {
    case Algorithm::kGzip:
    case Algorithm::kZlib:
    case Algorithm::kDeflate:
      return Deflate(algorithm, in, level, out);
    case Algorithm::kZstd:
      return CompressZstd(in, level, out);
    case Algorithm::kSnappy:
      return CompressSnappyBlock(in, out);
    case Algorithm::kSnappyFramed:
      return CompressSnappyFrames(in, out);
    case Algorithm::kLz4:
      return CompressLz4(in, out);
  }
  return Outcome::kMalformed;
}

}  // namespace otelcodecs
