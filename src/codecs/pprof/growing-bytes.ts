// SPDX-License-Identifier: Apache-2.0

/** Bytes of unknown length; callers `reserve` before they push. */
export class GrowingBytes {
  #data: Uint8Array;
  length = 0;

  constructor(capacity: number) {
    this.#data = new Uint8Array(capacity);
  }

  /** Makes room for `n` more. */
  reserve(n: number): void {
    const need = this.length + n;
    if (need <= this.#data.length) return;
    const grown = new Uint8Array(Math.max(need, this.#data.length * 2));
    grown.set(this.#data.subarray(0, this.length));
    this.#data = grown;
  }

  push(byte: number): void {
    this.#data[this.length++] = byte;
  }

  pushVarint64(lo: number, hi: number): void {
    let low = lo;
    let high = hi;
    while (high !== 0 || low >>> 7 !== 0) {
      this.push((low & 0x7f) | 0x80);
      low = ((low >>> 7) | (high << 25)) >>> 0;
      high >>>= 7;
    }
    this.push(low);
  }

  pushAll(from: Uint8Array, start: number, end: number): void {
    this.#data.set(from.subarray(start, end), this.length);
    this.length += end - start;
  }

  take(): Uint8Array {
    return this.#data.slice(0, this.length);
  }
}
