// SPDX-License-Identifier: Apache-2.0

/** Strings shorter than this are copied byte by byte: a view for each would cost more. */
const SHORT_BYTES = 48;

/**
 * Writes protobuf front to back. The length of a nested message is filled in at its end; one byte is left
 * for it, as nearly all are short, and longer ones are moved. `reserve` first: the writing methods check no
 * bounds, unless they say so.
 */
export class Writer {
  bytes: Uint8Array;
  pos = 0;

  constructor(capacity: number) {
    this.bytes = new Uint8Array(capacity);
  }

  /** Makes room for `n` more bytes. */
  reserve(n: number): void {
    const need = this.pos + n;
    if (need <= this.bytes.length) return;
    const grown = new Uint8Array(Math.max(need, this.bytes.length * 2));
    grown.set(this.bytes.subarray(0, this.pos));
    this.bytes = grown;
  }

  /** An unsigned varint below 2^32: up to 5 bytes. */
  varint(value: number): void {
    const { bytes } = this;
    let { pos } = this;
    let rest = value;
    while (rest > 0x7f) {
      bytes[pos++] = (rest & 0x7f) | 0x80;
      rest >>>= 7;
    }
    bytes[pos++] = rest;
    this.pos = pos;
  }

  /** A 64-bit varint from its halves: up to 10 bytes. */
  varint64(lo: number, hi: number): void {
    let low = lo >>> 0;
    let high = hi >>> 0;
    while (high !== 0) {
      this.bytes[this.pos++] = (low & 0x7f) | 0x80;
      low = ((low >>> 7) | (high << 25)) >>> 0;
      high >>>= 7;
    }
    this.varint(low);
  }

  /** Up to 6 bytes; nothing where `value` is 0. */
  field(tag: number, value: number): void {
    if (value === 0) return;
    this.bytes[this.pos++] = tag;
    this.varint(value);
  }

  /** Up to 11 bytes; nothing where the value is 0. */
  field64(tag: number, lo: number, hi: number): void {
    if ((lo | hi) === 0) return;
    this.bytes[this.pos++] = tag;
    this.varint64(lo, hi);
  }

  /** Starts a nested message, 2 bytes; give what it returns to `end`. */
  begin(tag: number): number {
    this.bytes[this.pos++] = tag;
    return ++this.pos;
  }

  /** Ends a nested message. Makes room for what the length takes by itself. */
  end(start: number): void {
    const n = this.pos - start;
    if (n < 0x80) {
      this.bytes[start - 1] = n;
      return;
    }
    const more = n < 0x4000 ? 1 : n < 0x20_0000 ? 2 : n < 0x1000_0000 ? 3 : 4;
    this.reserve(more);
    this.bytes.copyWithin(start + more, start, this.pos);
    this.pos = start - 1;
    this.varint(n);
    this.pos += n;
  }

  /** Bytes `from .. to` of another array. Makes room by itself. */
  copy(source: Uint8Array, from: number, to: number): void {
    this.reserve(to - from);
    if (to - from >= SHORT_BYTES) {
      this.bytes.set(source.subarray(from, to), this.pos);
      this.pos += to - from;
      return;
    }
    const { bytes } = this;
    let { pos } = this;
    for (let i = from; i < to; i++) bytes[pos++] = source[i] as number;
    this.pos = pos;
  }

  /** What was written. The writer must not be used afterwards. */
  finish(): Uint8Array {
    return this.bytes.subarray(0, this.pos);
  }
}
