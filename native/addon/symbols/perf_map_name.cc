// SPDX-License-Identifier: Apache-2.0
#include "symbols.h"

namespace otelprof {
namespace {

/// Takes `:<digits>` off the end.
bool takeNumber(std::string_view* text, uint32_t* value) {
  size_t colon = text->rfind(':');
  if (colon == std::string_view::npos) return false;
  std::string_view digits = text->substr(colon + 1);
  if (digits.empty() || digits.size() > 9) return false;
  uint32_t n = 0;
  for (char c : digits) {
    if (c < '0' || c > '9') return false;
    n = n * 10 + static_cast<uint32_t>(c - '0');
  }
  *value = n;
  text->remove_suffix(digits.size() + 1);
  return true;
}

/// End of the function's name in `name file`. Both may hold spaces; `get x` and `set x` are accessors
/// and a computed name is in brackets.
size_t endOfName(std::string_view text) {
  size_t from = text.starts_with("get ") || text.starts_with("set ") ? 4 : 0;
  if (from < text.size() && text[from] == '[') {
    size_t bracket = text.find(']', from);
    if (bracket != std::string_view::npos) from = bracket;
  }
  size_t space = text.find(' ', from);
  return space == std::string_view::npos ? text.size() : space;
}

/// `*name file:line:col`, where `file:line:col` may be absent (built-in functions have no source).
void parseV8Function(std::string_view text, ResolvedFrame* out) {
  constexpr std::string_view kTiers = "*~^+'";
  if (!text.empty() && kTiers.find(text[0]) != std::string_view::npos) text.remove_prefix(1);
  uint32_t line = 0;
  uint32_t column = 0;
  std::string_view before = text;
  if (takeNumber(&before, &column) && takeNumber(&before, &line)) {
    text = before;
  } else {
    line = column = 0;
  }
  size_t end = endOfName(text);
  std::string_view name = text.substr(0, end);
  std::string_view file = end < text.size() ? text.substr(end + 1) : std::string_view();
  out->name = name.empty() ? "(anonymous)" : ValidUtf8(name);
  out->file = ValidUtf8(file);
  // The map tells where the function is declared; the line being run is not in it.
  out->line = out->startLine = line;
  out->column = column;
}

/// `void java.lang.String.foo(int, char[])` → `java.lang.String.foo`. Stubs (`StubRoutines (1)`) stay.
std::string_view javaMethod(std::string_view text) {
  size_t open = text.find('(');
  if (open == std::string_view::npos || open == 0 || text.back() != ')') return text;
  std::string_view head = text.substr(0, open);
  if (head.back() == ' ' || head.find('.') == std::string_view::npos) return text;
  size_t space = head.rfind(' ');
  return space == std::string_view::npos ? head : head.substr(space + 1);
}

}  // namespace

FrameKind ParsePerfMapName(std::string_view text, bool jvm, ResolvedFrame* out) {
  *out = ResolvedFrame();
  auto keepText = [&] {
    std::string whole = ValidUtf8(text);
    if (whole != out->name) out->systemName = std::move(whole);
  };
  // Who starts with these is V8: JS since 11.x; the others name functions of older versions.
  for (std::string_view prefix : {"JS:", "LazyCompile:", "Function:", "Script:", "Eval:"}) {
    if (!text.starts_with(prefix)) continue;
    parseV8Function(text.substr(prefix.size()), out);
    keepText();
    return FrameKind::V8Js;
  }
  for (std::string_view prefix : {"Builtin:", "BytecodeHandler:", "Stub:", "RegExp:", "Handler:"}) {
    if (!text.starts_with(prefix)) continue;
    out->name = ValidUtf8(text);
    return FrameKind::V8Js;
  }
  if (text.starts_with("py::")) {
    std::string_view rest = text.substr(4);
    // A qualified name has no colon; a file name might.
    size_t colon = rest.find(':');
    out->name = ValidUtf8(rest.substr(0, colon));
    if (colon != std::string_view::npos) out->file = ValidUtf8(rest.substr(colon + 1));
    keepText();
    return FrameKind::CPython;
  }
  if (jvm) {
    out->name = ValidUtf8(javaMethod(text));
    keepText();
    return FrameKind::Jvm;
  }
  out->name = ValidUtf8(text);
  return FrameKind::Unknown;
}

}  // namespace otelprof
