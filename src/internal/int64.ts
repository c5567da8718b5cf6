// SPDX-License-Identifier: Apache-2.0

const INT64_MAX = 2n ** 63n - 1n;
const INT64_MIN = -(2n ** 63n);

/** The value, or the nearest one that 64 bits with a sign can hold. */
export const clampInt64 = (value: bigint): bigint =>
  value > INT64_MAX ? INT64_MAX : value < INT64_MIN ? INT64_MIN : value;
