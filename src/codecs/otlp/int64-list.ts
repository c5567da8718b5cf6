// SPDX-License-Identifier: Apache-2.0

/** As Int32List, for 64-bit bit patterns, given as the halves that a WireReader holds. */
export class Int64List {
  #halves = new Uint32Array(512);
  length = 0;

  reserve(n: number): void {
    const need = (this.length + n) * 2;
    if (need <= this.#halves.length) return;
    const grown = new Uint32Array(Math.max(need, this.#halves.length * 2));
    grown.set(this.#halves.subarray(0, this.length * 2));
    this.#halves = grown;
  }

  push(lo: number, hi: number): void {
    const at = this.length * 2;
    if (at === this.#halves.length) this.reserve(1);
    this.#halves[at] = lo;
    this.#halves[at + 1] = hi;
    this.length++;
  }

  take(): BigUint64Array {
    const out = new BigUint64Array(this.#halves.slice(0, this.length * 2).buffer);
    this.length = 0;
    return out;
  }
}
