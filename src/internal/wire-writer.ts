// SPDX-License-Identifier: Apache-2.0

/**
 * Writes protobuf from the last byte to the first, so that the length of a nested message is known
 * when its prefix is written: no sizing pass, no padded lengths, no copies. Callers emit fields in
 * descending order.
 */
export class ReverseWriter {
  #buffer: Uint8Array;
  #pos: number;

  constructor(initialSizeBytes = 4096) {
    this.#buffer = new Uint8Array(initialSizeBytes);
    this.#pos = initialSizeBytes;
  }

  /** Bytes written so far; remember it before a nested message and pass it to `message`. */
  get length(): number {
    return this.#buffer.length - this.#pos;
  }

  #reserve(n: number): number {
    if (this.#pos < n) {
      const used = this.length;
      const grown = new Uint8Array(Math.max(this.#buffer.length * 2, used + n + 64));
      grown.set(this.#buffer.subarray(this.#pos), grown.length - used);
      this.#pos = grown.length - used;
      this.#buffer = grown;
    }
    this.#pos -= n;
    return this.#pos;
  }

  raw(bytes: Uint8Array): void {
    if (bytes.length === 0) return;
    const at = this.#reserve(bytes.length);
    this.#buffer.set(bytes, at);
  }

  /** An unsigned varint below 2^32. */
  varint(value: number): void {
    if (value < 0x80) {
      const at = this.#reserve(1);
      this.#buffer[at] = value;
      return;
    }
    const n = value < 0x4000 ? 2 : value < 0x20_0000 ? 3 : value < 0x1000_0000 ? 4 : 5;
    let at = this.#reserve(n);
    let rest = value;
    for (let i = 1; i < n; i++) {
      this.#buffer[at++] = (rest & 0x7f) | 0x80;
      rest >>>= 7;
    }
    this.#buffer[at] = rest;
  }

  /** A 64-bit varint from its unsigned halves. */
  varint64(lo: number, hi: number): void {
    if (hi === 0) {
      this.varint(lo);
      return;
    }
    let n = 5;
    for (let rest = hi >>> 3; rest !== 0; rest >>>= 7) n++;
    let at = this.#reserve(n);
    let low = lo;
    let high = hi;
    for (let i = 1; i < n; i++) {
      this.#buffer[at++] = (low & 0x7f) | 0x80;
      low = ((low >>> 7) | (high << 25)) >>> 0;
      high >>>= 7;
    }
    this.#buffer[at] = low;
  }

  varintBig(value: bigint): void {
    const v = BigInt.asUintN(64, value);
    this.varint64(Number(v & 0xffff_ffffn), Number(v >> 32n));
  }

  fixed64(lo: number, hi: number): void {
    const at = this.#reserve(8);
    const b = this.#buffer;
    b[at] = lo;
    b[at + 1] = lo >>> 8;
    b[at + 2] = lo >>> 16;
    b[at + 3] = lo >>> 24;
    b[at + 4] = hi;
    b[at + 5] = hi >>> 8;
    b[at + 6] = hi >>> 16;
    b[at + 7] = hi >>> 24;
  }

  tag(field: number, wire: number): void {
    this.varint((field << 3) | wire);
  }

  /** Field of a non-negative int32; nothing when 0, as proto3 asks. */
  int32Field(field: number, value: number): void {
    if (value === 0) return;
    this.varint(value);
    this.tag(field, 0);
  }

  /** Field of an int64 or uint64; nothing when 0. */
  int64Field(field: number, value: bigint): void {
    if (value === 0n) return;
    this.varintBig(value);
    this.tag(field, 0);
  }

  fixed64Field(field: number, value: bigint): void {
    if (value === 0n) return;
    this.fixed64(Number(value & 0xffff_ffffn), Number((value >> 32n) & 0xffff_ffffn));
    this.tag(field, 1);
  }

  bytesField(field: number, value: Uint8Array): void {
    if (value.length === 0) return;
    this.raw(value);
    this.varint(value.length);
    this.tag(field, 2);
  }

  stringField(field: number, value: string): void {
    if (value.length === 0) return;
    const before = this.length;
    this.string(value);
    this.message(field, before);
  }

  string(value: string): void {
    this.raw(encoder.encode(value));
  }

  /** Closes a nested message whose contents were written since `before`. */
  message(field: number, before: number): void {
    this.varint(this.length - before);
    this.tag(field, 2);
  }

  /** The bytes; the writer must not be used afterwards. */
  finish(): Uint8Array {
    return this.#buffer.subarray(this.#pos);
  }
}

const encoder = new TextEncoder();
