// SPDX-License-Identifier: Apache-2.0
import type { Random } from '../../src/internal/testing/otlp-random.ts';

/** Inputs stay below this, so that one execution stays short. */
const MAX_INPUT_BYTES = 256 * 1024;

type Mutation = (random: Random, bytes: Buffer, other: Uint8Array) => Buffer;

const MUTATIONS: readonly Mutation[] = [
  flipBit,
  flipBit,
  addToByte,
  addToByte,
  truncate,
  insert,
  remove,
  repeat,
  swap,
  splice,
  wideVarint,
  tamperLength,
  nest,
];

/** A copy of `bytes` with one to four things changed; `other` is what pieces are taken from. */
export function mutate(random: Random, bytes: Uint8Array, other: Uint8Array): Uint8Array {
  let out: Buffer = Buffer.from(bytes);
  for (let changes = 1 + random.below(4); changes > 0 && out.length > 0; changes--) {
    out = pick(random, MUTATIONS)(random, out, other).subarray(0, MAX_INPUT_BYTES);
  }
  return Uint8Array.from(out);
}

/**
 * The smallest input found that still `fails`, which is asked `maxTries` times at most: pieces are cut out,
 * large ones first, then bytes are set to 0.
 */
export async function shrink(
  input: Uint8Array,
  fails: (smaller: Uint8Array) => Promise<boolean>,
  maxTries = 600,
): Promise<Uint8Array> {
  let best = input;
  let tries = 0;
  for (let size = Math.ceil(best.length / 2); size > 0 && tries < maxTries; size = size >>> 1) {
    for (let at = 0; at < best.length && tries < maxTries; ) {
      tries++;
      const smaller = Uint8Array.from(Buffer.concat([best.subarray(0, at), best.subarray(at + size)]));
      if (await fails(smaller)) best = smaller;
      else at += size;
    }
  }
  return best;
}

export const pick = <T>(random: Random, list: readonly T[]): T => list[random.below(list.length)] as T;

function flipBit(random: Random, bytes: Buffer): Buffer {
  const at = random.below(bytes.length);
  bytes[at] = (bytes[at] ?? 0) ^ (1 << random.below(8));
  return bytes;
}

function addToByte(random: Random, bytes: Buffer): Buffer {
  const at = random.below(bytes.length);
  bytes[at] = ((bytes[at] ?? 0) + pick(random, [1, 255, 2, 254, 127, 128])) & 255;
  return bytes;
}

function truncate(random: Random, bytes: Buffer): Buffer {
  return bytes.subarray(0, random.below(bytes.length));
}

function insert(random: Random, bytes: Buffer): Buffer {
  const at = random.below(bytes.length + 1);
  return Buffer.concat([bytes.subarray(0, at), random.bytes(1 + random.below(4)), bytes.subarray(at)]);
}

/** A range of a few bytes, now and then of many. */
function range(random: Random, bytes: Uint8Array): [from: number, to: number] {
  const from = random.below(bytes.length);
  const longest = random.below(4) === 0 ? bytes.length : 12;
  return [from, Math.min(bytes.length, from + 1 + random.below(longest))];
}

function remove(random: Random, bytes: Buffer): Buffer {
  const [from, to] = range(random, bytes);
  return Buffer.concat([bytes.subarray(0, from), bytes.subarray(to)]);
}

function repeat(random: Random, bytes: Buffer): Buffer {
  const [from, to] = range(random, bytes);
  const piece = bytes.subarray(from, to);
  const times = random.below(16) === 0 ? 50 : 1;
  return Buffer.concat([
    bytes.subarray(0, to),
    ...Array.from({ length: times }, () => piece),
    bytes.subarray(to),
  ]);
}

function swap(random: Random, bytes: Buffer): Buffer {
  const [from, to] = range(random, bytes);
  const at = random.below(bytes.length);
  const rest = Buffer.concat([bytes.subarray(0, from), bytes.subarray(to)]);
  return Buffer.concat([rest.subarray(0, at), bytes.subarray(from, to), rest.subarray(at)]);
}

function splice(random: Random, bytes: Buffer, other: Uint8Array): Buffer {
  if (other.length === 0) return bytes;
  const [from, to] = range(random, other);
  const at = random.below(bytes.length);
  const after = random.below(2) === 0 ? at : Math.min(bytes.length, at + to - from);
  return Buffer.concat([bytes.subarray(0, at), other.subarray(from, to), bytes.subarray(after)]);
}

const WIDE = ['80808000', 'ffffffff0f', 'ffffffff07', '8080808008', 'ffffffffffffffffff01']
  .concat(['ffffffffffffffffff7f', '80808080808080808000', '8080808010', 'ffff03'])
  .map((hex) => Buffer.from(hex, 'hex'));

function wideVarint(random: Random, bytes: Buffer): Buffer {
  const at = random.below(bytes.length);
  const isInPlace = random.below(2) === 0;
  return Buffer.concat([bytes.subarray(0, at), pick(random, WIDE), bytes.subarray(isInPlace ? at + 1 : at)]);
}

/** Places that look like the tag of a length, and the length behind them. */
function lengthsOf(bytes: Uint8Array): number[] {
  const found: number[] = [];
  for (let at = 0; at + 1 < bytes.length; at++) {
    const [tag = 0, length = 0] = bytes.subarray(at, at + 2);
    if ((tag & 7) === 2 && tag < 128 && length < 128 && at + 2 + length <= bytes.length) found.push(at);
  }
  return found;
}

function tamperLength(random: Random, bytes: Buffer): Buffer {
  const places = lengthsOf(bytes);
  if (places.length === 0) return flipBit(random, bytes);
  const at = pick(random, places) + 1;
  const length = bytes[at] ?? 0;
  // The whole field again is what proto3 calls merging; a length that is off by a little tears the rest.
  if (random.below(2) === 0) {
    const field = bytes.subarray(at - 1, at + 1 + length);
    return Buffer.concat([bytes.subarray(0, at - 1), field, bytes.subarray(at - 1)]);
  }
  bytes[at] = pick(random, [length + 1, length - 1, 0, length * 2, 127]) & 127;
  return bytes;
}

/** Puts what looks like a message into itself, many times over. */
function nest(random: Random, bytes: Buffer): Buffer {
  const places = lengthsOf(bytes);
  if (places.length === 0 || random.below(4) !== 0) return flipBit(random, bytes);
  const at = pick(random, places);
  let inner = bytes.subarray(at, at + 2 + (bytes[at + 1] ?? 0));
  for (let levels = 1 + random.below(80); levels > 0 && inner.length < 10_000; levels--) {
    const head = [bytes[at] ?? 0, (inner.length & 127) | 128, inner.length >>> 7];
    inner = Buffer.concat([Buffer.of(...head), inner]);
  }
  return Buffer.concat([bytes.subarray(0, at), inner, bytes.subarray(at)]);
}
