// SPDX-License-Identifier: Apache-2.0

/**
 * Writes protobuf from the first byte to the last. A nested message is begun with room for a length of one
 * byte, which most have; where it takes more, what is in it is moved when it ends.
 */
export class ForwardWriter {
  #buffer: Uint8Array;
  length = 0;

  constructor(initialSizeBytes: number) {
    this.#buffer = new Uint8Array(initialSizeBytes);
  }

  #reserve(n: number): number {
    const at = this.length;
    const need = at + n;
    if (need > this.#buffer.length) {
      const grown = new Uint8Array(Math.max(need, this.#buffer.length * 2));
      grown.set(this.#buffer.subarray(0, at));
      this.#buffer = grown;
    }
    this.length = need;
    return at;
  }

  byte(value: number): void {
    const at = this.#reserve(1);
    this.#buffer[at] = value;
  }

  raw(bytes: Uint8Array, from = 0, to = bytes.length): void {
    const at = this.#reserve(to - from);
    if (to - from > 32) this.#buffer.set(bytes.subarray(from, to), at);
    else for (let i = from; i < to; i++) this.#buffer[at + i - from] = bytes[i] as number;
  }

  /** An unsigned varint below 2^32. */
  varint(value: number): void {
    let rest = value;
    while (rest >= 0x80) {
      this.byte((rest & 0x7f) | 0x80);
      rest >>>= 7;
    }
    this.byte(rest);
  }

  /** A 64-bit varint from its unsigned halves. */
  varint64(lo: number, hi: number): void {
    let low = lo;
    let high = hi;
    while (high !== 0) {
      this.byte((low & 0x7f) | 0x80);
      low = ((low >>> 7) | (high << 25)) >>> 0;
      high >>>= 7;
    }
    this.varint(low);
  }

  fixed64(lo: number, hi: number): void {
    const at = this.#reserve(8);
    for (let i = 0; i < 4; i++) {
      this.#buffer[at + i] = lo >>> (i * 8);
      this.#buffer[at + 4 + i] = hi >>> (i * 8);
    }
  }

  /** Begins what has a length in front; give the answer to `end`. */
  begin(): number {
    this.byte(0);
    return this.length;
  }

  end(begun: number): void {
    const sizeBytes = this.length - begun;
    if (sizeBytes < 0x80) {
      this.#buffer[begun - 1] = sizeBytes;
      return;
    }
    const prefix = sizeBytes < 0x4000 ? 2 : sizeBytes < 0x20_0000 ? 3 : sizeBytes < 0x1000_0000 ? 4 : 5;
    const { length } = this;
    this.#reserve(prefix - 1);
    this.#buffer.copyWithin(begun + prefix - 1, begun, length);
    const end = this.length;
    this.length = begun - 1;
    this.varint(sizeBytes);
    this.length = end;
  }

  /** The bytes, in a buffer of their own size. */
  finish(): Uint8Array {
    return this.#buffer.slice(0, this.length);
  }
}
