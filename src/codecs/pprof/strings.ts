// SPDX-License-Identifier: Apache-2.0
import { isUtf8 } from 'node:buffer';
import type { WireReader } from '../../internal/wire-reader.ts';
import type { StringTable } from '../../pdata/tables.ts';
import type { MemoryBudget } from './budget.ts';
import { nextMessage, type Region, varint } from './scan.ts';

/** Room for the attribute keys that the decoder adds to the strings of the file. */
const OWN_STRINGS = 16;

/** A text that becomes part of an attribute's value: as text, encoded, and to be found again. */
const BYTES_PER_TEXT_BYTE = 5;

/**
 * The string table of a file: row `i` of the dictionary is string `i`, and the keys of our own follow.
 * Ranges are positions in the file.
 */
export class Strings {
  /** Strings of the file. */
  readonly count: number;
  readonly #bytes: Uint8Array;
  readonly #region: Region;
  readonly #start: Uint32Array;
  readonly #end: Uint32Array;
  readonly #own = new Map<string, number>();

  constructor(r: WireReader, region: Region, budget: MemoryBudget) {
    if (region.count === 0) r.fail('no string table');
    this.count = region.count;
    this.#bytes = r.bytes;
    this.#region = region;
    budget.charge(r, (region.count + OWN_STRINGS) * 8 + (region.end - region.start));
    this.#start = new Uint32Array(region.count + OWN_STRINGS);
    this.#end = new Uint32Array(region.count + OWN_STRINGS);
    this.#read(r);
    if (this.#end[0] !== this.#start[0]) r.fail('first string is not empty', this.#start[0]);
  }

  /**
   * Strings that follow each other are checked for UTF-8 in one go, tags and lengths included: below
   * 0x80 those separate the strings without changing what is valid.
   */
  #read(r: WireReader): void {
    const region = this.#region;
    const start = this.#start;
    const end = this.#end;
    let run = region.start;
    let last = region.start;
    r.pos = region.start;
    for (let i = 0; ; i++) {
      const stop = nextMessage(r, region);
      if (stop < 0) break;
      if (r.pos - last !== 2) {
        this.#check(r, run, last);
        run = r.pos;
      }
      start[i] = r.pos;
      end[i] = stop;
      r.pos = stop;
      last = stop;
    }
    this.#check(r, run, last);
  }

  #check(r: WireReader, from: number, to: number): void {
    if (!isUtf8(r.bytes.subarray(from, to))) r.fail('string is not valid UTF-8', from);
  }

  /** A string index, checked. */
  index(r: WireReader): number {
    varint(r);
    if (r.hi !== 0 || r.lo >= this.count) this.#outOfRange(r, r.i64());
    return r.lo;
  }

  #outOfRange(r: WireReader, i: number | bigint): never {
    return r.fail(`string index ${i} is out of range [0..${this.count})`);
  }

  checked(r: WireReader, i: number): number {
    if (i >= this.count) this.#outOfRange(r, i);
    return i;
  }

  start(i: number): number {
    return this.#start[i] ?? 0;
  }

  end(i: number): number {
    return this.#end[i] ?? 0;
  }

  text(i: number): string {
    return Buffer.from(this.#bytes.buffer, this.#bytes.byteOffset, this.#bytes.length).toString(
      'utf8',
      this.#start[i],
      this.#end[i],
    );
  }

  /** The text where a file may ask for it any number of times: charged to the budget. */
  textWithin(r: WireReader, i: number, budget: MemoryBudget): string {
    budget.charge(r, ((this.#end[i] ?? 0) - (this.#start[i] ?? 0)) * BYTES_PER_TEXT_BYTE);
    return this.text(i);
  }

  /** Row of a key of ours. */
  own(text: string): number {
    let row = this.#own.get(text);
    if (row === undefined) {
      row = this.count + this.#own.size;
      this.#own.set(text, row);
    }
    return row;
  }

  /** The table, its bytes copied, so that the file may go. */
  build(): StringTable {
    const region = this.#region;
    const length = this.count + this.#own.size;
    const own = [...this.#own.keys()].map((text) => Buffer.from(text));
    const inFile = region.end - region.start;
    const bytes = new Uint8Array(inFile + own.reduce((sum, text) => sum + text.length, 0));
    bytes.set(this.#bytes.subarray(region.start, region.end));
    const start = this.#start.subarray(0, length);
    const end = this.#end.subarray(0, length);
    for (let i = 0; i < this.count; i++) {
      start[i] = (start[i] as number) - region.start;
      end[i] = (end[i] as number) - region.start;
    }
    let at = inFile;
    own.forEach((text, i) => {
      bytes.set(text, at);
      start[this.count + i] = at;
      at += text.length;
      end[this.count + i] = at;
    });
    return { length, bytes, start, end };
  }
}
