// SPDX-License-Identifier: Apache-2.0
// Burns CPU in a function that is inlined: main > shop::spin > shop::mix (inlined). Built with -g.
#include <cstdint>

namespace shop {

static volatile uint64_t sink;

inline uint64_t mix(uint64_t x) {
  for (int i = 0; i < 1000; i++) x = x / 3 * 6364136223846793005u + 12345;  // hot line
  return x;
}

__attribute__((noinline)) void spin(uint64_t seed) {
  sink = sink + mix(seed);  // call line
}

}  // namespace shop

int main() {
  for (uint64_t i = 0;; i++) shop::spin(i);
}
