// SPDX-License-Identifier: Apache-2.0
import { type CodecsAddon, codecsAddon } from '../native/codecs-addon.ts';
import { HASH_KEY, hashWords } from './hash.ts';

/** How rows are kept. */
export interface RowsOptions {
  /** For tests: keeps these bits of every hash, so that collisions can be had. */
  readonly hashMask?: number;
  /** For tests: without the addon, even where there is one. */
  readonly withoutAddon?: boolean;
  /** Into how many times its size a table that is built upon is expected to grow; 1.5 where absent. */
  readonly growth?: number;
}

/**
 * Rows of 32-bit words, each stored once. A candidate row is written behind the last row, with `push` or
 * straight into `words`; then `intern` gives its index: of the equal row where there is one, else the
 * candidate becomes the next row. Open addressing with linear probing; rows are always compared, a hash
 * is never trusted.
 */
export class WordRows {
  /** Row `i` is `words[starts[i] .. starts[i + 1]]`. Replaced when it grows. */
  words: Int32Array;
  starts: Uint32Array;
  /** Rows. */
  length = 0;
  /** End of the candidate row. */
  tail = 0;
  /** Rows that `index` found to be equal to an earlier one. */
  duplicates = 0;
  /** Pairs of hash and row + 1; 0 marks a free slot. */
  #slots: Int32Array;
  readonly #hashMask: number;
  readonly #addon: CodecsAddon | undefined;

  /** The capacities are where growing begins: rows, and words of all rows together. */
  constructor(rows = 16, words = 64, options: RowsOptions = {}) {
    this.words = new Int32Array(words);
    this.starts = new Uint32Array(rows + 1);
    let slots = 32;
    while (slots < rows * 2) slots *= 2;
    this.#slots = new Int32Array(slots * 2);
    this.#hashMask = options.hashMask ?? -1;
    this.#addon = options.withoutAddon === true ? undefined : codecsAddon();
  }

  /** Makes room for `words` more words of the candidate. */
  reserve(words: number): void {
    const needed = this.tail + words;
    if (needed <= this.words.length) return;
    const grown = new Int32Array(Math.max(needed, this.words.length * 2));
    grown.set(this.words.subarray(0, this.tail));
    this.words = grown;
  }

  push(word: number): void {
    if (this.tail === this.words.length) this.reserve(1);
    this.words[this.tail++] = word;
  }

  pushAll(words: ArrayLike<number>): void {
    const n = words.length;
    this.reserve(n);
    for (let i = 0; i < n; i++) this.words[this.tail++] = words[i] as number;
  }

  /** Bytes `from .. to` of the view, padded to whole words, and their number. */
  pushBytes(view: DataView, from: number, to: number): void {
    this.reserve(((to - from + 3) >> 2) + 1);
    const { words } = this;
    let { tail } = this;
    let i = from;
    for (; i + 4 <= to; i += 4) words[tail++] = view.getInt32(i, true);
    if (i < to) {
      let word = 0;
      for (let shift = 0; i < to; i++, shift += 8) word |= view.getUint8(i) << shift;
      words[tail++] = word;
    }
    words[tail++] = to - from;
    this.tail = tail;
  }

  /** The index of the candidate: of the row that equals it, or its own. */
  intern(): number {
    const from = this.starts[this.length] as number;
    const hash = hashWords(this.words, from, this.tail) & this.#hashMask;
    const slot = this.#find(hash, from, this.tail);
    const known = this.#slots[slot + 1] as number;
    if (known !== 0) {
      this.tail = from;
      return known - 1;
    }
    this.append();
    this.#place(slot, hash, this.length);
    return this.length - 1;
  }

  /** Takes the candidate as the next row, whatever it holds. It is not known before `index`. */
  append(): void {
    this.length++;
    if (this.length === this.starts.length) {
      const grown = new Uint32Array(this.length * 2);
      grown.set(this.starts);
      this.starts = grown;
    }
    this.starts[this.length] = this.tail;
  }

  /** Makes rows known that were appended, when nothing else was done yet; of equal ones the first. */
  index(): void {
    while (this.#slots.length < this.length * 4) this.#slots = new Int32Array(this.#slots.length * 2);
    if (this.#addon === undefined) return this.#indexHere();
    const starts = this.starts.subarray(0, this.length + 1);
    const key = Uint32Array.of(...HASH_KEY, this.#hashMask);
    this.duplicates = this.#addon.indexRows(this.words, starts, this.#slots, key);
  }

  #indexHere(): void {
    for (let row = 0; row < this.length; row++) {
      const from = this.starts[row] as number;
      const to = this.starts[row + 1] as number;
      const hash = hashWords(this.words, from, to) & this.#hashMask;
      const slot = this.#find(hash, from, to);
      if (this.#slots[slot + 1] !== 0) {
        this.duplicates++;
        continue;
      }
      this.#slots[slot] = hash;
      this.#slots[slot + 1] = row + 1;
    }
  }

  /** The slot of the row that equals `words[from .. to]`, or the free one where it would go. */
  #find(hash: number, from: number, to: number): number {
    const slots = this.#slots;
    const { words, starts } = this;
    const mask = slots.length - 2;
    let slot = (hash << 1) & mask;
    for (;;) {
      const row = (slots[slot + 1] as number) - 1;
      if (row < 0) return slot;
      if (slots[slot] === hash) {
        const other = starts[row] as number;
        let left = to - from;
        if ((starts[row + 1] as number) - other === left) {
          while (left > 0 && words[other + left - 1] === words[from + left - 1]) left--;
          if (left === 0) return slot;
        }
      }
      slot = (slot + 2) & mask;
    }
  }

  #place(slot: number, hash: number, rowPlusOne: number): void {
    this.#slots[slot] = hash;
    this.#slots[slot + 1] = rowPlusOne;
    if (this.length * 4 > this.#slots.length) this.#grow();
  }

  #grow(): void {
    const old = this.#slots;
    const slots = new Int32Array(old.length * 2);
    const mask = slots.length - 2;
    for (let i = 0; i < old.length; i += 2) {
      if (old[i + 1] === 0) continue;
      let slot = ((old[i] as number) << 1) & mask;
      while (slots[slot + 1] !== 0) slot = (slot + 2) & mask;
      slots[slot] = old[i] as number;
      slots[slot + 1] = old[i + 1] as number;
    }
    this.#slots = slots;
  }
}
