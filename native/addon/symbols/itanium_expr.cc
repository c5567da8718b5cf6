// SPDX-License-Identifier: Apache-2.0
#include "itanium.h"

namespace otelprof {
namespace {

bool isDigit(char c) { return c >= '0' && c <= '9'; }

}  // namespace

/// Expressions occur in decltype, array bounds and template arguments of dependent signatures.
bool ItaniumDemangler::expression(std::string* out) {
  Depth depth(this);
  if (depth.exceeded()) return false;
  char a = peek();
  char b = peek(1);
  if (a == 'L') {
    if (!take("L_Z")) return literal(out);
    Value value;
    if (!encoding(&value) || !take('E')) return false;
    append(out, value.text());
    return true;
  }
  if (a == 'T') {
    Value value;
    if (!templateParam(&value)) return false;
    append(out, value.text());
    return true;
  }
  if (a == 'f' && (b == 'p' || (b == 'L' && isDigit(peek(2))))) {
    if (take("fpT")) {
      append(out, "this");
      return true;
    }
    pos_ += 2;
    if (b == 'L') {
      digits();
      if (!take('p')) return false;
    }
    while (peek() == 'r' || peek() == 'V' || peek() == 'K') pos_++;
    append(out, "fp");
    append(out, digits());
    return take('_');
  }
  if (isDigit(a)) return unresolvedName(out, false);
  if (take("gs")) {
    if (peek() == 's' || isDigit(peek())) return unresolvedName(out, true);
    append(out, "::");
    return expression(out);
  }
  if ((a == 's' && b == 'r') || (a == 'o' && b == 'n') || (a == 'd' && b == 'n')) {
    return unresolvedName(out, false);
  }
  std::string_view code = in_.substr(pos_, 2);
  bool known = true;
  bool ok = callLike(out, code, &known);
  return known ? ok : operatorExpression(out, code);
}

bool ItaniumDemangler::expressionList(std::string* out) {
  for (bool first = true; !take('E'); first = false) {
    if (atEnd()) return false;
    if (!first) append(out, ", ");
    if (!expression(out)) return false;
  }
  return true;
}

/// Everything that is not an operator between operands. *known is false if `code` is none of these.
bool ItaniumDemangler::callLike(std::string* out, std::string_view code, bool* known) {
  auto wrapped = [&](std::string_view before, bool isType) {
    pos_ += 2;
    append(out, before);
    append(out, "(");
    Value value;
    if (isType ? !type(&value) : !expression(out)) return false;
    append(out, value.text());
    append(out, ")");
    return true;
  };
  if (code == "st") return wrapped("sizeof ", true);
  if (code == "sz") return wrapped("sizeof ", false);
  if (code == "at") return wrapped("alignof ", true);
  if (code == "az") return wrapped("alignof ", false);
  if (code == "ti") return wrapped("typeid ", true);
  if (code == "te") return wrapped("typeid ", false);
  if (code == "nx") return wrapped("noexcept ", false);
  if (code == "sZ") return wrapped("sizeof...", false);
  if (code == "tw") return wrapped("throw ", false);
  if (code == "tr") {
    pos_ += 2;
    append(out, "throw");
    return true;
  }
  if (code == "sp") {
    pos_ += 2;
    if (!expression(out)) return false;
    append(out, "...");
    return true;
  }
  if (code == "cl") {
    pos_ += 2;
    if (!expression(out)) return false;
    append(out, "(");
    if (!expressionList(out)) return false;
    append(out, ")");
    return true;
  }
  if (code == "cv") {
    pos_ += 2;
    Value target;
    if (!type(&target)) return false;
    append(out, "(" + target.text() + ")(");
    if (!(take('_') ? expressionList(out) : expression(out))) return false;
    append(out, ")");
    return true;
  }
  if (code == "sc" || code == "cc" || code == "dc" || code == "rc") {
    pos_ += 2;
    Value target;
    if (!type(&target)) return false;
    append(out, code == "sc" ? "static_cast<" : code == "cc" ? "const_cast<"
                : code == "dc"                               ? "dynamic_cast<"
                                                             : "reinterpret_cast<");
    append(out, target.text() + ">(");
    if (!expression(out)) return false;
    append(out, ")");
    return true;
  }
  if (code == "tl" || code == "il") {
    pos_ += 2;
    Value target;
    if (code == "tl" && !type(&target)) return false;
    append(out, target.text() + "{");
    if (!expressionList(out)) return false;
    append(out, "}");
    return true;
  }
  *known = false;
  return false;
}

bool ItaniumDemangler::operatorExpression(std::string* out, std::string_view code) {
  if (code == "dt" || code == "pt") {
    pos_ += 2;
    if (!expression(out)) return false;
    append(out, code == "dt" ? "." : "->");
    return isDigit(peek()) || peek() == 's' || peek() == 'o' || peek() == 'd' ? unresolvedName(out, false)
                                                                             : expression(out);
  }
  if (code == "qu" || code == "ix") {
    pos_ += 2;
    append(out, "(");
    if (!expression(out)) return false;
    append(out, code == "qu" ? ") ? (" : ")[");
    if (!expression(out)) return false;
    if (code == "ix") {
      append(out, "]");
      return true;
    }
    append(out, ") : (");
    if (!expression(out)) return false;
    append(out, ")");
    return true;
  }
  if (code.size() == 2 && code[0] == 'f' && (code[1] == 'l' || code[1] == 'r')) {
    pos_ += 2;
    const ItaniumOperator* folded = FindItaniumOperator(peek(), peek(1));
    if (folded == nullptr) return false;
    pos_ += 2;
    append(out, code[1] == 'l' ? "(... " : "(");
    append(out, code[1] == 'l' ? folded->text : "");
    append(out, code[1] == 'l' ? " " : "");
    if (!expression(out)) return false;
    if (code[1] == 'r') append(out, std::string(" ") + folded->text + " ...");
    append(out, ")");
    return true;
  }
  const ItaniumOperator* op = code.size() == 2 ? FindItaniumOperator(code[0], code[1]) : nullptr;
  if (op == nullptr || op->kind == ItaniumOperator::Other) return false;
  pos_ += 2;
  bool prefix = op->kind == ItaniumOperator::Unary || (op->kind == ItaniumOperator::Postfix && take('_'));
  if (prefix) append(out, op->text);
  append(out, "(");
  if (!expression(out)) return false;
  append(out, ")");
  if (prefix) return true;
  if (op->kind == ItaniumOperator::Postfix) {
    append(out, op->text);
    return true;
  }
  append(out, std::string(" ") + op->text + " (");
  if (!expression(out)) return false;
  append(out, ")");
  return true;
}

/// `L <type> <value> E`
bool ItaniumDemangler::literal(std::string* out) {
  if (!take('L')) return false;
  char kind = peek();
  if (kind == 'b' && (peek(1) == '0' || peek(1) == '1') && peek(2) == 'E') {
    append(out, peek(1) == '1' ? "true" : "false");
    pos_ += 3;
    return true;
  }
  if (take("DnE") || take("Dn0E")) {
    append(out, "nullptr");
    return true;
  }
  constexpr std::string_view kPlain = "ijlmxy";
  constexpr const char* kSuffix[] = {"", "u", "l", "ul", "ll", "ull"};
  size_t plain = kPlain.find(kind);
  Value literalType;
  if (plain != std::string_view::npos) {
    pos_++;
  } else {
    if (!type(&literalType)) return false;
    append(out, "(" + literalType.text() + ")");
  }
  if (take('n')) append(out, "-");
  // Floating-point values are hexadecimal images; they stay as such.
  size_t start = pos_;
  while (isDigit(peek()) || (peek() >= 'a' && peek() <= 'f')) pos_++;
  append(out, in_.substr(start, pos_ - start));
  if (plain != std::string_view::npos) append(out, kSuffix[plain]);
  return take('E');
}

bool ItaniumDemangler::baseUnresolvedName(std::string* out) {
  NameInfo info;
  if (take("on")) {
    if (!operatorName(out, &info)) return false;
  } else if (take("dn")) {
    append(out, "~");
    if (isDigit(peek())) return sourceName(out);
    Value of;
    if (!type(&of)) return false;
    append(out, of.text());
    return true;
  } else if (!sourceName(out)) {
    return false;
  }
  Value args;
  if (peek() == 'I' && !templateArgs(&args)) return false;
  append(out, args.left);
  return true;
}

/// [gs] <base>, sr <type> <base>, srN <type> <level>+ E <base>, [gs] sr <level>+ E <base>
bool ItaniumDemangler::unresolvedName(std::string* out, bool global) {
  Depth depth(this);
  if (depth.exceeded()) return false;
  if (global) append(out, "::");
  auto levels = [&] {
    while (!take('E')) {
      if (!sourceName(out)) return false;
      Value args;
      if (peek() == 'I' && !templateArgs(&args)) return false;
      append(out, args.left);
      append(out, "::");
    }
    return true;
  };
  if (take("srN")) {
    Value scope;
    if (!type(&scope)) return false;
    if (peek() == 'I' && !templateArgs(&scope)) return false;
    append(out, scope.text() + "::");
    return levels() && baseUnresolvedName(out);
  }
  if (!take("sr")) return baseUnresolvedName(out);
  if (isDigit(peek())) return levels() && baseUnresolvedName(out);
  Value scope;
  if (!type(&scope)) return false;
  if (peek() == 'I' && !templateArgs(&scope)) return false;
  append(out, scope.text() + "::");
  return baseUnresolvedName(out);
}

}  // namespace otelprof
