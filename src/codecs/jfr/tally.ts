// SPDX-License-Identifier: Apache-2.0
import { halvesOf } from '../../pdata/table-rows.ts';
import { IdIndex } from './id-index.ts';

/** Samples by two 32-bit keys: how many there were, and the sum of their amounts, exact to 64 bits. */
export class Tally {
  readonly keys = new IdIndex();
  counts = new Float64Array(8);
  /** Unsigned halves of the sums. */
  #low = new Uint32Array(8);
  #high = new Uint32Array(8);

  /** Adds `count` events and an amount; one that is negative adds nothing. Sums end at 2^63 - 1. */
  add(a: number, b: number, count: number, low: number, high: number): void {
    const row = this.keys.add(a, b);
    if (row >= this.counts.length) this.#grow();
    this.counts[row] = (this.counts[row] as number) + count;
    if (high < 0) return;
    const sum = (this.#low[row] as number) + (low >>> 0);
    const sumHigh = (this.#high[row] as number) + high + (sum > 0xffff_ffff ? 1 : 0);
    const isTooLarge = sumHigh > 0x7fff_ffff;
    this.#low[row] = isTooLarge ? 0xffff_ffff : sum;
    this.#high[row] = isTooLarge ? 0x7fff_ffff : sumHigh;
  }

  /** The sum of a row's amounts. */
  sum(row: number): bigint {
    return (BigInt(this.#high[row] ?? 0) << 32n) | BigInt(this.#low[row] ?? 0);
  }

  /** The sums of all rows. */
  sums(): BigInt64Array {
    return interleaved(this.#low, this.#high, this.keys.length);
  }

  /** How many there were, by row. */
  wholeCounts(): BigInt64Array {
    const n = this.keys.length;
    const high = Uint32Array.from(this.counts.subarray(0, n), (count) => count / 0x1_0000_0000);
    // What does not fit into 32 bits is cut off, which leaves the low half.
    return interleaved(Uint32Array.from(this.counts.subarray(0, n)), high, n);
  }

  #grow(): void {
    const size = this.counts.length * 2;
    const counts = new Float64Array(size);
    const low = new Uint32Array(size);
    const high = new Uint32Array(size);
    counts.set(this.counts);
    low.set(this.#low);
    high.set(this.#high);
    this.counts = counts;
    this.#low = low;
    this.#high = high;
  }
}

/** `n` 64-bit values of unsigned halves, without a bigint each. */
function interleaved(low: Uint32Array, high: Uint32Array, n: number): BigInt64Array {
  const out = new BigInt64Array(n);
  const halves = halvesOf(out);
  for (let i = 0; i < n; i++) {
    halves[i * 2] = low[i] as number;
    halves[i * 2 + 1] = high[i] as number;
  }
  return out;
}
