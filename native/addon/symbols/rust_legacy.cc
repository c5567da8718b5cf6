// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "rust.h"

namespace otelprof {
namespace {

bool isHexDigit(char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); }

void appendUtf8(std::string* out, uint32_t c) {
  if (c < 0x80) {
    *out += static_cast<char>(c);
  } else if (c < 0x800) {
    *out += {static_cast<char>(0xc0 | c >> 6), static_cast<char>(0x80 | (c & 0x3f))};
  } else if (c < 0x10000) {
    *out += {static_cast<char>(0xe0 | c >> 12), static_cast<char>(0x80 | (c >> 6 & 0x3f)),
             static_cast<char>(0x80 | (c & 0x3f))};
  } else {
    *out += {static_cast<char>(0xf0 | c >> 18), static_cast<char>(0x80 | (c >> 12 & 0x3f)),
             static_cast<char>(0x80 | (c >> 6 & 0x3f)), static_cast<char>(0x80 | (c & 0x3f))};
  }
}

/// One `$…$` escape at the start of `text`; its length, or 0.
size_t appendEscape(std::string_view text, std::string* out) {
  size_t end = text.find('$', 1);
  if (end == std::string_view::npos || end > 8) return 0;
  std::string_view code = text.substr(1, end - 1);
  struct Escape {
    std::string_view code;
    char c;
  };
  constexpr Escape kEscapes[] = {{"SP", '@'}, {"BP", '*'}, {"RF", '&'}, {"LT", '<'},
                                 {"GT", '>'}, {"LP", '('}, {"RP", ')'}, {"C", ','}};
  for (const Escape& e : kEscapes) {
    if (e.code != code) continue;
    *out += e.c;
    return end + 1;
  }
  if (code.size() < 2 || code[0] != 'u') return 0;
  uint32_t value = 0;
  for (char c : code.substr(1)) {
    if (!isHexDigit(c)) return 0;
    value = value * 16 + static_cast<uint32_t>(c <= '9' ? c - '0' : c - 'a' + 10);
  }
  if (value < 0x20 || value == 0x7f || value > 0x10ffff) return 0;
  appendUtf8(out, value);
  return end + 1;
}

void appendComponent(std::string_view text, std::string* out) {
  if (text.starts_with("_$")) text.remove_prefix(1);
  while (!text.empty()) {
    size_t taken = 1;
    if (text[0] == '$' && (taken = appendEscape(text, out)) != 0) {
      text.remove_prefix(taken);
      continue;
    }
    if (text.starts_with("..")) {
      *out += "::";
      text.remove_prefix(2);
      continue;
    }
    *out += text[0];
    text.remove_prefix(1);
  }
}

bool isHash(std::string_view component) {
  return component.size() == 17 && component[0] == 'h' &&
         std::all_of(component.begin() + 1, component.end(), isHexDigit);
}

}  // namespace

std::optional<std::string> DemangleRustLegacy(std::string_view mangled, DemangleMode mode) {
  size_t start = mangled.find("ZN");
  if (start == std::string_view::npos || start > 2) return std::nullopt;
  std::string_view rest = mangled.substr(start + 2);
  std::string out;
  std::string_view last;
  while (!rest.empty() && rest[0] != 'E') {
    size_t length = 0;
    size_t digits = 0;
    while (digits < rest.size() && digits < 6 && rest[digits] >= '0' && rest[digits] <= '9') {
      length = length * 10 + static_cast<size_t>(rest[digits++] - '0');
    }
    if (digits == 0 || length == 0 || length > rest.size() - digits) return std::nullopt;
    if (!last.empty()) {
      if (!out.empty()) out += "::";
      appendComponent(last, &out);
    }
    last = rest.substr(digits, length);
    rest.remove_prefix(digits + length);
  }
  // The hash is what tells Rust from C++; a name that has it by accident reads the same.
  if (rest.empty() || !isHash(last) || out.empty()) return std::nullopt;
  if (rest.size() > 1 && rest[1] != '.') return std::nullopt;
  return mode == DemangleMode::Simplified ? DropRustGenerics(out) : out;
}

std::string DropRustGenerics(std::string_view text) {
  std::string out;
  size_t dropped = 0;  // nesting inside generic arguments
  for (size_t i = 0; i < text.size(); i++) {
    char c = text[i];
    bool arrow = c == '>' && i > 0 && (text[i - 1] == '-' || text[i - 1] == '=');
    if (dropped != 0) {
      if (c == '<') dropped++;
      if (c == '>' && !arrow) dropped--;
      continue;
    }
    // After a name or `::` it opens arguments; elsewhere `<T as Trait>`.
    bool afterName = !out.empty() && (out.back() == '_' || (out.back() >= '0' && out.back() <= '9') ||
                                      (out.back() >= 'a' && out.back() <= 'z') ||
                                      (out.back() >= 'A' && out.back() <= 'Z') || (out.back() & 0x80) != 0);
    bool afterPath = out.ends_with("::");
    if (c == '<' && (afterName || afterPath)) {
      // `a::<impl Trait for T>::f` is a path segment, not a list of arguments.
      bool isImpl = text.substr(i).starts_with("<impl ");
      if (!isImpl) {
        if (afterPath) out.resize(out.size() - 2);
        dropped = 1;
        continue;
      }
    }
    out += c;
  }
  return dropped == 0 ? out : std::string(text);
}

}  // namespace otelprof
