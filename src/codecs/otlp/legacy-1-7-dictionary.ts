// SPDX-License-Identifier: Apache-2.0
import { Wire, type WireReader } from '../../internal/wire-reader.ts';
import { boolValue } from '../../pdata/any-value.ts';
import type { DictionaryBuilder, LineRow } from '../../pdata/dictionary-builder.ts';
import { PPROF } from '../pprof/names.ts';
import type { MemoryBudget } from './budget.ts';
import { enter, readId, readRow, readVarint64 } from './fields.ts';
import { Int32List } from '../int32-list.ts';
import { checkText, readEncodedValue, readRows } from './legacy-1-7-fields.ts';

/** Field numbers of the tables in ProfilesDictionary of 1.7. */
const Field = {
  mappings: 1,
  locations: 2,
  functions: 3,
  links: 4,
  strings: 5,
  attributes: 6,
  units: 7,
} as const;

/** Estimated heap bytes of one row by field number, without its lists. */
const ROW_COST = [0, 80, 64, 56, 80, 32, 64, 64];
const LINE_COST = 40;

const HAS_KEYS = [PPROF.hasFunctions, PPROF.hasFilenames, PPROF.hasLineNumbers, PPROF.hasInlineFrames];
const NO_TRACE = new Uint8Array(16);
const NO_SPAN = new Uint8Array(8);

/** Rows of the builder by index of the 1.7 tables; a table that is empty counts as its zero row. */
export interface Rows17 {
  readonly strings: Int32Array;
  readonly locations: Int32Array;
  readonly links: Int32Array;
  readonly attributes: Int32Array;
  /** Text of a string index. */
  readonly text: (index: number) => string;
  /** False where the request has no dictionary at all. */
  readonly found: boolean;
}

/**
 * Reads the dictionary of the 1.7 request in `r` into `builder`. Row 0 of a 1.7 table may be a real row:
 * links and mappings were optional fields then, attributes and locations plain lists. Throws DecodeError.
 */
export function readDictionary17(r: WireReader, builder: DictionaryBuilder, budget: MemoryBudget): Rows17 {
  return new DictionaryReader(r, builder, budget).read();
}

class DictionaryReader {
  readonly #r: WireReader;
  readonly #builder: DictionaryBuilder;
  readonly #budget: MemoryBudget;
  /** Start and end of each row's message, by field number. */
  readonly #ranges = ROW_COST.map(() => new Int32List());
  readonly #scratch = new Int32List();
  #found = false;
  #strings: Int32Array = new Int32Array(1);
  #functions: Int32Array = new Int32Array(1);
  #attributes: Int32Array = new Int32Array(1);
  #mappings: Int32Array = new Int32Array(1);
  readonly #units = new Map<number, number>();

  constructor(r: WireReader, builder: DictionaryBuilder, budget: MemoryBudget) {
    this.#r = r;
    this.#builder = builder;
    this.#budget = budget;
  }

  read(): Rows17 {
    this.#findRanges();
    const { bytes, end } = this.#r;
    const texts = this.#ranges[Field.strings]?.data ?? new Int32Array(0);
    const text = (i: number): string =>
      Buffer.from(bytes.subarray(texts[i * 2], texts[i * 2 + 1])).toString();
    this.#strings = this.#each(Field.strings, (i) => this.#string(i));
    this.#each(Field.units, () => this.#unit());
    this.#attributes = this.#each(Field.attributes, () => this.#attribute());
    this.#functions = this.#each(Field.functions, () => this.#function());
    this.#mappings = this.#each(Field.mappings, () => this.#mapping());
    const locations = this.#each(Field.locations, () => this.#location());
    const links = this.#each(Field.links, () => this.#link());
    this.#r.end = end;
    const [strings, attributes, found] = [this.#strings, this.#attributes, this.#found];
    return { strings, locations, links, attributes, text, found };
  }

  #findRanges(): void {
    const r = this.#r;
    while (r.next()) {
      if (r.field !== 2) {
        r.skip();
        continue;
      }
      this.#found = true;
      const outer = enter(r);
      while (r.next()) {
        const { field } = r;
        if (field > Field.units) {
          r.skip();
          continue;
        }
        r.expect(Wire.Len);
        const n = r.length();
        this.#budget.charge(r, (ROW_COST[field] ?? 0) + n);
        this.#ranges[field]?.push(r.pos);
        r.pos += n;
        this.#ranges[field]?.push(r.pos);
      }
      r.end = outer;
    }
  }

