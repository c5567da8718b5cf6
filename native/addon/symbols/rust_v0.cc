// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <utility>
#include <vector>

#include "rust.h"

namespace otelprof {
namespace {

const char* basicType(char c) {
  switch (c) {
    case 'a': return "i8";
    case 'b': return "bool";
    case 'c': return "char";
    case 'd': return "f64";
    case 'e': return "str";
    case 'f': return "f32";
    case 'h': return "u8";
    case 'i': return "isize";
    case 'j': return "usize";
    case 'l': return "i32";
    case 'm': return "u32";
    case 'n': return "i128";
    case 'o': return "u128";
    case 'p': return "_";
    case 's': return "i16";
    case 't': return "u16";
    case 'u': return "()";
    case 'v': return "...";
    case 'x': return "i64";
    case 'y': return "u64";
    case 'z': return "!";
    default: return nullptr;
  }
}

/// Recursive descent over the grammar of RFC 2603. Back references may nest, so steps and output have
/// caps; any failure sets failed_, after which nothing is read or written.
class V0 {
 public:
  V0(std::string_view in, DemangleMode mode) : in_(in), mode_(mode) {}

  std::optional<std::string> run() {
    if (isDigit(peek())) return std::nullopt;  // an encoding version we do not know
    path(true);
    // An instantiating crate may follow; it is not part of the name.
    if (!failed_ && pos_ < in_.size()) {
      silent_++;
      path(false);
      silent_--;
    }
    if (failed_ || pos_ != in_.size()) return std::nullopt;
    return out_;
  }

 private:
  static constexpr size_t kMaxDepth = 200;
  static constexpr size_t kMaxSteps = 50'000;

  struct Scope {
    explicit Scope(V0* v) : v_(v) {
      if (++v_->depth_ > kMaxDepth || ++v_->steps_ > kMaxSteps) v_->failed_ = true;
    }
    ~Scope() { v_->depth_--; }
    Scope(const Scope&) = delete;
    Scope& operator=(const Scope&) = delete;
    V0* v_;
  };

  static bool isDigit(char c) { return c >= '0' && c <= '9'; }
  char peek() const { return !failed_ && pos_ < in_.size() ? in_[pos_] : '\0'; }
  bool take(char c) {
    if (peek() != c) return false;
    pos_++;
    return true;
  }
  void fail() { failed_ = true; }
  void put(std::string_view text) {
    if (failed_ || silent_ != 0) return;
    if (out_.size() + text.size() > kMaxDemangledBytes) return fail();
    out_.append(text);
  }

  /// `_` → 0, `<digits>_` → value + 1
  uint64_t base62() {
    if (take('_')) return 0;
    uint64_t value = 0;
    while (!failed_) {
      char c = peek();
      uint64_t digit = isDigit(c)               ? static_cast<uint64_t>(c - '0')
                       : c >= 'a' && c <= 'z' ? static_cast<uint64_t>(c - 'a') + 10
                       : c >= 'A' && c <= 'Z' ? static_cast<uint64_t>(c - 'A') + 36
                                              : 62;
      if (c == '_') {
        pos_++;
        return value + 1;
      }
      if (digit == 62 || value > (UINT64_MAX - 62) / 62 - 1) break;
      value = value * 62 + digit;
      pos_++;
    }
    fail();
    return 0;
  }

  uint64_t disambiguator() { return take('s') ? base62() + 1 : 0; }

  struct Identifier {
    std::string_view text;
    bool punycode = false;
  };
  Identifier identifier() {
    Identifier id;
    id.punycode = take('u');
    size_t length = 0;
    if (!isDigit(peek())) fail();
    for (int i = 0; i < 6 && isDigit(peek()); i++) {
      length = length * 10 + static_cast<size_t>(in_[pos_++] - '0');
      if (length == 0) break;  // leading zeros do not occur
    }
    take('_');
    if (failed_ || length > in_.size() - pos_) {
      fail();
      return id;
    }
    id.text = in_.substr(pos_, length);
    pos_ += length;
    return id;
  }
  void putIdentifier(const Identifier& id) {
    if (!id.punycode) return put(id.text);
    put("punycode{");  // as rustc-demangle prints what it cannot decode
    put(id.text);
    put("}");
  }

  template <typename F>
  void backReference(F read) {
    size_t start = pos_ - 1;
    uint64_t target = base62();
    if (failed_ || target >= start) return fail();
    if (silent_ != 0) return;
    size_t back = std::exchange(pos_, static_cast<size_t>(target));
    read();
    pos_ = back;
  }

  void implPath() {
    silent_++;
    disambiguator();
    path(false);
    silent_--;
  }

  /// True if the path ended in generic arguments left open for associated types of a `dyn`.
  bool path(bool inValue, bool leaveOpen = false) {
    Scope scope(this);
    if (failed_) return false;
    switch (char tag = peek(); pos_++, tag) {
      case 'C':
        disambiguator();
        putIdentifier(identifier());
        return false;
      case 'M':
        implPath();
        put("<");
        type();
        put(">");
        return false;
      case 'X':
      case 'Y':
        if (tag == 'X') implPath();
        put("<");
        type();
        put(" as ");
        path(false);
        put(">");
        return false;
      case 'N':
        nested(inValue);
        return false;
      case 'I': {
        path(inValue);
        bool hidden = mode_ == DemangleMode::Simplified;
        if (hidden) silent_++;
        put(inValue ? "::<" : "<");
        for (bool first = true; !take('E') && !failed_; first = false) {
          if (!first) put(", ");
          genericArg();
        }
        if (hidden) silent_--;
        if (leaveOpen && !hidden) return true;
        if (!hidden) put(">");
        return false;
      }
      case 'B': {
        bool open = false;
        backReference([&] { open = path(inValue, leaveOpen); });
        return open;
      }
      default:
        fail();
        return false;
    }
  }

