// SPDX-License-Identifier: Apache-2.0
#include "symbolize.h"

#include <algorithm>
#include <cstring>
#include <vector>

#include "line_table.h"

namespace otelprof::python {
namespace {

constexpr size_t kMaxNameChars = 512;
constexpr size_t kMaxFileChars = 4096;
constexpr size_t kMaxLineTableBytes = 64u << 10;
// PyObject: reference count, type. PyTypeObject: name.
constexpr uint64_t kTypeOffset = 8;
constexpr uint64_t kTypeNameOffset = 24;
constexpr char kCodeType[] = "code";
// PyVarObject: count, contents. str: length, hash, state.
constexpr uint64_t kSizeOffset = 16;
constexpr uint64_t kBytesData = 32;
constexpr uint64_t kStateOffset = 32;

/// As ValidUtf8: a str may hold lone surrogates, and memory that is no str anything.
void AppendUtf8(uint32_t c, std::string* out) {
  constexpr uint32_t kReplacement = 0xfffd, kLastCodePoint = 0x10ffff;
  if (c == 0 || c > kLastCodePoint || (c >= 0xd800 && c < 0xe000)) c = kReplacement;
  if (c < 0x80) {
    *out += static_cast<char>(c);
  } else if (c < 0x800) {
    *out += {static_cast<char>(0xc0 | c >> 6), static_cast<char>(0x80 | (c & 63))};
  } else if (c < 0x10000) {
    *out += {static_cast<char>(0xe0 | c >> 12), static_cast<char>(0x80 | (c >> 6 & 63)),
             static_cast<char>(0x80 | (c & 63))};
  } else {
    *out += {static_cast<char>(0xf0 | (c >> 18 & 7)), static_cast<char>(0x80 | (c >> 12 & 63)),
             static_cast<char>(0x80 | (c >> 6 & 63)), static_cast<char>(0x80 | (c & 63))};
  }
}

class Function final : public RuntimeFunction {
 public:
  std::string name, file;
  uint32_t firstLine = 0;
  LineFormat format{};
  std::vector<uint8_t> lines;

  ResolvedFrame At(uint32_t position) const override {
    ResolvedFrame out;
    const Place place = FindPlace(format, lines, firstLine, position);
    out.name = name;
    out.file = file;
    out.startLine = firstLine;
    out.line = place.line;
    out.column = place.column;
    return out;
  }
  size_t sizeBytes() const override { return sizeof(*this) + name.capacity() + file.capacity() + lines.capacity(); }
};

class CodeReader {
 public:
  CodeReader(RemoteMemory& memory, const Layout& layout) : memory_(memory), layout_(layout) {}

  /// Text longer than `maxChars` is cut.
  ReadOutcome Text(uint64_t object, size_t maxChars, std::string* out) {
    int64_t length = 0;
    uint32_t state = 0;
    if (!memory_.Read(object + kSizeOffset, &length) || !memory_.Read(object + kStateOffset, &state)) return Lost();
    // Bits before `kind`: two of how the text is interned; in some builds a byte or two. What they hold is small,
    // and so no other place can be taken for that of `kind`.
    uint32_t kind = 0;
    for (const uint32_t shift : {2, 8, 16}) {
      kind = state >> shift & 7;
      if (kind == 0) continue;
      state >>= shift;
      break;
    }
    const bool isCompact = state >> 3 & 1;
    const bool isAscii = state >> 4 & 1;
    if (length < 0 || !isCompact || (kind != 1 && kind != 2 && kind != 4)) return ReadOutcome::Layout;
    const size_t chars = std::min(static_cast<size_t>(length), maxChars);
    std::vector<uint8_t> bytes(chars * kind);
    if (!memory_.Read(object + (isAscii ? layout_.asciiData : layout_.compactData), bytes)) return Lost();
    for (size_t i = 0; i < bytes.size(); i += kind) {
      uint32_t c = 0;
      std::memcpy(&c, bytes.data() + i, kind);
      AppendUtf8(c, out);
    }
    return ReadOutcome::Named;
  }

  ReadOutcome Bytes(uint64_t object, std::vector<uint8_t>* out) {
    int64_t length = 0;
    if (!memory_.Read(object + kSizeOffset, &length)) return Lost();
    if (length < 0) return ReadOutcome::Layout;
    out->resize(std::min(static_cast<size_t>(length), kMaxLineTableBytes));
    return memory_.Read(object + kBytesData, *out) ? ReadOutcome::Named : Lost();
  }

  /// The layout is right only if its code objects are code objects.
  ReadOutcome CheckType(uint64_t object) {
    uint64_t type = 0, name = 0;
    char text[sizeof(kCodeType)] = {};
    if (!memory_.Read(object + kTypeOffset, &type) || !memory_.Read(type + kTypeNameOffset, &name) ||
        !memory_.Read(name, &text))
      return Lost();
    return std::memcmp(text, kCodeType, sizeof(text)) == 0 ? ReadOutcome::Named : ReadOutcome::Layout;
  }

  ReadOutcome Lost() const { return memory_.isExhausted() ? ReadOutcome::Budget : ReadOutcome::Gone; }

 private:
  RemoteMemory& memory_;
  const Layout& layout_;
};

}  // namespace

ReadOutcome ReadCode(RemoteMemory& memory, const Layout& layout, const FunctionKey& key,
                     std::shared_ptr<const RuntimeFunction>* out) {
  CodeReader reader(memory, layout);
  uint64_t name = 0;
  const auto checkCookie = [&] {
    uint64_t hash = 0;
    uint32_t firstLine = 0;
    if (!memory.Read(key.address + layout.kernel.code_name, &name) ||
        !memory.Read(key.address + layout.kernel.code_first_line, &firstLine) ||
        !memory.Read(name + OP_PYTHON_STRING_HASH, &hash))
      return reader.Lost();
    return OP_PYTHON_COOKIE(name, hash) == key.cookie && firstLine == key.cookie2 ? ReadOutcome::Named : ReadOutcome::Stale;
  };
  auto function = std::make_shared<Function>();
  function->firstLine = key.cookie2;
  function->format = layout.lines;
  uint64_t file = 0, lines = 0;

  ReadOutcome outcome = checkCookie();
  if (outcome == ReadOutcome::Named) outcome = reader.CheckType(key.address);
  if (outcome == ReadOutcome::Named) outcome = reader.Text(name, kMaxNameChars, &function->name);
  if (outcome != ReadOutcome::Named) return outcome;
  if (!memory.Read(key.address + layout.codeFile, &file) || !memory.Read(key.address + layout.codeLines, &lines))
    return reader.Lost();
  outcome = reader.Text(file, kMaxFileChars, &function->file);
  if (outcome == ReadOutcome::Named) outcome = reader.Bytes(lines, &function->lines);
  if (outcome == ReadOutcome::Named) outcome = checkCookie();
  if (outcome == ReadOutcome::Named) *out = std::move(function);
  return outcome;
}

}  // namespace otelprof::python
