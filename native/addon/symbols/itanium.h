// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "symbols.h"

namespace otelprof {

/// Demangler for the Itanium C++ ABI (itanium-cxx-abi.github.io, "External Names"), in the manner of
/// LLVM's output. Why not LLVM's or libstdc++'s: both expand substitutions without a bound, so a name
/// of 300 bytes can ask for gigabytes and hours. Here every step and every byte written is paid for
/// from a budget, and depth is capped. One object demangles one name.
class ItaniumDemangler {
 public:
  /// The modes are applied while parsing, not to the text afterwards: only the grammar tells the `<` of
  /// `operator<` from that of template arguments. Types inside kept arguments stay whole.
  ItaniumDemangler(std::string_view mangled, DemangleMode mode) : in_(mangled), mode_(mode) {}

  /// `mangled` begins with _Z (or __Z, ___Z). nullopt if malformed, unsupported or over a limit.
  /// A suffix from the first '.' on is left out.
  std::optional<std::string> run();

 private:
  enum class Shape : uint8_t { Plain, Function, Array };
  enum class Ref : uint8_t { None, Lvalue, Rvalue };

  /// A type or name in two halves: a declarator goes between them (`void (*` … `)(int)`).
  struct Value {
    std::string left;
    std::string right;
    std::string base;  // last unqualified name, for constructors
    Shape shape = Shape::Plain;
    Ref ref = Ref::None;
    bool isPack = false;
    std::vector<Value> pack;
    // Where its text came from, if it depends on the element of the pack being expanded.
    size_t packSource = std::string_view::npos;

    std::string text() const { return left + right; }
    size_t bytes() const;
  };

  /// What parsing the name of a function tells about its type.
  struct NameInfo {
    bool noReturnType = false;  // constructor, destructor, conversion
    bool templateArgs = false;  // ends with template arguments
    std::string qualifiers;     // " const", " &"
    std::vector<size_t> forward;
  };

  // Input.
  bool atEnd() const { return pos_ >= in_.size(); }
  char peek(size_t ahead = 0) const { return pos_ + ahead < in_.size() ? in_[pos_ + ahead] : '\0'; }
  bool take(char c);
  bool take(std::string_view text);
  bool number(size_t* value);
  std::string_view digits();
  bool sequenceId(size_t* index);

  // Limits.
  class Depth;
  bool spend(size_t amount);
  void append(std::string* to, std::string_view text);
  void pushSubstitution(const Value& value);

  // itanium_names.cc
  bool encoding(Value* out);
  bool functionOrData(Value* out);
  bool specialName(Value* out);
  bool callOffset();
  bool parameters(std::string* out, char until);
  bool name(Value* out, NameInfo* info);
  bool nestedName(Value* out, NameInfo* info);
  bool nestedComponent(Value* out, NameInfo* info, bool* pushed);
  bool localName(Value* out, NameInfo* info);
  bool unqualifiedName(Value* out, NameInfo* info, const Value* scope);
  bool sourceName(std::string* out);
  bool constructorName(Value* out, NameInfo* info, const Value* scope);
  bool unnamedType(std::string* out);
  bool operatorName(std::string* out, NameInfo* info);
  bool abiTags(std::string* out);
  bool templateArgs(Value* out);
  bool templateArg(Value* out);
  bool discriminator();
  void resolveForward(std::string* text);

  // itanium_types.cc
  bool type(Value* out);
  bool typeInner(Value* out, bool* substitutable);
  bool typeD(Value* out, bool* substitutable);
  bool builtinType(Value* out);
  bool qualifiedType(Value* out);
  bool pointerType(Value* out);
  bool functionType(Value* out);
  bool arrayType(Value* out);
  bool memberPointerType(Value* out);
  bool packExpansion(Value* out);
  bool templateParam(Value* out);
  bool substitution(Value* out);
  void point(Value* to, std::string_view mark);

  // itanium_expr.cc
  bool expression(std::string* out);
  bool literal(std::string* out);
  bool unresolvedName(std::string* out, bool global);
  bool baseUnresolvedName(std::string* out);
  bool callLike(std::string* out, std::string_view code, bool* known);
  bool operatorExpression(std::string* out, std::string_view code);
  bool expressionList(std::string* out);

  std::string_view in_;
  DemangleMode mode_;
  size_t pos_ = 0;
  size_t encodings_ = 0;       // nesting of encodings
  bool inFunctionName_ = false;  // template arguments met now are those the signature refers to
  size_t depth_ = 0;
  size_t budget_ = 400'000;
  std::vector<Value> substitutions_;
  std::vector<Value> templateArgs_;
  std::vector<Value> encodingArgs_;  // those of the encoding read last
  bool replaying_ = false;    // re-reading the source of a substitution: do not record again
  bool inLambda_ = false;     // template parameters are `auto`
  bool inConversion_ = false;  // template arguments come after their use
  size_t packIndex_ = std::string_view::npos;
  size_t packSize_ = std::string_view::npos;  // met during the expansion
  bool usedPack_ = false;
};

class ItaniumDemangler::Depth {
 public:
  explicit Depth(ItaniumDemangler* d) : d_(d) { d_->depth_++; }
  ~Depth() { d_->depth_--; }
  Depth(const Depth&) = delete;
  Depth& operator=(const Depth&) = delete;
  bool exceeded() const { return d_->depth_ > kMax || !d_->spend(1); }

 private:
  static constexpr size_t kMax = 200;
  ItaniumDemangler* d_;
};

struct ItaniumOperator {
  char code[3];
  const char* text;  // after "operator"
  enum Kind : uint8_t { Unary, Postfix, Binary, Other } kind;
};
const ItaniumOperator* FindItaniumOperator(char a, char b);

}  // namespace otelprof
