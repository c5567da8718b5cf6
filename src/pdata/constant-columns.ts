// SPDX-License-Identifier: Apache-2.0

/**
 * Columns that many tables have and that nobody may write to: all zeros, and 0, 1, 2, ... Short ones are views of
 * one buffer each, so that a column of defaults costs no memory.
 */
const SHARED_ROWS = 1 << 16;
const zeros = new ArrayBuffer(SHARED_ROWS * 8);
let counting: Uint32Array | undefined;

/** `n` zeros. */
export function zerosInt32(n: number): Int32Array {
  return n <= SHARED_ROWS ? new Int32Array(zeros, 0, n) : new Int32Array(n);
}

export function zerosUint32(n: number): Uint32Array {
  return n <= SHARED_ROWS ? new Uint32Array(zeros, 0, n) : new Uint32Array(n);
}

export function zerosInt64(n: number): BigInt64Array {
  return n <= SHARED_ROWS ? new BigInt64Array(zeros, 0, n) : new BigInt64Array(n);
}

/** 0, 1, 2, ... of `n` entries. */
export function countingUint32(n: number): Uint32Array {
  if (n > SHARED_ROWS) return Uint32Array.from({ length: n }, (_, i) => i);
  counting ??= Uint32Array.from({ length: SHARED_ROWS }, (_, i) => i);
  return counting.subarray(0, n);
}

/** Whether a column is a shared one, whose memory is nobody's. */
export function isConstant(column: ArrayBufferView): boolean {
  return column.buffer === zeros || column.buffer === counting?.buffer;
}