  /** Reads the rows of one table; gives the builder's row of each. */
  #each(field: number, read: (i: number) => number): Int32Array {
    const r = this.#r;
    const ranges = this.#ranges[field]?.take() ?? new Int32Array(0);
    const rows = new Int32Array(Math.max(ranges.length >>> 1, 1));
    for (let i = 0; i < ranges.length >>> 1; i++) {
      r.pos = ranges[i * 2] ?? 0;
      r.end = ranges[i * 2 + 1] ?? 0;
      rows[i] = read(i);
    }
    return rows;
  }

  #string(i: number): number {
    const r = this.#r;
    const { pos, end } = r;
    if (i === 0 && end > pos) r.fail('first string is not empty');
    const text = r.bytes.subarray(pos, end);
    checkText(r, text, pos);
    return this.#builder.utf8(text);
  }

  #row(rows: Int32Array, what: string): number {
    return rows[readRow(this.#r, rows.length, what)] ?? 0;
  }

  /** A unit belongs to a key; where a key has several, the last one counts. */
  #unit(): number {
    const r = this.#r;
    let key = 0;
    let unit = 0;
    while (r.next()) {
      if (r.field === 1) key = this.#row(this.#strings, 'string index');
      else if (r.field === 2) unit = this.#row(this.#strings, 'string index');
      else r.skip();
    }
    this.#units.set(key, unit);
    return 0;
  }

  #attribute(): number {
    const r = this.#r;
    let key = 0;
    let value: Uint8Array = new Uint8Array(0);
    while (r.next()) {
      if (r.field === 1) {
        r.expect(Wire.Len);
        const text = r.view();
        checkText(r, text, r.pos - text.length);
        key = this.#builder.utf8(text);
      } else if (r.field === 2) {
        const outer = enter(r);
        value = readEncodedValue(r);
        r.end = outer;
      } else r.skip();
    }
    return this.#builder.attribute(key, value, this.#units.get(key) ?? 0);
  }

  #function(): number {
    const r = this.#r;
    const rows = [0, 0, 0];
    let startLine = 0n;
    while (r.next()) {
      if (r.field <= 3) rows[r.field - 1] = this.#row(this.#strings, 'string index');
      else if (r.field === 4) {
        readVarint64(r);
        startLine = r.i64();
      } else r.skip();
    }
    const [name = 0, systemName = 0, filename = 0] = rows;
    return this.#builder.function(name, systemName, filename, startLine);
  }

  #mapping(): number {
    const r = this.#r;
    const numbers = [0n, 0n, 0n];
    const flags = [false, false, false, false];
    let filename = 0;
    while (r.next()) {
      if (r.field <= 3) {
        readVarint64(r);
        numbers[r.field - 1] = r.u64();
      } else if (r.field === 4) filename = this.#row(this.#strings, 'string index');
      else if (r.field === 5) this.#readAttributes();
      else if (r.field <= 9) flags[r.field - 6] = this.#readBool();
      else r.skip();
    }
    const [start = 0n, limit = 0n, offset = 0n] = numbers;
    const keys = HAS_KEYS.filter((_, i) => flags[i]);
    return this.#builder.mapping(start, limit, offset, filename, this.#takeAttributes(keys));
  }

  #location(): number {
    const r = this.#r;
    let mapping = 0;
    let address = 0n;
    let isFolded = false;
    const lines: LineRow[] = [];
    while (r.next()) {
      if (r.field === 1) mapping = this.#row(this.#mappings, 'mapping index');
      else if (r.field === 2) {
        readVarint64(r);
        address = r.u64();
      } else if (r.field === 3) lines.push(this.#line());
      else if (r.field === 4) isFolded = this.#readBool();
      else if (r.field === 5) this.#readAttributes();
      else r.skip();
    }
    const attributes = this.#takeAttributes(isFolded ? [PPROF.isFolded] : []);
    return this.#builder.location(mapping, address, attributes, lines);
  }

  #line(): LineRow {
    const r = this.#r;
    this.#budget.charge(r, LINE_COST);
    const row = { function: this.#functions[0] ?? 0, line: 0n, column: 0n };
    const outer = enter(r);
    while (r.next()) {
      if (r.field === 1) row.function = this.#row(this.#functions, 'function index');
      else if (r.field === 2) {
        readVarint64(r);
        row.line = r.i64();
      } else if (r.field === 3) {
        readVarint64(r);
        row.column = r.i64();
      } else r.skip();
    }
    r.end = outer;
    return row;
  }

  #link(): number {
    const r = this.#r;
    let trace: Uint8Array = NO_TRACE;
    let span: Uint8Array = NO_SPAN;
    while (r.next()) {
      if (r.field === 1) trace = orZero(readId(r, 16, 'trace id'), NO_TRACE);
      else if (r.field === 2) span = orZero(readId(r, 8, 'span id'), NO_SPAN);
      else r.skip();
    }
    return this.#builder.link(trace, span);
  }

  #readBool(): boolean {
    readVarint64(this.#r);
    return this.#r.lo !== 0 || this.#r.hi !== 0;
  }

  #readAttributes(): void {
    readRows(this.#r, this.#scratch, this.#attributes.length, 'attribute index');
  }

  /** The attributes read since the last call, and `true` under each of `flags`. */
  #takeAttributes(flags: readonly string[]): Int32Array {
    const rows = this.#scratch.take().map((i) => this.#attributes[i] ?? 0);
    if (flags.length === 0) return rows;
    return Int32Array.from([...rows, ...flags.map((key) => this.#builder.attributeOf(key, boolValue(true)))]);
  }
}

const orZero = (id: Uint8Array, zero: Uint8Array): Uint8Array => (id.length === 0 ? zero : id);
