// SPDX-License-Identifier: Apache-2.0
import { type RowsOptions, WordRows } from './rows.ts';
import type {
  AttributeTable,
  FunctionTable,
  IndexLists,
  LinkTable,
  LocationTable,
  MappingTable,
  StackTable,
  StringTable,
} from './tables.ts';

/**
 * How the rows of each table lie in words. Both 64-bit halves are words, low first; bytes are padded to
 * words and followed by their number.
 *
 * | table | words of a row |
 * |---|---|
 * | strings, attribute values | bytes |
 * | functions | name, system name, file name, start line (2) |
 * | mappings | memory start (2), limit (2), file offset (2), file name, attributes |
 * | locations | mapping, address (2), number of attributes, attributes, lines: function, line (2), column (2) |
 * | stacks | locations |
 * | links | trace id (4), span id (2) |
 * | attributes | key, unit, row of the value |
 * `LOCATION_HEAD` words stand in front of the attributes of a location, `MAPPING_HEAD` of a mapping.
 */
export const LOCATION_HEAD = 4;
export const LINE_WORDS = 5;
export const MAPPING_HEAD = 7;
export const FUNCTION_WORDS = 5;
export const LINK_WORDS = 6;
export const ATTRIBUTE_WORDS = 3;

/** Empty rows with room for those of the table that is loaded, and for those to come. */
function roomFor(rows: number, words: number, options: RowsOptions): WordRows {
  const growth = options.growth ?? 1.5;
  return new WordRows(Math.ceil(rows * growth) + 16, Math.ceil(words * growth) + 16, options);
}

/** The 32-bit halves of a 64-bit column, low first. */
export function halvesOf(column: BigInt64Array | BigUint64Array): Int32Array {
  return new Int32Array(column.buffer, column.byteOffset, column.length * 2);
}

export function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

export function loadStrings({ length, bytes, start, end }: StringTable, options: RowsOptions): WordRows {
  let words = length * 2;
  for (let i = 0; i < length; i++) words += ((end[i] as number) - (start[i] as number)) >> 2;
  const rows = roomFor(length, words, options);
  const view = viewOf(bytes);
  for (let i = 0; i < length; i++) {
    rows.pushBytes(view, start[i] as number, end[i] as number);
    rows.append();
  }
  rows.index();
  return rows;
}

export function loadFunctions(t: FunctionTable, options: RowsOptions): WordRows {
  const { length, name, systemName, filename } = t;
  const startLine = halvesOf(t.startLine);
  const rows = roomFor(length, length * FUNCTION_WORDS, options);
  for (let i = 0; i < length; i++) {
    rows.push(name[i] as number);
    rows.push(systemName[i] as number);
    rows.push(filename[i] as number);
    rows.push(startLine[i * 2] as number);
    rows.push(startLine[i * 2 + 1] as number);
    rows.append();
  }
  rows.index();
  return rows;
}

function pushList(rows: WordRows, { start, values }: IndexLists, i: number): void {
  for (let k = start[i] as number; k < (start[i + 1] as number); k++) rows.push(values[k] as number);
}

export function loadMappings(t: MappingTable, options: RowsOptions): WordRows {
  const { length, filename, attributes } = t;
  const columns = [halvesOf(t.memoryStart), halvesOf(t.memoryLimit), halvesOf(t.fileOffset)];
  const rows = roomFor(length, length * (MAPPING_HEAD + 2), options);
  for (let i = 0; i < length; i++) {
    for (const column of columns) {
      rows.push(column[i * 2] as number);
      rows.push(column[i * 2 + 1] as number);
    }
    rows.push(filename[i] as number);
    pushList(rows, attributes, i);
    rows.append();
  }
  rows.index();
  return rows;
}

