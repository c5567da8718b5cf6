// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdio>

/// A failed check is printed and counted; main returns failures().
inline int& failures() {
  static int count = 0;
  return count;
}

#define CHECK(condition)                                                    \
  do {                                                                      \
    if (!(condition)) {                                                     \
      std::printf("%s:%d: failed: %s\n", __FILE__, __LINE__, #condition);   \
      failures()++;                                                         \
    }                                                                       \
  } while (0)

#define CHECK_EQ(actual, expected)                                                                      \
  do {                                                                                                  \
    const auto a_ = (actual);                                                                           \
    const auto e_ = (expected);                                                                         \
    if (!(a_ == e_)) {                                                                                  \
      std::printf("%s:%d: failed: %s is %lld, expected %lld\n", __FILE__, __LINE__, #actual,            \
                  static_cast<long long>(a_), static_cast<long long>(e_));                              \
      failures()++;                                                                                     \
    }                                                                                                   \
  } while (0)
