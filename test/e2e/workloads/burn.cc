// SPDX-License-Identifier: Apache-2.0
// Burns CPU in a thread below templates: thread start > shop::Counter<int>::run(int) > leaf.
#include <thread>

namespace shop {
template <typename T>
struct Counter {
  T total{};
  __attribute__((noinline)) void leaf(T n) {
    for (T i = 0; i < n; i++) asm volatile("" : "+r"(total) : "r"(i));
  }
  __attribute__((noinline)) void run(T n) {
    leaf(n);
    asm volatile("");
  }
};
}  // namespace shop

int main() {
  std::thread worker([] {
    shop::Counter<int> counter;
    for (;;) {
      counter.run(10000);
      asm volatile("");
    }
  });
  worker.join();
}
