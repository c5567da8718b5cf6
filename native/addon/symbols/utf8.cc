// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "symbols.h"

namespace otelprof {
namespace {

/// Length of the well-formed sequence at the start of `text` (Unicode 15, table 3-7); 0 if malformed.
size_t sequenceBytes(std::string_view text) {
  auto byte = [text](size_t i) -> uint8_t { return i < text.size() ? static_cast<uint8_t>(text[i]) : 0; };
  auto continues = [&byte](size_t i) { return (byte(i) & 0xc0) == 0x80; };
  uint8_t a = byte(0);
  if (a < 0x80) return 1;
  if (a >= 0xc2 && a <= 0xdf) return continues(1) ? 2 : 0;
  if (a >= 0xe0 && a <= 0xef) {
    if (a == 0xe0 && byte(1) < 0xa0) return 0;  // overlong
    if (a == 0xed && byte(1) > 0x9f) return 0;  // surrogate
    return continues(1) && continues(2) ? 3 : 0;
  }
  if (a >= 0xf0 && a <= 0xf4) {
    if (a == 0xf0 && byte(1) < 0x90) return 0;  // overlong
    if (a == 0xf4 && byte(1) > 0x8f) return 0;  // beyond U+10FFFF
    return continues(1) && continues(2) && continues(3) ? 4 : 0;
  }
  return 0;
}

}  // namespace

std::string ValidUtf8(std::string_view text, size_t maxBytes) {
  constexpr std::string_view kReplacement = "\xef\xbf\xbd";
  // Nearly every name is plain ASCII.
  bool plain = text.size() <= maxBytes && std::all_of(text.begin(), text.end(), [](char c) {
    return static_cast<uint8_t>(c - 1) < 0x7f;
  });
  if (plain) return std::string(text);
  std::string out;
  out.reserve(text.size() < maxBytes ? text.size() : maxBytes);
  while (!text.empty()) {
    size_t n = sequenceBytes(text);
    // NUL is valid UTF-8, but no name has one and C strings downstream would end at it.
    std::string_view piece = n == 0 || text[0] == '\0' ? kReplacement : text.substr(0, n);
    if (out.size() + piece.size() > maxBytes) break;
    out.append(piece);
    text.remove_prefix(n == 0 ? 1 : n);
  }
  return out;
}

}  // namespace otelprof