export function loadLocations(t: LocationTable, options: RowsOptions): WordRows {
  const { length, mapping, attributes, lineStart, lineFunction } = t;
  const address = halvesOf(t.address);
  const line = halvesOf(t.lineLine);
  const column = halvesOf(t.lineColumn);
  const wordCount = length * LOCATION_HEAD + attributes.values.length + lineFunction.length * LINE_WORDS;
  const rows = roomFor(length, wordCount, options);
  const { words } = rows;
  for (let i = 0; i < length; i++) {
    let { tail } = rows;
    const from = attributes.start[i] as number;
    const to = attributes.start[i + 1] as number;
    words[tail++] = mapping[i] as number;
    words[tail++] = address[i * 2] as number;
    words[tail++] = address[i * 2 + 1] as number;
    words[tail++] = to - from;
    for (let k = from; k < to; k++) words[tail++] = attributes.values[k] as number;
    const linesTo = lineStart[i + 1] as number;
    for (let l = lineStart[i] as number; l < linesTo; l++) {
      words[tail++] = lineFunction[l] as number;
      words[tail++] = line[l * 2] as number;
      words[tail++] = line[l * 2 + 1] as number;
      words[tail++] = column[l * 2] as number;
      words[tail++] = column[l * 2 + 1] as number;
    }
    rows.tail = tail;
    rows.append();
  }
  rows.index();
  return rows;
}

export function loadStacks({ length, locations }: StackTable, options: RowsOptions): WordRows {
  const { start, values } = locations;
  const rows = roomFor(length, values.length, options);
  const { words } = rows;
  for (let i = 0; i < length; i++) {
    let { tail } = rows;
    for (let k = start[i] as number; k < (start[i + 1] as number); k++) words[tail++] = values[k] as number;
    rows.tail = tail;
    rows.append();
  }
  rows.index();
  return rows;
}

export function loadLinks({ length, traceIds, spanIds }: LinkTable, options: RowsOptions): WordRows {
  const rows = roomFor(length, length * LINK_WORDS, options);
  for (let i = 0; i < length; i++) {
    pushLink(rows, traceIds, spanIds, i);
    rows.append();
  }
  rows.index();
  return rows;
}

/** The words of link `i` of two id columns. */
export function pushLink(rows: WordRows, traceIds: Uint8Array, spanIds: Uint8Array, i: number): void {
  const trace = viewOf(traceIds);
  const span = viewOf(spanIds);
  for (let at = 0; at < 16; at += 4) rows.push(trace.getInt32(i * 16 + at, true));
  rows.push(span.getInt32(i * 8, true));
  rows.push(span.getInt32(i * 8 + 4, true));
}

/** The encoded values go into `values`, equal ones once. */
export function loadAttributes(t: AttributeTable, values: WordRows, options: RowsOptions): WordRows {
  const { length, key, unit, start, end } = t;
  const view = viewOf(t.bytes);
  const rows = roomFor(length, length * ATTRIBUTE_WORDS, options);
  for (let i = 0; i < length; i++) {
    values.pushBytes(view, start[i] as number, end[i] as number);
    rows.push(key[i] as number);
    rows.push(unit[i] as number);
    rows.push(values.intern());
    rows.append();
  }
  rows.index();
  return rows;
}

/** Rows of bytes as ranges of one copy of them. */
function byteRanges({ words, starts, length }: WordRows): Pick<StringTable, 'bytes' | 'start' | 'end'> {
  const start = new Uint32Array(length);
  const end = new Uint32Array(length);
  for (let i = 0; i < length; i++) {
    const from = (starts[i] as number) * 4;
    start[i] = from;
    end[i] = from + (words[(starts[i + 1] as number) - 1] as number);
  }
  const copy = words.slice(0, starts[length]);
  return { bytes: new Uint8Array(copy.buffer, copy.byteOffset, copy.byteLength), start, end };
}

export function makeStrings(rows: WordRows): StringTable {
  return { length: rows.length, ...byteRanges(rows) };
}

export function makeFunctions({ words, length }: WordRows): FunctionTable {
  const name = new Int32Array(length);
  const systemName = new Int32Array(length);
  const filename = new Int32Array(length);
  const startLine = new BigInt64Array(length);
  const line = halvesOf(startLine);
  for (let i = 0, w = 0; i < length; i++, w += FUNCTION_WORDS) {
    name[i] = words[w] as number;
    systemName[i] = words[w + 1] as number;
    filename[i] = words[w + 2] as number;
    line[i * 2] = words[w + 3] as number;
    line[i * 2 + 1] = words[w + 4] as number;
  }
  return { length, name, systemName, filename, startLine };
}

