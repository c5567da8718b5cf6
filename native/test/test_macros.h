// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdio>
#include <iostream>

/// The least a test program needs: CHECK and CHECK_EQ count and go on; main returns testResult().
inline int testFailures = 0;
inline int testChecks = 0;

#define CHECK(condition)                                                           \
  do {                                                                             \
    testChecks++;                                                                  \
    if (!(condition)) {                                                            \
      testFailures++;                                                              \
      std::cerr << __FILE__ << ":" << __LINE__ << ": " << #condition << "\n";      \
    }                                                                              \
  } while (false)

#define CHECK_EQ(actual, expected)                                                 \
  do {                                                                             \
    testChecks++;                                                                  \
    const auto& actualValue = (actual);                                            \
    const auto& expectedValue = (expected);                                        \
    if (!(actualValue == expectedValue)) {                                         \
      testFailures++;                                                              \
      std::cerr << __FILE__ << ":" << __LINE__ << ": " << #actual << "\n  got      " \
                << actualValue << "\n  expected " << expectedValue << "\n";        \
    }                                                                              \
  } while (false)

inline int testResult(const char* name) {
  std::printf("%s: %d checks, %d failures\n", name, testChecks, testFailures);
  return testFailures == 0 ? 0 : 1;
}
