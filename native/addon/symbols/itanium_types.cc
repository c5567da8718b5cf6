// SPDX-License-Identifier: Apache-2.0
#include <iterator>
#include <utility>

#include "itanium.h"

namespace otelprof {
namespace {

bool isDigit(char c) { return c >= '0' && c <= '9'; }

const char* builtinName(char c) {
  switch (c) {
    case 'v': return "void";
    case 'w': return "wchar_t";
    case 'b': return "bool";
    case 'c': return "char";
    case 'a': return "signed char";
    case 'h': return "unsigned char";
    case 's': return "short";
    case 't': return "unsigned short";
    case 'i': return "int";
    case 'j': return "unsigned int";
    case 'l': return "long";
    case 'm': return "unsigned long";
    case 'x': return "long long";
    case 'y': return "unsigned long long";
    case 'n': return "__int128";
    case 'o': return "unsigned __int128";
    case 'f': return "float";
    case 'd': return "double";
    case 'e': return "long double";
    case 'g': return "__float128";
    case 'z': return "...";
    default: return nullptr;
  }
}

const char* builtinNameD(char c) {
  switch (c) {
    case 'd': return "decimal64";
    case 'e': return "decimal128";
    case 'f': return "decimal32";
    case 'h': return "half";
    case 'i': return "char32_t";
    case 's': return "char16_t";
    case 'u': return "char8_t";
    case 'a': return "auto";
    case 'c': return "decltype(auto)";
    case 'n': return "std::nullptr_t";
    default: return nullptr;
  }
}

}  // namespace

bool ItaniumDemangler::type(Value* out) {
  Depth depth(this);
  if (depth.exceeded()) return false;
  size_t start = pos_;
  bool outerUsedPack = std::exchange(usedPack_, false);
  bool substitutable = true;
  bool ok = typeInner(out, &substitutable);
  if (usedPack_ && packIndex_ != std::string_view::npos && !replaying_) out->packSource = start;
  usedPack_ = usedPack_ || outerUsedPack;
  if (!ok || budget_ == 0) return false;
  if (substitutable) pushSubstitution(*out);
  return true;
}

bool ItaniumDemangler::typeInner(Value* out, bool* substitutable) {
  char c = peek();
  if (const char* text = builtinName(c)) {
    pos_++;
    append(&out->left, text);
    *substitutable = false;
    return true;
  }
  switch (c) {
    case 'r':
    case 'V':
    case 'K':
    case 'U':
      return qualifiedType(out);
    case 'P':
    case 'R':
    case 'O':
    case 'C':
    case 'G':
      return pointerType(out);
    case 'F':
      return functionType(out);
    case 'A':
      return arrayType(out);
    case 'M':
      return memberPointerType(out);
    case 'D':
      return typeD(out, substitutable);
    case 'u':
      pos_++;
      return sourceName(&out->left);
    case 'T': {
      char next = peek(1);
      if (next == 's' || next == 'u' || next == 'e') {  // elaborated: struct, union, enum
        pos_ += 2;
        append(&out->left, next == 's' ? "struct " : next == 'u' ? "union " : "enum ");
        Value inner;
        NameInfo info;
        if (!name(&inner, &info)) return false;
        append(&out->left, inner.text());
        return true;
      }
      if (!templateParam(out)) return false;
      if (peek() == 'I' && !inConversion_) {
        pushSubstitution(*out);
        out->isPack = false;
        return templateArgs(out);
      }
      return true;
    }
    case 'S':
      if (peek(1) != 't') {
        if (!substitution(out)) return false;
        if (peek() == 'I') return templateArgs(out);
        *substitutable = false;
        return true;
      }
      [[fallthrough]];
    default: {
      if (c != 'N' && c != 'Z' && c != 'S' && !isDigit(c)) return false;
      // The arguments of a type's name are not those the signature refers to.
      NameInfo info;
      bool outer = std::exchange(inFunctionName_, false);
      bool ok = name(out, &info);
      inFunctionName_ = outer;
      return ok;
    }
  }
}

bool ItaniumDemangler::typeD(Value* out, bool* substitutable) {
  char c = peek(1);
  if (const char* text = builtinNameD(c)) {
    pos_ += 2;
    append(&out->left, text);
    *substitutable = false;
    return true;
  }
  switch (c) {
    case 'p':
      pos_ += 2;
      return packExpansion(out);
    case 't':
    case 'T':
      pos_ += 2;
      append(&out->left, "decltype(");
      if (!expression(&out->left) || !take('E')) return false;
      append(&out->left, ")");
      return true;
    case 'o':
    case 'O':
    case 'w':
    case 'x':
      return functionType(out);
    case 'F':
      pos_ += 2;
      append(&out->left, "_Float");
      append(&out->left, digits());
      *substitutable = false;
      return take('_');
    case 'v': {
      pos_ += 2;
      std::string size;
      if (isDigit(peek())) {
        size = digits();
      } else if (take('_')) {
        if (peek() != '_' && !expression(&size)) return false;
      }
      if (!take('_')) return false;
      Value element;
      if (take('p')) {
        element.left = "pixel";
      } else if (!type(&element)) {
        return false;
      }
      append(&out->left, element.text() + " vector[" + size + "]");
      return true;
    }
    default:
      return false;
  }
}

bool ItaniumDemangler::qualifiedType(Value* out) {
  if (take('U')) {  // vendor qualifier
    std::string qualifier;
    if (!sourceName(&qualifier)) return false;
    Value args;
    if (peek() == 'I' && !templateArgs(&args)) return false;
    if (!type(out)) return false;
    append(&out->left, " " + qualifier + args.left);
    return true;
  }
  std::string qualifiers;
  bool isRestrict = take('r');
  bool isVolatile = take('V');
  if (take('K')) qualifiers += " const";
  if (isVolatile) qualifiers += " volatile";
  if (isRestrict) qualifiers += " restrict";
  if (qualifiers.empty()) return false;
  if (peek() == 'F' || (peek() == 'D' && (peek(1) == 'o' || peek(1) == 'O' || peek(1) == 'x'))) {
    // The qualifiers of a member function's type; together they are one substitution.
    if (!functionType(out)) return false;
    append(&out->right, qualifiers);
    return true;
  }
  if (!type(out)) return false;
  append(&out->left, qualifiers);
  return true;
}

/// Puts a pointer-like mark where the declarator of `to` goes.
void ItaniumDemangler::point(Value* to, std::string_view mark) {
  if (to->shape != Shape::Plain) {
    append(&to->left, to->shape == Shape::Function || to->left.ends_with(' ') ? "(" : " (");
    append(&to->left, mark);
    to->right.insert(0, ")");
    to->shape = Shape::Plain;
  } else {
    append(&to->left, mark);
  }
}

bool ItaniumDemangler::pointerType(Value* out) {
  char mark = peek();
  pos_++;
  if (!type(out)) return false;
  out->packSource = std::string_view::npos;
  out->base.clear();
  switch (mark) {
    case 'P':
      point(out, "*");
      out->ref = Ref::None;
      return true;
    case 'R':
    case 'O': {
      Ref wanted = mark == 'R' ? Ref::Lvalue : Ref::Rvalue;
      // Reference collapsing: & wins.
      if (out->ref == Ref::None) {
        point(out, wanted == Ref::Lvalue ? "&" : "&&");
        out->ref = wanted;
      } else if (out->ref == Ref::Rvalue && wanted == Ref::Lvalue) {
        if (out->left.ends_with("&&")) out->left.pop_back();
        out->ref = Ref::Lvalue;
      }
      return true;
    }
    case 'C':
      append(&out->left, " complex");
      return true;
    default:
      append(&out->left, " imaginary");
      return true;
  }
}

/// [Do | DO <expr> E | Dw <types> E] [Dx] F [Y] <return type> <parameters> [R|O] E
bool ItaniumDemangler::functionType(Value* out) {
  std::string exceptions;
  if (take("Do")) {
    exceptions = " noexcept";
  } else if (take("DO")) {
    std::string condition;
    if (!expression(&condition) || !take('E')) return false;
    exceptions = " noexcept(" + condition + ")";
  } else if (take("Dw")) {
    std::string list;
    if (!parameters(&list, 'E') || !take('E')) return false;
    exceptions = " throw(" + list + ")";
  }
  take("Dx");
  if (!take('F')) return false;
  take('Y');
  Value result;
  if (!type(&result)) return false;
  std::string list;
  std::string refQualifier;
  bool first = true;
  while (!take('E')) {
    if (atEnd()) return false;
    if (peek(1) == 'E' && (peek() == 'R' || peek() == 'O')) {
      refQualifier = take('R') ? " &" : (pos_++, " &&");
      continue;
    }
    if (take('v')) continue;
    Value parameter;
    if (!type(&parameter)) return false;
    if (parameter.isPack && parameter.left.empty()) continue;
    if (!first) append(&list, ", ");
    append(&list, parameter.text());
    first = false;
  }
  append(&out->left, result.left);
  append(&out->left, result.right.empty() ? " " : "");
  append(&out->right, "(" + list + ")");
  append(&out->right, refQualifier);
  append(&out->right, exceptions);
  append(&out->right, result.right);
  out->shape = Shape::Function;
  return true;
}

bool ItaniumDemangler::arrayType(Value* out) {
  pos_++;
  std::string size;
  if (isDigit(peek())) {
    size = digits();
  } else if (peek() != '_' && !expression(&size)) {
    return false;
  }
  if (!take('_') || !type(out)) return false;
  out->packSource = std::string_view::npos;
  // `int [2][3]`: outer dimensions come first.
  std::string dimension = "[" + size + "]";
  if (out->shape != Shape::Array) dimension.insert(0, " ");
  if (out->shape == Shape::Array && out->right.starts_with(' ')) {
    out->right.replace(0, 1, " " + dimension);
  } else {
    out->right.insert(0, dimension);
  }
  out->shape = Shape::Array;
  return spend(dimension.size() + out->right.size()) && out->right.size() < in_.size() * 8 + 64;
}

bool ItaniumDemangler::memberPointerType(Value* out) {
  pos_++;
  Value owner;
  if (!type(&owner) || !type(out)) return false;
  out->packSource = std::string_view::npos;
  std::string mark = owner.text() + "::*";
  if (out->shape == Shape::Plain) mark.insert(0, " ");
  point(out, mark);
  out->ref = Ref::None;
  return true;
}

/// Reads the pattern once for each element of the pack that it names.
bool ItaniumDemangler::packExpansion(Value* out) {
  size_t start = pos_;
  size_t recorded = substitutions_.size();
  size_t outerIndex = std::exchange(packIndex_, 0);
  size_t outerSize = std::exchange(packSize_, std::string_view::npos);
  bool ok = true;
  std::string text;
  bool isPack = false;
  for (;;) {
    Value element;
    pos_ = start;
    if (!replaying_ && substitutions_.size() > recorded) {
      substitutions_.erase(std::next(substitutions_.begin(), static_cast<ptrdiff_t>(recorded)),
                           substitutions_.end());
    }
    ok = type(&element);
    if (!ok) break;
    if (packSize_ == std::string_view::npos) {
      text = element.text() + "...";
      break;
    }
    isPack = true;
    if (packSize_ == 0) break;
    if (packIndex_ != 0) append(&text, ", ");
    append(&text, element.text());
    if (budget_ == 0 || ++packIndex_ >= packSize_) break;
  }
  packIndex_ = outerIndex;
  packSize_ = outerSize;
  usedPack_ = false;
  out->isPack = isPack;
  append(&out->left, text);
  return ok && budget_ != 0;
}

bool ItaniumDemangler::templateParam(Value* out) {
  size_t index;
  if (!take('T') || !sequenceId(&index)) return false;
  if (inLambda_ && index >= templateArgs_.size()) {
    append(&out->left, "auto");
    return true;
  }
  if (inConversion_ && index < 0x60) {
    out->left = {'\x01', static_cast<char>(0x10 + index)};
    return true;
  }
  if (index >= templateArgs_.size()) {
    if (!inLambda_) return false;
    append(&out->left, "auto");
    return true;
  }
  const Value& argument = templateArgs_[index];
  if (argument.isPack && packIndex_ != std::string_view::npos) {
    usedPack_ = true;
    packSize_ = argument.pack.size();
    if (packIndex_ >= argument.pack.size()) return true;
    const Value& element = argument.pack[packIndex_];
    if (!spend(element.bytes())) return false;
    *out = element;
    return true;
  }
  if (!spend(argument.bytes())) return false;
  *out = argument;
  out->packSource = std::string_view::npos;
  return true;
}

bool ItaniumDemangler::substitution(Value* out) {
  if (!take('S')) return false;
  struct Standard {
    char code;
    const char* text;
    const char* base;
  };
  constexpr Standard kStandard[] = {
      {'a', "std::allocator", "allocator"},   {'b', "std::basic_string", "basic_string"},
      {'s', "std::string", "basic_string"},   {'i', "std::istream", "basic_istream"},
      {'o', "std::ostream", "basic_ostream"}, {'d', "std::iostream", "basic_iostream"},
  };
  for (const Standard& s : kStandard) {
    if (!take(s.code)) continue;
    append(&out->left, s.text);
    out->base = s.base;
    return abiTags(&out->left);
  }
  size_t index;
  if (!sequenceId(&index) || index >= substitutions_.size()) return false;
  const Value& found = substitutions_[index];
  if (!spend(found.bytes())) return false;
  if (found.packSource == std::string_view::npos || packIndex_ == std::string_view::npos ||
      found.packSource >= pos_) {
    *out = found;
    return true;
  }
  // Its text depends on the element being expanded: read it again for this one. Sources lie before
  // their uses, so replays end.
  size_t back = std::exchange(pos_, found.packSource);
  bool outer = std::exchange(replaying_, true);
  bool ok = type(out);
  replaying_ = outer;
  pos_ = back;
  return ok;
}

}  // namespace otelprof
