// SPDX-License-Identifier: Apache-2.0
import { randomBytes } from 'node:crypto';

/** Secret of this process: nobody outside can make up rows or keys that fall on one hash. */
const SECRET = randomBytes(8);
const K0 = SECRET.readInt32LE(0);
const K1 = SECRET.readInt32LE(4);

/** The secret as two words, for who computes the same hash elsewhere. */
export const HASH_KEY: readonly [number, number] = [K0, K1];

/**
 * HalfSipHash-1-3 of `words[from .. to]` under the secret of the process. A seed alone would not do: the
 * usual fast hashes have collisions that hold for every seed, so a hostile dictionary could make every
 * lookup walk over every row. Source: Aumasson and Bernstein, https://github.com/veorq/SipHash.
 */
export function hashWords(words: Int32Array, from: number, to: number): number {
  let v0 = K0;
  let v1 = K1;
  let v2 = 0x6c796765 ^ K0;
  let v3 = 0x74656462 ^ K1;
  for (let i = from; i < to; i++) {
    const word = words[i] as number;
    v3 ^= word;
    v0 = (v0 + v1) | 0;
    v1 = ((v1 << 5) | (v1 >>> 27)) ^ v0;
    v0 = (v0 << 16) | (v0 >>> 16);
    v2 = (v2 + v3) | 0;
    v3 = ((v3 << 8) | (v3 >>> 24)) ^ v2;
    v0 = (v0 + v3) | 0;
    v3 = ((v3 << 7) | (v3 >>> 25)) ^ v0;
    v2 = (v2 + v1) | 0;
    v1 = ((v1 << 13) | (v1 >>> 19)) ^ v2;
    v2 = (v2 << 16) | (v2 >>> 16);
    v0 ^= word;
  }
  // The length goes in as the last word; then three rounds without input.
  let word = to - from;
  for (let round = 0; round < 4; round++) {
    v3 ^= word;
    v0 = (v0 + v1) | 0;
    v1 = ((v1 << 5) | (v1 >>> 27)) ^ v0;
    v0 = (v0 << 16) | (v0 >>> 16);
    v2 = (v2 + v3) | 0;
    v3 = ((v3 << 8) | (v3 >>> 24)) ^ v2;
    v0 = (v0 + v3) | 0;
    v3 = ((v3 << 7) | (v3 >>> 25)) ^ v0;
    v2 = (v2 + v1) | 0;
    v1 = ((v1 << 13) | (v1 >>> 19)) ^ v2;
    v2 = (v2 << 16) | (v2 >>> 16);
    v0 ^= word;
    if (round === 0) v2 ^= 0xff;
    word = 0;
  }
  return v1 ^ v3;
}
