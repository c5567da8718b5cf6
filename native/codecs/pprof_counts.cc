// SPDX-License-Identifier: Apache-2.0
#include "pprof_counts.h"

#include "inflated_file.h"
#include "otlp_wire.h"

namespace otelcodecs {
namespace {

using otlp::Cursor;

/// Wire types, the low bits of a tag.
constexpr uint32_t kVarint = 0;
constexpr uint32_t kLen = 2;

bool SkipIndex(Cursor& c) {
  uint64_t index;
  return otlp::ReadVarint(c, &index) && index <= INT32_MAX;
}

bool SkipVarint(Cursor& c) {
  uint64_t value;
  return otlp::ReadVarint(c, &value);
}

/// The fields behind the repeated messages. Source: pprof's profile.proto.
bool SkipHead(Cursor& c, uint32_t tag) {
  const uint32_t wire = tag & 7;
  Cursor inner;
  switch (tag >> 3) {
    case 7:   // drop_frames
    case 8:   // keep_frames
    case 14:  // default_sample_type
    case 15:  // doc_url
      return wire == kVarint && SkipIndex(c);
    case 9:   // time_nanos
    case 10:  // duration_nanos
    case 12:  // period
      return wire == kVarint && SkipVarint(c);
    case 11:  // period_type
      return wire == kLen && otlp::Enter(c, &inner);
    case 13:  // comment: many of them cost memory, which is for the decoder to bound
      return false;
    default:
      return otlp::Skip(c, tag);
  }
}

}  // namespace

std::optional<PprofCounts> CountPprof(Input profile) {
  PprofCounts counts;
  counts.plainBytes = profile.size;
  const bool isSound = otlp::EachField({profile.data, profile.data + profile.size}, [&](Cursor& c, uint32_t tag) {
    const uint32_t field = tag >> 3;
    if (field > 6) return SkipHead(c, tag);
    Cursor inner;
    if ((tag & 7) != kLen || !otlp::Enter(c, &inner)) return false;
    if (field == 1) counts.sampleTypes++;
    if (field == 2) counts.samples++;
    if (field == 6) counts.strings++;
    return true;
  });
  if (!isSound) return std::nullopt;
  return counts;
}

std::optional<PprofCounts> CountGzippedPprof(Input file, size_t limit) {
  std::optional<PprofCounts> counts;
  UseInflated(file, limit, [&](Input plain) { counts = CountPprof(plain); });
  return counts;
}

}  // namespace otelcodecs
