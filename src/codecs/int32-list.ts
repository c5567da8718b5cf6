// SPDX-License-Identifier: Apache-2.0

/** Scratch for lists of unknown length: grows by doubling, `take` copies out the exact size. */
export class Int32List {
  data: Int32Array<ArrayBuffer>;
  length = 0;

  constructor(capacity = 256) {
    this.data = new Int32Array(capacity);
  }

  /** Makes room for `n` more, so that a tight loop may write to `data` itself. */
  reserve(n: number): void {
    const need = this.length + n;
    if (need <= this.data.length) return;
    const grown = new Int32Array(Math.max(need, this.data.length * 2));
    grown.set(this.data.subarray(0, this.length));
    this.data = grown;
  }

  push(value: number): void {
    if (this.length === this.data.length) this.reserve(1);
    this.data[this.length++] = value;
  }

  take(): Int32Array<ArrayBuffer> {
    const out = this.data.slice(0, this.length);
    this.length = 0;
    return out;
  }

  /** Like `take` for the last time: spares the copy where little room is left over. */
  finish(): Int32Array {
    return this.length * 4 > this.data.length * 3 ? this.data.subarray(0, this.length) : this.take();
  }
}
