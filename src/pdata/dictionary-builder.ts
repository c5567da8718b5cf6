// SPDX-License-Identifier: Apache-2.0
import { type AnyValue, encodeAnyValue } from './any-value.ts';
import {
  BigColumn,
  ByteColumn,
  hashBig,
  hashBytes,
  hashEnd,
  hashInt,
  hashStart,
  Int32Column,
  RowIndex,
} from './columns.ts';
import { Dictionary } from './dictionary.ts';

/** One line of a location under construction. */
export interface LineRow {
  readonly function: number;
  readonly line: bigint;
  readonly column: bigint;
}

type Numbers = ArrayLike<number>;

/** Lists of rows that grow; list `i` is fixed once pushed. */
class ListColumn {
  readonly start = new Int32Column();
  readonly values = new Int32Column();

  push(list: Numbers): void {
    this.start.push(this.values.length);
    this.values.pushAll(list);
  }

  equals(row: number, list: Numbers): boolean {
    const from = this.start.get(row);
    const to = row + 1 < this.start.length ? this.start.get(row + 1) : this.values.length;
    if (to - from !== list.length) return false;
    for (let i = 0; i < list.length; i++) if (this.values.get(from + i) !== list[i]) return false;
    return true;
  }

  finish(): { start: Uint32Array; values: Int32Array } {
    this.start.push(this.values.length);
    return { start: this.start.finishUnsigned(), values: this.values.finish() };
  }
}

function hashList(hash: number, list: Numbers): number {
  let h = hashInt(hash, list.length);
  for (let i = 0; i < list.length; i++) h = hashInt(h, list[i] ?? 0);
  return h;
}

function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  return Buffer.compare(a, b) === 0;
}

/**
 * Builds a dictionary row by row. Adding a row that is there already gives its index: O(1), equality
 * is checked on the columns. Row 0 of every table is the zero row.
 */
