// SPDX-License-Identifier: Apache-2.0
// A program that knows its own stack, in a thread: templates, virtual calls, lambdas behind std::function, and a
// leaf reached again and again through exceptions.
#include <algorithm>
#include <array>
#include <chrono>
#include <functional>
#include <memory>
#include <stdexcept>
#include <thread>

#define NOINLINE __attribute__((noinline, noclone))

namespace truth {

constexpr int kPhases = 5;
constexpr int kRungs = 100;
volatile unsigned sink;

int phase() {
  using namespace std::chrono;
  return static_cast<int>(duration_cast<milliseconds>(system_clock::now().time_since_epoch()).count() / 500 %
                          kPhases);
}

inline __attribute__((always_inline)) void burn() {
  unsigned x = sink;
  for (int i = 0; i < 20000; i++) x = x * 1664525u + 1013904223u;
  sink = x;
}
inline __attribute__((always_inline)) void after_call() { asm volatile("" ::: "memory"); }

template <typename T>
struct Even {
  NOINLINE void even_leaf(T) { burn(); }
  NOINLINE void even_middle(T n) { even_leaf(n); after_call(); }
  NOINLINE void even_outer(T n) { even_middle(n); after_call(); }
};

struct Shape {
  virtual ~Shape() = default;
  virtual void odd_leaf() const = 0;
};
struct Circle final : Shape {
  NOINLINE void odd_leaf() const override { burn(); }
};
NOINLINE void odd_middle(const Shape& shape) { shape.odd_leaf(); after_call(); }
NOINLINE void odd_outer(const std::unique_ptr<Shape>& shape) { odd_middle(*shape); after_call(); }

NOINLINE void ladder_leaf() { burn(); }
NOINLINE void ladder_rung(int n) {
  volatile char room[64];
  room[n % 64] = 1;
  n == 1 ? ladder_leaf() : ladder_rung(n - 1);
  sink += static_cast<unsigned char>(room[n % 64]);
}
NOINLINE void ladder_outer() { ladder_rung(kRungs); after_call(); }

// Below the standard library's sort.
NOINLINE bool sandwich_compare(int a, int b) { burn(); return a < b; }
NOINLINE void sandwich_outer() {
  std::array<int, 8> values = {5, 3, 7, 1, 8, 2, 6, 4};
  std::function<bool(int, int)> compare = sandwich_compare;
  std::stable_sort(values.begin(), values.end(), compare);
  sink += static_cast<unsigned>(values[0]);
}

NOINLINE void exception_leaf() { burn(); throw std::runtime_error("thrown on purpose"); }
NOINLINE void exception_outer() {
  try {
    exception_leaf();
  } catch (const std::exception& e) {
    sink += static_cast<unsigned char>(e.what()[0]);
  }
}

NOINLINE void run() {
  const std::unique_ptr<Shape> circle = std::make_unique<Circle>();
  Even<int> even;
  for (;;) {
    switch (phase()) {
      case 0: even.even_outer(1); break;
      case 1: odd_outer(circle); break;
      case 2: ladder_outer(); break;
      case 3: sandwich_outer(); break;
      default: exception_outer(); break;
    }
  }
}

}  // namespace truth

int main() { std::thread(truth::run).join(); }
