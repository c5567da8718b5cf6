// SPDX-License-Identifier: Apache-2.0
// Templates, lambdas, anonymous namespaces and much of the standard library inlined into few functions.
#include <algorithm>
#include <functional>
#include <iostream>
#include <map>
#include <memory>
#include <numeric>
#include <regex>
#include <string>
#include <unordered_map>
#include <vector>

#include "inlined.h"

namespace {
struct Shape {
  virtual ~Shape() = default;
  virtual double area() const = 0;
};
struct Square : Shape {
  explicit Square(double side) : side(side) {}
  double area() const override { return side * side; }
  double side;
};
struct Circle : Shape {
  explicit Circle(double r) : r(r) {}
  double area() const override { return r * r * 3.14159; }
  double r;
};
}  // namespace

namespace shop {
template <typename T>
class Ledger {
 public:
  void add(const std::string& who, T amount) { entries_[who].push_back(amount); }
  T sum(const std::string& who) const {
    const auto it = entries_.find(who);
    return it == entries_.end() ? T{} : std::accumulate(it->second.begin(), it->second.end(), T{});
  }
  template <typename F>
  void each(F visit) const {
    for (const auto& [who, amounts] : entries_) visit(who, sum(who));
  }

 private:
  std::map<std::string, std::vector<T>> entries_;
};
}  // namespace shop

static std::vector<std::string> words(const std::string& text) {
  static const std::regex kWord("[a-z]+([0-9]*)");
  std::vector<std::string> out;
  for (std::sregex_iterator it(text.begin(), text.end(), kWord), end; it != end; ++it) out.push_back(it->str());
  return out;
}

int main(int argc, char** argv) {
  shop::Ledger<long> ledger;
  std::unordered_map<std::string, std::function<long(long)>> rules;
  rules["double"] = [](long x) { return 2 * x; };
  rules["clamp"] = [argc](long x) { return static_cast<long>(clamp(static_cast<unsigned>(x), 1, 10u * static_cast<unsigned>(argc))); };
  for (int i = 0; i < argc; i++)
    for (const auto& word : words(argv[i]))
      for (auto& [name, rule] : rules) ledger.add(word, rule(static_cast<long>(rotate(static_cast<unsigned>(word.size()), 3))));
  std::vector<std::unique_ptr<Shape>> shapes;
  shapes.push_back(std::make_unique<Square>(argc));
  shapes.push_back(std::make_unique<Circle>(argc));
  std::sort(shapes.begin(), shapes.end(), [](const auto& a, const auto& b) { return a->area() < b->area(); });
  ledger.each([&](const std::string& who, long sum) { std::cout << who << " " << sum << "\n"; });
  try {
    std::cout << shapes.at(0)->area() << "\n";
  } catch (const std::exception& error) {
    std::cerr << error.what() << "\n";
  }
  return 0;
}
