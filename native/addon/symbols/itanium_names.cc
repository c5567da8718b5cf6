// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <utility>

#include "itanium.h"

namespace otelprof {
namespace {

constexpr char kForwardMark = '\x01';  // followed by 0x10 + index of the template argument

bool isDigit(char c) { return c >= '0' && c <= '9'; }

constexpr ItaniumOperator kOperators[] = {
    {"aN", "&=", ItaniumOperator::Binary},   {"aS", "=", ItaniumOperator::Binary},
    {"aa", "&&", ItaniumOperator::Binary},   {"ad", "&", ItaniumOperator::Unary},
    {"an", "&", ItaniumOperator::Binary},    {"aw", " co_await", ItaniumOperator::Unary},
    {"cl", "()", ItaniumOperator::Other},    {"cm", ",", ItaniumOperator::Binary},
    {"co", "~", ItaniumOperator::Unary},     {"dV", "/=", ItaniumOperator::Binary},
    {"da", " delete[]", ItaniumOperator::Other}, {"de", "*", ItaniumOperator::Unary},
    {"dl", " delete", ItaniumOperator::Other},   {"ds", ".*", ItaniumOperator::Binary},
    {"dv", "/", ItaniumOperator::Binary},    {"eO", "^=", ItaniumOperator::Binary},
    {"eo", "^", ItaniumOperator::Binary},    {"eq", "==", ItaniumOperator::Binary},
    {"ge", ">=", ItaniumOperator::Binary},   {"gt", ">", ItaniumOperator::Binary},
    {"ix", "[]", ItaniumOperator::Other},    {"lS", "<<=", ItaniumOperator::Binary},
    {"le", "<=", ItaniumOperator::Binary},   {"ls", "<<", ItaniumOperator::Binary},
    {"lt", "<", ItaniumOperator::Binary},    {"mI", "-=", ItaniumOperator::Binary},
    {"mL", "*=", ItaniumOperator::Binary},   {"mi", "-", ItaniumOperator::Binary},
    {"ml", "*", ItaniumOperator::Binary},    {"mm", "--", ItaniumOperator::Postfix},
    {"na", " new[]", ItaniumOperator::Other},    {"ne", "!=", ItaniumOperator::Binary},
    {"ng", "-", ItaniumOperator::Unary},     {"nt", "!", ItaniumOperator::Unary},
    {"nw", " new", ItaniumOperator::Other},  {"oR", "|=", ItaniumOperator::Binary},
    {"oo", "||", ItaniumOperator::Binary},   {"or", "|", ItaniumOperator::Binary},
    {"pL", "+=", ItaniumOperator::Binary},   {"pl", "+", ItaniumOperator::Binary},
    {"pm", "->*", ItaniumOperator::Binary},  {"pp", "++", ItaniumOperator::Postfix},
    {"ps", "+", ItaniumOperator::Unary},     {"pt", "->", ItaniumOperator::Other},
    {"qu", "?", ItaniumOperator::Other},     {"rM", "%=", ItaniumOperator::Binary},
    {"rS", ">>=", ItaniumOperator::Binary},  {"rm", "%", ItaniumOperator::Binary},
    {"rs", ">>", ItaniumOperator::Binary},   {"ss", "<=>", ItaniumOperator::Binary},
};

}  // namespace

const ItaniumOperator* FindItaniumOperator(char a, char b) {
  for (const ItaniumOperator& op : kOperators) {
    if (op.code[0] == a && op.code[1] == b) return &op;
  }
  return nullptr;
}

size_t ItaniumDemangler::Value::bytes() const {
  size_t n = left.size() + right.size() + base.size() + 16;
  for (const Value& v : pack) n += v.bytes();
  return n;
}

std::optional<std::string> ItaniumDemangler::run() {
  while (in_.starts_with("__")) in_.remove_prefix(1);  // Darwin adds underscores
  if (!in_.starts_with("_Z")) return std::nullopt;
  in_ = in_.substr(0, in_.find('.'));
  pos_ = 2;
  Value value;
  if (!encoding(&value) || !atEnd()) return std::nullopt;
  std::string text = value.text();
  if (text.size() > kMaxDemangledBytes || text.find(kForwardMark) != std::string::npos) return std::nullopt;
  return text;
}

bool ItaniumDemangler::take(char c) {
  if (peek() != c || c == '\0') return false;
  pos_++;
  return true;
}

bool ItaniumDemangler::take(std::string_view text) {
  if (!in_.substr(std::min(pos_, in_.size())).starts_with(text)) return false;
  pos_ += text.size();
  return true;
}

std::string_view ItaniumDemangler::digits() {
  size_t start = pos_;
  while (isDigit(peek())) pos_++;
  return in_.substr(start, pos_ - start);
}

bool ItaniumDemangler::number(size_t* value) {
  std::string_view text = digits();
  if (text.empty() || text.size() > 9) return false;
  *value = 0;
  for (char c : text) *value = *value * 10 + static_cast<size_t>(c - '0');
  return true;
}

/// `_` → 0, `0_` → 1, in base 36.
bool ItaniumDemangler::sequenceId(size_t* index) {
  *index = 0;
  if (take('_')) return true;
  for (int length = 0; length < 6; length++) {
    char c = peek();
    if (isDigit(c)) {
      *index = *index * 36 + static_cast<size_t>(c - '0');
    } else if (c >= 'A' && c <= 'Z') {
      *index = *index * 36 + static_cast<size_t>(c - 'A') + 10;
    } else {
      return false;
    }
    pos_++;
    if (take('_')) {
      ++*index;
      return true;
    }
  }
  return false;
}

bool ItaniumDemangler::spend(size_t amount) {
  if (amount > budget_) {
    budget_ = 0;
    return false;
  }
  budget_ -= amount;
  return true;
}

void ItaniumDemangler::append(std::string* to, std::string_view text) {
  // A spent budget makes every later Depth check fail; until then text just stops growing.
  if (to->size() + text.size() > kMaxDemangledBytes || !spend(text.size() + 1)) {
    budget_ = 0;
    return;
  }
  to->append(text);
}

void ItaniumDemangler::pushSubstitution(const Value& value) {
  if (!replaying_ && spend(value.bytes())) substitutions_.push_back(value);
}

bool ItaniumDemangler::encoding(Value* out) {
  Depth depth(this);
  if (depth.exceeded()) return false;
  // A nested encoding (local names, literals) has template arguments of its own.
  std::vector<Value> outer = std::move(templateArgs_);
  templateArgs_.clear();
  bool outerInName = std::exchange(inFunctionName_, true);
  encodings_++;
  bool ok = peek() == 'T' || peek() == 'G' ? specialName(out) : functionOrData(out);
  encodings_--;
  inFunctionName_ = outerInName;
  encodingArgs_ = std::exchange(templateArgs_, std::move(outer));
  return ok;
}

bool ItaniumDemangler::functionOrData(Value* out) {
  NameInfo info;
  Value function;
  bool local = peek() == 'Z';
  if (!name(&function, &info)) return false;
  resolveForward(&function.left);
  // Those of an enclosing class are no parameters of this function.
  if (!info.templateArgs && !local) templateArgs_.clear();
  if (atEnd() || peek() == 'E') {
    *out = std::move(function);
    return true;
  }
  bool bare = mode_ != DemangleMode::Full;
  if (bare && encodings_ == 1) {
    pos_ = in_.size();  // nothing behind the name is wanted
    *out = std::move(function);
    return true;
  }
  inFunctionName_ = false;
  Value result;
  if (info.templateArgs && !info.noReturnType && !type(&result)) return false;
  std::string list;
  if (!parameters(&list, 'E')) return false;
  if (bare) {
    *out = std::move(function);
    return true;
  }
  if (!result.left.empty()) {
    out->left = std::move(result.left);
    if (result.right.empty()) out->left += ' ';
  }
  append(&out->left, function.text() + "(" + list + ")");
  append(&out->left, result.right);
  append(&out->left, info.qualifiers);
  return true;
}

/// Types up to the end of input or `until` (not consumed).
bool ItaniumDemangler::parameters(std::string* out, char until) {
  if (peek() == 'v' && (pos_ + 1 >= in_.size() || peek(1) == until || peek(1) == 'Q')) {
    pos_++;
    return true;
  }
  bool first = true;
  while (!atEnd() && peek() != until && peek() != 'Q') {
    Value parameter;
    if (!type(&parameter)) return false;
    if (parameter.isPack && parameter.left.empty()) continue;
    if (!first) append(out, ", ");
    append(out, parameter.text());
    first = false;
  }
  return true;
}

bool ItaniumDemangler::callOffset() {
  size_t ignored;
  if (take('h')) return (take('n'), number(&ignored)) && take('_');
  if (!take('v')) return false;
  return (take('n'), number(&ignored)) && take('_') && (take('n'), number(&ignored)) && take('_');
}

bool ItaniumDemangler::specialName(Value* out) {
  struct Special {
    std::string_view code;
    const char* text;
    enum { Type, Name, Encoding } what;
  };
  constexpr Special kSpecials[] = {
      {"TV", "vtable for ", Special::Type},
      {"TT", "VTT for ", Special::Type},
      {"TI", "typeinfo for ", Special::Type},
      {"TS", "typeinfo name for ", Special::Type},
      {"TW", "thread-local wrapper routine for ", Special::Name},
      {"TH", "thread-local initialization routine for ", Special::Name},
      {"GV", "guard variable for ", Special::Name},
      {"GR", "reference temporary for ", Special::Name},
      {"GTt", "transaction clone for ", Special::Encoding},
      {"GTn", "non-transaction clone for ", Special::Encoding},
  };
  for (const Special& s : kSpecials) {
    if (!take(s.code)) continue;
    Value inner;
    NameInfo info;
    bool ok = s.what == Special::Type ? type(&inner)
              : s.what == Special::Name ? name(&inner, &info)
                                        : encoding(&inner);
    append(&out->left, s.text);
    append(&out->left, inner.text());
    if (ok && s.code == "GR") digits(), take('_');
    return ok;
  }
  if (take("TC")) {
    Value derived;
    Value base;
    if (!type(&derived) || digits().empty() || !take('_') || !type(&base)) return false;
    append(&out->left, "construction vtable for ");
    append(&out->left, base.text() + "-in-" + derived.text());
    return true;
  }
  const char* thunk = nullptr;
  bool ok = true;
  if (take("Tc")) {
    thunk = "covariant return thunk to ";
    ok = callOffset() && callOffset();
  } else if (peek() == 'T' && (peek(1) == 'h' || peek(1) == 'v')) {
    thunk = peek(1) == 'h' ? "non-virtual thunk to " : "virtual thunk to ";
    pos_++;
    ok = callOffset();
  }
  Value target;
  if (thunk == nullptr || !ok || !encoding(&target)) return false;
  append(&out->left, thunk);
  append(&out->left, target.text());
  return true;
}

/// Conversion operators name their type before the template arguments it depends on.
void ItaniumDemangler::resolveForward(std::string* text) {
  for (size_t at = 0; (at = text->find(kForwardMark, at)) != std::string::npos;) {
    size_t index = at + 1 < text->size() ? static_cast<uint8_t>((*text)[at + 1]) - 0x10u : SIZE_MAX;
    if (index >= templateArgs_.size()) return;
    std::string argument = templateArgs_[index].text();
    if (argument.find(kForwardMark) != std::string::npos || !spend(argument.size() + text->size()) ||
        text->size() + argument.size() > kMaxDemangledBytes) {
      return;
    }
    text->replace(at, 2, argument);
    at += argument.size();
  }
}

bool ItaniumDemangler::templateArgs(Value* out) {
  if (!take('I')) return false;
  bool isCurrent = std::exchange(inFunctionName_, false);
  if (isCurrent) templateArgs_.clear();
  std::string text = "<";
  bool first = true;
  while (!take('E')) {
    Value argument;
    if (atEnd() || peek() == 'Q' || !templateArg(&argument)) return false;
    if (isCurrent && spend(argument.bytes())) templateArgs_.push_back(argument);
    if (argument.isPack && argument.left.empty()) continue;
    if (!first) append(&text, ", ");
    append(&text, argument.text());
    first = false;
  }
  append(&text, text.ends_with('>') ? " >" : ">");
  inFunctionName_ = isCurrent;
  if (!isCurrent || mode_ != DemangleMode::Simplified) append(&out->left, text);
  return budget_ != 0;
}

bool ItaniumDemangler::templateArg(Value* out) {
  Depth depth(this);
  if (depth.exceeded()) return false;
  if (take('X')) return expression(&out->left) && take('E');
  if (take('J')) {
    out->isPack = true;
    while (!take('E')) {
      Value element;
      if (atEnd() || !templateArg(&element)) return false;
      if (!(element.isPack && element.left.empty())) {
        if (!out->left.empty()) append(&out->left, ", ");
        append(&out->left, element.text());
      }
      if (!spend(element.bytes())) return false;
      out->pack.push_back(std::move(element));
    }
    return true;
  }
  if (peek() == 'L') {
    if (!take("L_Z")) return literal(&out->left);
    return encoding(out) && take('E');
  }
  return type(out);
}

}  // namespace otelprof