  void nested(bool inValue) {
    char space = peek();
    pos_++;
    path(inValue);
    uint64_t number = disambiguator();
    Identifier id = identifier();
    if (space >= 'A' && space <= 'Z') {  // closures, shims: they have numbers
      put("::{");
      put(space == 'C' ? "closure" : space == 'S' ? "shim" : std::string_view(&space, 1));
      if (!id.text.empty()) put(":");
      putIdentifier(id);
      put("#" + std::to_string(number) + "}");
    } else if (space >= 'a' && space <= 'z') {
      if (id.text.empty()) return;
      put("::");
      putIdentifier(id);
    } else {
      fail();
    }
  }

  void lifetime(uint64_t index) {
    put("'");
    if (index == 0) return put("_");
    if (index > bound_) return fail();
    uint64_t depth = bound_ - index;
    if (depth < 26) return put(std::string(1, static_cast<char>('a' + depth)));
    put("_" + std::to_string(depth));
  }

  /// `G <count>`: for<'a, 'b>
  uint64_t binder() {
    if (!take('G')) return 0;
    uint64_t count = base62() + 1;
    if (count > 64) fail();
    put("for<");
    for (uint64_t i = 0; i < count && !failed_; i++) {
      if (i != 0) put(", ");
      bound_++;
      lifetime(1);
    }
    put("> ");
    return count;
  }

  void genericArg() {
    if (take('L')) {
      lifetime(base62());
    } else if (take('K')) {
      constant();
    } else {
      type();
    }
  }

  void type() {
    Scope scope(this);
    if (failed_) return;
    char tag = peek();
    if (const char* basic = basicType(tag)) {
      pos_++;
      return put(basic);
    }
    pos_++;
    switch (tag) {
      case 'A':
      case 'S':
        put("[");
        type();
        if (tag == 'A') {
          put("; ");
          constant();
        }
        return put("]");
      case 'T': {
        put("(");
        size_t count = 0;
        for (; !take('E') && !failed_; count++) {
          if (count != 0) put(", ");
          type();
        }
        return put(count == 1 ? ",)" : ")");
      }
      case 'R':
      case 'Q':
        put("&");
        if (take('L')) {
          uint64_t index = base62();
          if (index != 0) {
            lifetime(index);
            put(" ");
          }
        }
        if (tag == 'Q') put("mut ");
        return type();
      case 'P':
      case 'O':
        put(tag == 'P' ? "*const " : "*mut ");
        return type();
      case 'F':
        return function();
      case 'D':
        return dynamic();
      case 'B':
        return backReference([&] { type(); });
      default:
        pos_--;
        path(false);
    }
  }

  void function() {
    uint64_t count = binder();
    if (take('U')) put("unsafe ");
    if (take('K')) {
      put("extern \"");
      if (take('C')) {
        put("C");
      } else {
        std::string abi(identifier().text);
        std::replace(abi.begin(), abi.end(), '_', '-');
        put(abi);
      }
      put("\" ");
    }
    put("fn(");
    for (bool first = true; !take('E') && !failed_; first = false) {
      if (!first) put(", ");
      type();
    }
    put(")");
    if (!take('u')) {
      put(" -> ");
      type();
    }
    bound_ -= std::min(bound_, count);
  }

  void dynamic() {
    put("dyn ");
    uint64_t count = binder();
    for (bool first = true; !take('E') && !failed_; first = false) {
      if (!first) put(" + ");
      bool open = path(false, true);
      while (take('p')) {
        put(open ? ", " : "<");
        open = true;
        putIdentifier(identifier());
        put(" = ");
        type();
      }
      if (open) put(">");
    }
    bound_ -= std::min(bound_, count);
    if (!take('L')) return fail();
    if (uint64_t index = base62(); index != 0) {
      put(" + ");
      lifetime(index);
    }
  }

  void constant() {
    Scope scope(this);
    if (failed_) return;
    if (take('B')) return backReference([&] { constant(); });
    if (take('p')) return put("_");
    char kind = peek();
    if (basicType(kind) == nullptr || kind == 'e' || kind == 'u') return fail();
    pos_++;
    if (take('n')) put("-");
    size_t start = pos_;
    uint64_t value = 0;
    while (isDigit(peek()) || (peek() >= 'a' && peek() <= 'f')) {
      char c = in_[pos_++];
      value = value << 4 | static_cast<uint64_t>(isDigit(c) ? c - '0' : c - 'a' + 10);
    }
    size_t length = pos_ - start;
    if (!take('_')) return fail();
    if (kind == 'b') return put(value != 0 ? "true" : "false");
    if (length > 16) {
      put("0x");
      return put(in_.substr(start, length));
    }
    if (kind == 'c' && value >= 0x20 && value < 0x7f) {
      put("'");
      put(std::string(1, static_cast<char>(value)));
      return put("'");
    }
    put(std::to_string(value));
  }

  std::string_view in_;
  DemangleMode mode_;
  size_t pos_ = 0;
  size_t depth_ = 0;
  size_t steps_ = 0;
  size_t silent_ = 0;
  uint64_t bound_ = 0;
  bool failed_ = false;
  std::string out_;
};

}  // namespace

std::optional<std::string> DemangleRustV0(std::string_view mangled, DemangleMode mode) {
  size_t start = mangled.find('R');
  if (start == std::string_view::npos || start > 2) return std::nullopt;
  mangled = mangled.substr(start + 1);
  mangled = mangled.substr(0, mangled.find_first_of(".$"));
  return V0(mangled, mode).run();
}

}  // namespace otelprof
