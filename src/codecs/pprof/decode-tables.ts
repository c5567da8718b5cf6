// SPDX-License-Identifier: Apache-2.0
import { isUtf8 } from 'node:buffer';
import { Wire, WireReader } from '../../internal/wire-reader.ts';
import { boolValue, stringValue } from '../../pdata/any-value.ts';
import type { DictionaryBuilder, LineRow } from '../../pdata/dictionary-builder.ts';
import { PPROF } from './names.ts';

/** Where the messages of one kind lie in the file. */
export interface Range {
  readonly pos: number;
  readonly end: number;
}

/** Rows of a builder by the ids that the file gives them. */
export class IdTable {
  readonly #rows = new Map<bigint, number>();
  readonly #what: string;

  constructor(what: string) {
    this.#what = what;
  }

  add(r: WireReader, id: bigint, row: number): void {
    if (id === 0n) r.fail(`${this.#what} has id 0`);
    if (this.#rows.has(id)) r.fail(`${this.#what} id ${id} is used twice`);
    this.#rows.set(id, row);
  }

  get(r: WireReader, id: bigint): number {
    return this.#rows.get(id) ?? r.fail(`${this.#what} id ${id} does not exist`);
  }
}

/** The string table: rows of the builder by index, and text on demand. */
export class Strings {
  readonly #rows: Int32Array;
  readonly #ranges: readonly Range[];
  readonly #bytes: Uint8Array;

  constructor(r: WireReader, ranges: readonly Range[], builder: DictionaryBuilder) {
    if (ranges.length === 0) r.fail('no string table');
    this.#bytes = r.bytes;
    this.#ranges = ranges;
    this.#rows = new Int32Array(ranges.length);
    ranges.forEach((range, i) => {
      if (i === 0 && range.end > range.pos) r.fail('first string is not empty', range.pos);
      const bytes = r.bytes.subarray(range.pos, range.end);
      if (!isUtf8(bytes)) r.fail('string is not valid UTF-8', range.pos);
      this.#rows[i] = builder.utf8(bytes);
    });
  }

  /** Row of the builder for the index field that `r` stands on. */
  row(r: WireReader): number {
    return this.#rows[this.index(r)] ?? 0;
  }

  index(r: WireReader): number {
    r.expect(Wire.Varint);
    const i = r.index();
    if (i >= this.#rows.length) r.fail(`string index ${i} is out of range [0..${this.#rows.length})`);
    return i;
  }

  rowAt(index: number): number {
    return this.#rows[index] ?? 0;
  }

  text(index: number): string {
    const { pos = 0, end = 0 } = this.#ranges[index] ?? {};
    return Buffer.from(this.#bytes.subarray(pos, end)).toString();
  }
}

/** A 64-bit varint field. */
export function u64(r: WireReader): bigint {
  r.expect(Wire.Varint);
  r.varint64();
  return r.u64();
}

export function i64(r: WireReader): bigint {
  return BigInt.asIntN(64, u64(r));
}

/** The mappings of the file, in file order. */
export function decodeMappings(
  r: WireReader,
  ranges: readonly Range[],
  strings: Strings,
  builder: DictionaryBuilder,
): IdTable {
  const table = new IdTable('mapping');
  for (const range of ranges) {
    const m = new WireReader(r.bytes, r.format, range.pos, range.end);
    const numbers = [0n, 0n, 0n, 0n];
    let filename = 0;
    let buildId = 0;
    const flags: string[] = [];
    while (m.next()) {
      if (m.field >= 1 && m.field <= 4) numbers[m.field - 1] = u64(m);
      else if (m.field === 5) filename = strings.row(m);
      else if (m.field === 6) buildId = strings.index(m);
      else if (m.field >= 7 && m.field <= 10) {
        if (u64(m) !== 0n) flags.push(FLAG_KEYS[m.field - 7] ?? '');
      } else m.skip();
    }
    const attributes = flags.map((key) => builder.attributeOf(key, boolValue(true)));
    if (buildId !== 0)
      attributes.push(builder.attributeOf(PPROF.buildIdGnu, stringValue(strings.text(buildId))));
    const [id = 0n, start = 0n, limit = 0n, offset = 0n] = numbers;
    table.add(m, id, builder.mapping(start, limit, offset, filename, attributes));
  }
  return table;
}

const FLAG_KEYS = [PPROF.hasFunctions, PPROF.hasFilenames, PPROF.hasLineNumbers, PPROF.hasInlineFrames];

export function decodeFunctions(
  r: WireReader,
  ranges: readonly Range[],
  strings: Strings,
  builder: DictionaryBuilder,
): IdTable {
  const table = new IdTable('function');
  for (const range of ranges) {
    const f = new WireReader(r.bytes, r.format, range.pos, range.end);
    let id = 0n;
    let startLine = 0n;
    const rows = [0, 0, 0];
    while (f.next()) {
      if (f.field === 1) id = u64(f);
      else if (f.field >= 2 && f.field <= 4) rows[f.field - 2] = strings.row(f);
      else if (f.field === 5) startLine = i64(f);
      else f.skip();
    }
    const [name = 0, systemName = 0, filename = 0] = rows;
    table.add(f, id, builder.function(name, systemName, filename, startLine));
  }
  return table;
}

export function decodeLocations(
  r: WireReader,
  ranges: readonly Range[],
  mappings: IdTable,
  functions: IdTable,
  builder: DictionaryBuilder,
): IdTable {
  const table = new IdTable('location');
  for (const range of ranges) {
    const l = new WireReader(r.bytes, r.format, range.pos, range.end);
    let id = 0n;
    let mapping = 0n;
    let address = 0n;
    let isFolded = false;
    const lines: LineRow[] = [];
    while (l.next()) {
      if (l.field === 1) id = u64(l);
      else if (l.field === 2) mapping = u64(l);
      else if (l.field === 3) address = u64(l);
      else if (l.field === 4) lines.push(decodeLine(l, functions));
      else if (l.field === 5) isFolded = u64(l) !== 0n;
      else l.skip();
    }
    const attributes = isFolded ? [builder.attributeOf(PPROF.isFolded, boolValue(true))] : [];
    const row = mapping === 0n ? 0 : mappings.get(l, mapping);
    table.add(l, id, builder.location(row, address, attributes, lines));
  }
  return table;
}

function decodeLine(outer: WireReader, functions: IdTable): LineRow {
  outer.expect(Wire.Len);
  const n = outer.length();
  const r = new WireReader(outer.bytes, outer.format, outer.pos, outer.pos + n);
  outer.pos += n;
  let id = 0n;
  let line = 0n;
  let column = 0n;
  while (r.next()) {
    if (r.field === 1) id = u64(r);
    else if (r.field === 2) line = i64(r);
    else if (r.field === 3) column = i64(r);
    else r.skip();
  }
  return { function: functions.get(r, id), line, column };
}