export function makeMappings({ words, starts, length }: WordRows): MappingTable {
  const memoryStart = new BigUint64Array(length);
  const memoryLimit = new BigUint64Array(length);
  const fileOffset = new BigUint64Array(length);
  const filename = new Int32Array(length);
  const columns = [halvesOf(memoryStart), halvesOf(memoryLimit), halvesOf(fileOffset)];
  const start = new Uint32Array(length + 1);
  const values = new Int32Array((starts[length] as number) - length * MAPPING_HEAD);
  let at = 0;
  for (let i = 0; i < length; i++) {
    let w = starts[i] as number;
    for (const column of columns) {
      column[i * 2] = words[w++] as number;
      column[i * 2 + 1] = words[w++] as number;
    }
    filename[i] = words[w++] as number;
    while (w < (starts[i + 1] as number)) values[at++] = words[w++] as number;
    start[i + 1] = at;
  }
  return { length, memoryStart, memoryLimit, fileOffset, filename, attributes: { start, values } };
}

export function makeLocations({ words, starts, length }: WordRows): LocationTable {
  let attributeCount = 0;
  for (let i = 0; i < length; i++) attributeCount += words[(starts[i] as number) + 3] as number;
  const lines = ((starts[length] as number) - length * LOCATION_HEAD - attributeCount) / LINE_WORDS;
  const mapping = new Int32Array(length);
  const address = new BigUint64Array(length);
  const start = new Uint32Array(length + 1);
  const values = new Int32Array(attributeCount);
  const lineStart = new Uint32Array(length + 1);
  const lineFunction = new Int32Array(lines);
  const lineLine = new BigInt64Array(lines);
  const lineColumn = new BigInt64Array(lines);
  const addressHalves = halvesOf(address);
  const lineHalves = halvesOf(lineLine);
  const columnHalves = halvesOf(lineColumn);
  let a = 0;
  let l = 0;
  for (let i = 0; i < length; i++) {
    let w = starts[i] as number;
    const end = starts[i + 1] as number;
    mapping[i] = words[w] as number;
    addressHalves[i * 2] = words[w + 1] as number;
    addressHalves[i * 2 + 1] = words[w + 2] as number;
    w += LOCATION_HEAD;
    for (let n = words[w - 1] as number; n > 0; n--) values[a++] = words[w++] as number;
    start[i + 1] = a;
    for (; w < end; w += LINE_WORDS, l++) {
      lineFunction[l] = words[w] as number;
      lineHalves[l * 2] = words[w + 1] as number;
      lineHalves[l * 2 + 1] = words[w + 2] as number;
      columnHalves[l * 2] = words[w + 3] as number;
      columnHalves[l * 2 + 1] = words[w + 4] as number;
    }
    lineStart[i + 1] = l;
  }
  const attributes = { start, values };
  return { length, mapping, address, attributes, lineStart, lineFunction, lineLine, lineColumn };
}

export function makeStacks({ words, starts, length }: WordRows): StackTable {
  return {
    length,
    locations: { start: starts.slice(0, length + 1), values: words.slice(0, starts[length]) },
  };
}

export function makeLinks({ words, length }: WordRows): LinkTable {
  const traceIds = new Int32Array(length * 4);
  const spanIds = new Int32Array(length * 2);
  for (let i = 0, w = 0; i < length; i++) {
    for (let k = 0; k < 4; k++) traceIds[i * 4 + k] = words[w++] as number;
    for (let k = 0; k < 2; k++) spanIds[i * 2 + k] = words[w++] as number;
  }
  return { length, traceIds: new Uint8Array(traceIds.buffer), spanIds: new Uint8Array(spanIds.buffer) };
}

export function makeAttributes({ words, length }: WordRows, values: WordRows): AttributeTable {
  const ranges = byteRanges(values);
  const key = new Int32Array(length);
  const unit = new Int32Array(length);
  const start = new Uint32Array(length);
  const end = new Uint32Array(length);
  for (let i = 0, w = 0; i < length; i++, w += ATTRIBUTE_WORDS) {
    key[i] = words[w] as number;
    unit[i] = words[w + 1] as number;
    const value = words[w + 2] as number;
    start[i] = ranges.start[value] as number;
    end[i] = ranges.end[value] as number;
  }
  return { length, key, unit, bytes: ranges.bytes, start, end };
}
