// SPDX-License-Identifier: Apache-2.0
#pragma once

static inline unsigned rotate(unsigned x, unsigned by) { return x << (by & 31) | x >> (-by & 31); }

static inline unsigned clamp(unsigned x, unsigned low, unsigned high) {
  if (x < low) return low;
  return x > high ? high : x;
}
