// SPDX-License-Identifier: Apache-2.0
#include <utility>

#include "itanium.h"

namespace otelprof {
namespace {

bool isDigit(char c) { return c >= '0' && c <= '9'; }

}  // namespace

bool ItaniumDemangler::name(Value* out, NameInfo* info) {
  Depth depth(this);
  if (depth.exceeded()) return false;
  if (peek() == 'N') return nestedName(out, info);
  if (peek() == 'Z') return localName(out, info);
  bool substituted = false;
  if (peek() == 'S' && peek(1) != 't') {
    if (!substitution(out)) return false;
    substituted = true;
  } else {
    if (take("St")) append(&out->left, "std::");
    Value part;
    if (!unqualifiedName(&part, info, nullptr)) return false;
    append(&out->left, part.left);
    out->base = part.base;
  }
  if (peek() == 'I') {
    if (!substituted) pushSubstitution(*out);
    if (!templateArgs(out)) return false;
    info->templateArgs = true;
    out->ref = Ref::None;
    return true;
  }
  return !substituted;  // a bare substitution is a type, not a name
}

bool ItaniumDemangler::nestedName(Value* out, NameInfo* info) {
  if (!take('N')) return false;
  if (take('r')) info->qualifiers += " restrict";
  bool isVolatile = take('V');
  if (take('K')) info->qualifiers += " const";
  if (isVolatile) info->qualifiers += " volatile";
  if (take('R')) {
    info->qualifiers += " &";
  } else if (take('O')) {
    info->qualifiers += " &&";
  }
  // The whole name becomes a substitution only where it is a type; its parts always do.
  bool lastPushed = false;
  while (!take('E')) {
    if (atEnd()) return false;
    lastPushed = false;
    if (!nestedComponent(out, info, &lastPushed)) return false;
  }
  if (out->left.empty()) return false;
  if (lastPushed && !replaying_ && !substitutions_.empty()) substitutions_.pop_back();
  return true;
}

bool ItaniumDemangler::nestedComponent(Value* out, NameInfo* info, bool* pushed) {
  Depth depth(this);
  if (depth.exceeded()) return false;
  auto record = [&] {
    pushSubstitution(*out);
    *pushed = true;
    return budget_ != 0;
  };
  if (take('M')) return true;  // the scope of a lambda in a member's initializer
  char c = peek();
  if (c == 'I') {
    if (out->left.empty() || !templateArgs(out)) return false;
    info->templateArgs = true;
    return record();
  }
  info->templateArgs = false;
  if (out->left.empty()) {
    if (c == 'T') return templateParam(out) && record();
    if (c == 'D' && (peek(1) == 't' || peek(1) == 'T')) {
      bool substitutable;
      return typeD(out, &substitutable) && record();
    }
    if (c == 'S' && peek(1) != 't') return substitution(out);
    if (take("St")) {
      append(&out->left, "std");
      return true;
    }
  }
  Value part;
  info->noReturnType = false;
  if (!unqualifiedName(&part, info, out)) return false;
  if (!out->left.empty()) append(&out->left, "::");
  append(&out->left, part.left);
  out->base = std::move(part.base);
  return record();
}

/// `Z <encoding> E <name>`, `Z <encoding> E s`, `Z <encoding> E d [n] _ <name>`
bool ItaniumDemangler::localName(Value* out, NameInfo* info) {
  if (!take('Z')) return false;
  Value scope;
  if (!encoding(&scope) || !take('E')) return false;
  append(&out->left, scope.text());
  append(&out->left, "::");
  if (take('s')) {
    append(&out->left, "string literal");
    return discriminator();
  }
  if (take('d')) {
    digits();
    if (!take('_')) return false;
  }
  Value inner;
  // A lambda's signature speaks of the arguments of the function around it; none of those: `auto`.
  std::vector<Value> outer = std::exchange(templateArgs_, std::move(encodingArgs_));
  bool ok = name(&inner, info);
  if (!inFunctionName_) templateArgs_ = std::move(outer);
  if (!ok) return false;
  append(&out->left, inner.text());
  out->base = std::move(inner.base);
  return discriminator();
}

bool ItaniumDemangler::discriminator() {
  if (peek() == '_' && isDigit(peek(1))) {
    pos_ += 2;
  } else if (peek() == '_' && peek(1) == '_') {
    pos_ += 2;
    return !digits().empty() && take('_');
  }
  return true;
}

bool ItaniumDemangler::sourceName(std::string* out) {
  size_t length;
  if (!number(&length) || length == 0 || length > in_.size() - pos_) return false;
  std::string_view text = in_.substr(pos_, length);
  pos_ += length;
  append(out, text.starts_with("_GLOBAL__N") ? "(anonymous namespace)" : text);
  return true;
}

bool ItaniumDemangler::abiTags(std::string* out) {
  while (take('B')) {
    std::string tag;
    if (!sourceName(&tag)) return false;
    append(out, "[abi:" + tag + "]");
  }
  return budget_ != 0;
}

bool ItaniumDemangler::unqualifiedName(Value* out, NameInfo* info, const Value* scope) {
  take('L');  // internal linkage
  char c = peek();
  if (isDigit(c)) {
    if (!sourceName(&out->left)) return false;
  } else if (c == 'U') {
    if (!unnamedType(&out->left)) return false;
  } else if (take("DC")) {
    append(&out->left, "[");
    for (bool first = true; !take('E'); first = false) {
      if (!first) append(&out->left, ", ");
      if (!sourceName(&out->left)) return false;
    }
    append(&out->left, "]");
  } else if (c == 'C' || c == 'D') {
    if (!constructorName(out, info, scope)) return false;
  } else if (!operatorName(&out->left, info)) {
    return false;
  }
  out->base = out->left;
  return abiTags(&out->left);
}

bool ItaniumDemangler::constructorName(Value* out, NameInfo* info, const Value* scope) {
  if (scope == nullptr || scope->base.empty()) return false;
  bool destructor = take('D');
  if (!destructor && !take('C')) return false;
  bool inherited = !destructor && take('I');
  char variant = peek();
  if (variant < (destructor ? '0' : '1') || variant > '5' || variant == (destructor ? '3' : '\0')) return false;
  pos_++;
  if (inherited) {
    Value from;
    NameInfo ignored;
    if (!name(&from, &ignored)) return false;
  }
  info->noReturnType = true;
  if (destructor) append(&out->left, "~");
  append(&out->left, scope->base);
  return true;
}

/// `Ut [n] _` and `Ul <parameters> E [n] _`
bool ItaniumDemangler::unnamedType(std::string* out) {
  Depth depth(this);
  if (depth.exceeded()) return false;
  if (take("Ut")) {
    append(out, "'unnamed");
    append(out, digits());
    append(out, "'");
    return take('_');
  }
  if (!take("Ul")) return false;
  std::string list;
  bool outer = std::exchange(inLambda_, true);
  bool outerInName = std::exchange(inFunctionName_, false);
  bool ok = parameters(&list, 'E');
  inLambda_ = outer;
  inFunctionName_ = outerInName;
  if (!ok || !take('E')) return false;
  append(out, "'lambda");
  append(out, digits());
  append(out, "'");
  if (mode_ == DemangleMode::Full) append(out, "(" + list + ")");
  return take('_');
}

bool ItaniumDemangler::operatorName(std::string* out, NameInfo* info) {
  if (take("cv")) {
    Value target;
    // `operator T` of a template: T's value follows in the template arguments.
    bool outer = std::exchange(inConversion_, true);
    bool outerInName = std::exchange(inFunctionName_, false);
    bool ok = type(&target);
    inConversion_ = outer;
    inFunctionName_ = outerInName;
    append(out, "operator ");
    append(out, target.text());
    info->noReturnType = true;
    return ok;
  }
  if (take("li")) {
    append(out, "operator\"\" ");
    return sourceName(out);
  }
  if (peek() == 'v' && isDigit(peek(1))) {
    pos_ += 2;
    append(out, "operator ");
    return sourceName(out);
  }
  const ItaniumOperator* op = FindItaniumOperator(peek(), peek(1));
  if (op == nullptr) return false;
  pos_ += 2;
  append(out, "operator");
  append(out, op->text);
  return true;
}

}  // namespace otelprof
