// SPDX-License-Identifier: Apache-2.0
import { randomBytes } from 'node:crypto';

/** A growing Int32 column. */
export class Int32Column {
  #data: Int32Array;
  length = 0;

  constructor(capacity = 64) {
    this.#data = new Int32Array(capacity);
  }

  push(value: number): void {
    if (this.length === this.#data.length) this.#data = grown(this.#data, new Int32Array(this.length * 2));
    this.#data[this.length++] = value;
  }

  pushAll(values: ArrayLike<number>): void {
    for (let i = 0; i < values.length; i++) this.push(values[i] ?? 0);
  }

  get(i: number): number {
    return this.#data[i] ?? 0;
  }

  finish(): Int32Array {
    return this.#data.slice(0, this.length);
  }

  finishUnsigned(): Uint32Array {
    return new Uint32Array(this.finish().buffer);
  }
}

/** A growing 64-bit column, signed or unsigned alike: it keeps bit patterns. */
export class BigColumn {
  #data: BigUint64Array;
  length = 0;

  constructor(capacity = 64) {
    this.#data = new BigUint64Array(capacity);
  }

  push(value: bigint): void {
    if (this.length === this.#data.length)
      this.#data = grown(this.#data, new BigUint64Array(this.length * 2));
    this.#data[this.length++] = value;
  }

  finish(): BigUint64Array {
    return this.#data.slice(0, this.length);
  }

  finishSigned(): BigInt64Array {
    return new BigInt64Array(this.finish().buffer);
  }
}

/** Growing bytes. */
export class ByteColumn {
  #data: Uint8Array;
  length = 0;

  constructor(capacity = 1024) {
    this.#data = new Uint8Array(capacity);
  }

  push(bytes: Uint8Array): void {
    const need = this.length + bytes.length;
    if (need > this.#data.length)
      this.#data = grown(this.#data, new Uint8Array(Math.max(need, this.#data.length * 2)));
    this.#data.set(bytes, this.length);
    this.length = need;
  }

  finish(): Uint8Array {
    return this.#data.slice(0, this.length);
  }
}

function grown<T extends { set(source: T): void }>(from: T, to: T): T {
  to.set(from);
  return to;
}

/**
 * A hash index over rows that are stored elsewhere: open addressing, linear probing. The caller gives
 * the hash and compares rows; the index never trusts a hash for equality.
 */
export class RowIndex {
  #slots = new Int32Array(128);
  #hashes = new Int32Array(128);
  #used = 0;

  /** The row that `equals` accepts, or -1. */
  find(hash: number, equals: (row: number) => boolean): number {
    const mask = this.#slots.length - 1;
    for (let i = hash & mask; ; i = (i + 1) & mask) {
      const row = (this.#slots[i] as number) - 1;
      if (row < 0) return -1;
      if (this.#hashes[i] === hash && equals(row)) return row;
    }
  }

  add(hash: number, row: number): void {
    if (this.#used * 2 >= this.#slots.length) this.#grow();
    this.#place(hash, row);
    this.#used++;
  }

  #place(hash: number, row: number): void {
    const mask = this.#slots.length - 1;
    let i = hash & mask;
    while (this.#slots[i] !== 0) i = (i + 1) & mask;
    this.#slots[i] = row + 1;
    this.#hashes[i] = hash;
  }

  #grow(): void {
    const slots = this.#slots;
    const hashes = this.#hashes;
    this.#slots = new Int32Array(slots.length * 2);
    this.#hashes = new Int32Array(slots.length * 2);
    for (let i = 0; i < slots.length; i++) {
      if (slots[i] !== 0) this.#place(hashes[i] as number, (slots[i] as number) - 1);
    }
  }
}

/** Seeded per process. Where whoever sends chooses what is hashed, take `hashWords`: it has no known collisions. */
const SEED = randomBytes(4).readInt32LE();

export function hashStart(): number {
  return SEED;
}

/** Mixes one 32-bit number into a hash (murmur3's step). */
export function hashInt(hash: number, value: number): number {
  let k = Math.imul(value, 0xcc9e2d51);
  k = (k << 15) | (k >>> 17);
  const h = hash ^ Math.imul(k, 0x1b873593);
  return (Math.imul((h << 13) | (h >>> 19), 5) + 0xe6546b64) | 0;
}

/** Final mixing: spreads entropy into the low bits that the index masks. */
export function hashEnd(hash: number): number {
  let h = hash;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return h ^ (h >>> 16);
}