export class DictionaryBuilder {
  readonly #text = new Map<string, number>();
  readonly #stringBytes = new ByteColumn(4096);
  readonly #stringEnd = new Int32Column(256);
  readonly #stringIndex = new RowIndex();
  readonly #functions = {
    name: new Int32Column(),
    system: new Int32Column(),
    file: new Int32Column(),
    line: new BigColumn(),
  };
  readonly #functionIndex = new RowIndex();
  readonly #mappings = {
    start: new BigColumn(),
    limit: new BigColumn(),
    offset: new BigColumn(),
    file: new Int32Column(),
    attributes: new ListColumn(),
  };
  readonly #mappingIndex = new RowIndex();
  readonly #locations = {
    mapping: new Int32Column(),
    address: new BigColumn(),
    attributes: new ListColumn(),
    lineStart: new Int32Column(),
  };
  readonly #lines = { function: new Int32Column(), line: new BigColumn(), column: new BigColumn() };
  readonly #locationIndex = new RowIndex();
  readonly #stacks = new ListColumn();
  readonly #stackIndex = new RowIndex();
  readonly #links = { trace: new ByteColumn(256), span: new ByteColumn(256) };
  readonly #linkIndex = new RowIndex();
  readonly #attributes = {
    key: new Int32Column(),
    unit: new Int32Column(),
    bytes: new ByteColumn(),
    end: new Int32Column(),
  };
  readonly #attributeIndex = new RowIndex();
  readonly #attributeText = new Map<string, number>();

  constructor() {
    this.utf8(new Uint8Array(0));
    this.function(0, 0, 0, 0n);
    this.mapping(0n, 0n, 0n, 0, []);
    this.location(0, 0n, [], []);
    this.stack([]);
    this.link(new Uint8Array(16), new Uint8Array(8));
    this.attribute(0, new Uint8Array(0), 0);
  }

  string(text: string): number {
    const known = this.#text.get(text);
    if (known !== undefined) return known;
    const row = this.utf8(Buffer.from(text, 'utf8'));
    this.#text.set(text, row);
    return row;
  }

  /** A string by its UTF-8, which the caller has validated. */
  utf8(bytes: Uint8Array): number {
    const hash = hashBytes(bytes);
    const found = this.#stringIndex.find(hash, (row) => equalBytes(this.#utf8At(row), bytes));
    if (found >= 0) return found;
    this.#stringBytes.push(bytes);
    this.#stringEnd.push(this.#stringBytes.length);
    this.#stringIndex.add(hash, this.#stringEnd.length - 1);
    return this.#stringEnd.length - 1;
  }

  #utf8At(row: number): Uint8Array {
    return this.#stringBytes.view(row === 0 ? 0 : this.#stringEnd.get(row - 1), this.#stringEnd.get(row));
  }

  /** All arguments but the last are string rows. */
  function(name: number, systemName: number, filename: number, startLine: bigint): number {
    const f = this.#functions;
    const hash = hashEnd(
      hashBig(hashInt(hashInt(hashInt(hashStart(), name), systemName), filename), startLine),
    );
    const wanted = BigInt.asUintN(64, startLine);
    const found = this.#functionIndex.find(
      hash,
      (r) =>
        f.name.get(r) === name &&
        f.system.get(r) === systemName &&
        f.file.get(r) === filename &&
        f.line.get(r) === wanted,
    );
    if (found >= 0) return found;
    f.name.push(name);
    f.system.push(systemName);
    f.file.push(filename);
    f.line.push(wanted);
    this.#functionIndex.add(hash, f.name.length - 1);
    return f.name.length - 1;
  }

  mapping(start: bigint, limit: bigint, fileOffset: bigint, filename: number, attributes: Numbers): number {
    const m = this.#mappings;
    const hash = hashEnd(
      hashList(
        hashInt(hashBig(hashBig(hashBig(hashStart(), start), limit), fileOffset), filename),
        attributes,
      ),
    );
    const found = this.#mappingIndex.find(
      hash,
      (r) =>
        m.start.get(r) === start &&
        m.limit.get(r) === limit &&
        m.offset.get(r) === fileOffset &&
        m.file.get(r) === filename &&
        m.attributes.equals(r, attributes),
    );
    if (found >= 0) return found;
    m.start.push(start);
    m.limit.push(limit);
    m.offset.push(fileOffset);
    m.file.push(filename);
    m.attributes.push(attributes);
    this.#mappingIndex.add(hash, m.file.length - 1);
    return m.file.length - 1;
  }

  location(mapping: number, address: bigint, attributes: Numbers, lines: readonly LineRow[]): number {
    const l = this.#locations;
    let hash = hashList(hashBig(hashInt(hashStart(), mapping), address), attributes);
    for (const line of lines) hash = hashBig(hashBig(hashInt(hash, line.function), line.line), line.column);
    hash = hashEnd(hash);
    const found = this.#locationIndex.find(
      hash,
      (r) =>
        l.mapping.get(r) === mapping &&
        l.address.get(r) === address &&
        l.attributes.equals(r, attributes) &&
        this.#linesEqual(r, lines),
    );
    if (found >= 0) return found;
    l.mapping.push(mapping);
    l.address.push(address);
    l.attributes.push(attributes);
    l.lineStart.push(this.#lines.function.length);
    for (const line of lines) {
      this.#lines.function.push(line.function);
      this.#lines.line.push(BigInt.asUintN(64, line.line));
      this.#lines.column.push(BigInt.asUintN(64, line.column));
    }
    this.#locationIndex.add(hash, l.mapping.length - 1);
    return l.mapping.length - 1;
  }

  #linesEqual(row: number, lines: readonly LineRow[]): boolean {
    const starts = this.#locations.lineStart;
    const from = starts.get(row);
    const to = row + 1 < starts.length ? starts.get(row + 1) : this.#lines.function.length;
    if (to - from !== lines.length) return false;
    return lines.every(
      (line, i) =>
        this.#lines.function.get(from + i) === line.function &&
        this.#lines.line.get(from + i) === BigInt.asUintN(64, line.line) &&
        this.#lines.column.get(from + i) === BigInt.asUintN(64, line.column),
    );
  }

  /** Location rows, leaf first. */
  stack(locations: Numbers): number {
    const hash = hashEnd(hashList(hashStart(), locations));
    const found = this.#stackIndex.find(hash, (r) => this.#stacks.equals(r, locations));
    if (found >= 0) return found;
    this.#stacks.push(locations);
    this.#stackIndex.add(hash, this.#stacks.start.length - 1);
    return this.#stacks.start.length - 1;
  }

  /** 16 bytes of trace id, 8 of span id. */
  link(traceId: Uint8Array, spanId: Uint8Array): number {
    const l = this.#links;
    const hash = hashBytes(traceId) ^ hashBytes(spanId);
    const found = this.#linkIndex.find(
      hash,
      (r) =>
        equalBytes(l.trace.view(r * 16, r * 16 + 16), traceId) &&
        equalBytes(l.span.view(r * 8, r * 8 + 8), spanId),
    );
    if (found >= 0) return found;
    l.trace.push(traceId);
    l.span.push(spanId);
    this.#linkIndex.add(hash, l.span.length / 8 - 1);
    return l.span.length / 8 - 1;
  }

  /** `key` and `unit` are string rows, `value` an encoded AnyValue without string references. */
  attribute(key: number, value: Uint8Array, unit: number): number {
    const a = this.#attributes;
    const hash = hashEnd(hashInt(hashInt(hashBytes(value), key), unit));
    const found = this.#attributeIndex.find(
      hash,
      (r) =>
        a.key.get(r) === key &&
        a.unit.get(r) === unit &&
        equalBytes(a.bytes.view(r === 0 ? 0 : a.end.get(r - 1), a.end.get(r)), value),
    );
    if (found >= 0) return found;
    a.key.push(key);
    a.unit.push(unit);
    a.bytes.push(value);
    a.end.push(a.bytes.length);
    this.#attributeIndex.add(hash, a.key.length - 1);
    return a.key.length - 1;
  }

  attributeOf(key: string, value: AnyValue, unit = ''): number {
    if (value.kind !== 'string')
      return this.attribute(this.string(key), encodeAnyValue(value), this.string(unit));
    // Text attributes repeat by the thousand (frame types, thread names): spare the encoding.
    const cacheKey = `${key}\u0000${unit}\u0000${value.value}`;
    const known = this.#attributeText.get(cacheKey);
    if (known !== undefined) return known;
    const row = this.attribute(this.string(key), encodeAnyValue(value), this.string(unit));
    this.#attributeText.set(cacheKey, row);
    return row;
  }

  /** The dictionary. The builder must not be used afterwards. */
  build(): Dictionary {
    const stringEnd = this.#stringEnd.finishUnsigned();
    const attributeEnd = this.#attributes.end.finishUnsigned();
    this.#locations.lineStart.push(this.#lines.function.length);
    const l = this.#locations;
    const m = this.#mappings;
    const f = this.#functions;
    return new Dictionary({
      strings: {
        length: stringEnd.length,
        bytes: this.#stringBytes.finish(),
        start: startsOf(stringEnd),
        end: stringEnd,
      },
      functions: {
        length: f.name.length,
        name: f.name.finish(),
        systemName: f.system.finish(),
        filename: f.file.finish(),
        startLine: f.line.finishSigned(),
      },
      mappings: {
        length: m.file.length,
        memoryStart: m.start.finish(),
        memoryLimit: m.limit.finish(),
        fileOffset: m.offset.finish(),
        filename: m.file.finish(),
        attributes: m.attributes.finish(),
      },
      locations: {
        length: l.mapping.length,
        mapping: l.mapping.finish(),
        address: l.address.finish(),
        attributes: l.attributes.finish(),
        lineStart: l.lineStart.finishUnsigned(),
        lineFunction: this.#lines.function.finish(),
        lineLine: this.#lines.line.finishSigned(),
        lineColumn: this.#lines.column.finishSigned(),
      },
      stacks: { length: this.#stacks.start.length, locations: this.#stacks.finish() },
      links: {
        length: this.#links.span.length / 8,
        traceIds: this.#links.trace.finish(),
        spanIds: this.#links.span.finish(),
      },
      attributes: {
        length: attributeEnd.length,
        key: this.#attributes.key.finish(),
        unit: this.#attributes.unit.finish(),
        bytes: this.#attributes.bytes.finish(),
        start: startsOf(attributeEnd),
        end: attributeEnd,
      },
    });
  }
}

function startsOf(end: Uint32Array): Uint32Array {
  const start = new Uint32Array(end.length);
  start.set(end.subarray(0, end.length - 1), 1);
  return start;
}
