// SPDX-License-Identifier: Apache-2.0
import type { Dictionary } from '../../pdata/dictionary.ts';
import { RowIds } from './row-ids.ts';
import type { Writer } from './writer.ts';

const EMPTY = 0;
/** In place of a row, in the list of strings: the next of the texts. */
const TEXT = -1;

/** The string table of a file: index 0 is the empty text; others follow in the order in which they are asked for. */
export class StringIds {
  readonly #dictionary: Dictionary;
  readonly #start: Uint32Array;
  readonly #end: Uint32Array;
  readonly #bytes: Uint8Array;
  readonly #ids: RowIds;
  readonly #texts = new Map<string, number>();

  constructor(dictionary: Dictionary) {
    const { length, bytes, start, end } = dictionary.tables.strings;
    this.#dictionary = dictionary;
    this.#bytes = bytes;
    this.#start = start;
    this.#end = end;
    this.#ids = new RowIds(length);
  }

  /** Index of a string row of the dictionary. */
  row(row: number): number {
    const known = this.#ids.ids[row] as number;
    if (known !== 0) return known;
    return this.#start[row] === this.#end[row] ? EMPTY : this.#ids.add(row);
  }

  /** Index of a text that the dictionary may not have. */
  text(text: string): number {
    if (text === '') return EMPTY;
    let index = this.#texts.get(text);
    if (index === undefined) {
      index = this.#ids.rows.push(TEXT);
      this.#texts.set(text, index);
    }
    return index;
  }

  /** Text of a string row. */
  textOf(row: number): string {
    return this.#dictionary.text(row);
  }

  write(w: Writer): void {
    w.reserve(2);
    w.end(w.begin(0x32));
    const texts = this.#texts.keys();
    for (const row of this.#ids.rows) {
      if (row === TEXT) {
        const text = Buffer.from(texts.next().value ?? '');
        writeString(w, text, 0, text.length);
      } else writeString(w, this.#bytes, this.#start[row] as number, this.#end[row] as number);
    }
  }

  release(): void {
    // What no row has was never noted in the column.
    this.#ids.rows.forEach((row, i, rows) => {
      if (row === TEXT) rows[i] = 0;
    });
    this.#ids.release();
  }
}

function writeString(w: Writer, bytes: Uint8Array, from: number, to: number): void {
  w.reserve(6);
  w.bytes[w.pos++] = 0x32;
  w.varint(to - from);
  w.copy(bytes, from, to);
}
