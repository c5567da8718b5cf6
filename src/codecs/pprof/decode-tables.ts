// SPDX-License-Identifier: Apache-2.0
import { Wire, type WireReader } from '../../internal/wire-reader.ts';
import { boolValue } from '../../pdata/any-value.ts';
import { zerosInt64 } from '../../pdata/constant-columns.ts';
import { halvesOf } from '../../pdata/table-rows.ts';
import {
  emptyLists,
  type FunctionTable,
  indexLists,
  type IndexLists,
  type LocationTable,
  type MappingTable,
} from '../../pdata/tables.ts';
import type { AttributeRows } from './attributes.ts';
import type { MemoryBudget } from './budget.ts';
import { IdTable } from './ids.ts';
import { MAPPING_FLAGS, PPROF } from './names.ts';
import { nextMessage, type Region, skipUnknown, Tag, varint } from './scan.ts';
import type { Strings } from './strings.ts';

/** What the readers of the tables share. Row 0 of every table is the zero row; message `i` is row `i + 1`. */
export interface TableContext {
  readonly r: WireReader;
  readonly strings: Strings;
  readonly attributes: AttributeRows;
  readonly budget: MemoryBudget;
}

/** A table, and its rows by the ids of the file. */
export interface Decoded<T> {
  readonly table: T;
  readonly ids: IdTable;
}

export function decodeMappings(context: TableContext, region: Region): Decoded<MappingTable> {
  const { r, strings, budget } = context;
  const length = region.count + 1;
  budget.charge(r, length * (8 * 3 + 4 + 4 + 8 * 4));
  const ids = new IdTable(r, 'mapping', region.count, budget);
  const columns = [
    new BigUint64Array(length),
    new BigUint64Array(length),
    new BigUint64Array(length),
  ] as const;
  const halves = columns.map(halvesOf);
  const filename = new Int32Array(length);
  const attributes: number[][] = [[]];
  r.pos = region.start;
  for (let row = 1; row < length; row++) {
    const stop = nextMessage(r, region);
    r.end = stop;
    let [idLo, idHi, buildId, flags] = [0, 0, 0, 0];
    while (r.next()) {
      const { field } = r;
      if (field > 10) r.skip();
      else {
        r.expect(Wire.Varint);
        if (field === 5) filename[row] = strings.index(r);
        else if (field === 6) buildId = strings.index(r);
        else {
          r.varint64();
          if (field === 1) [idLo, idHi] = [r.lo, r.hi];
          else if (field < 5) halves[field - 2]?.set([r.lo, r.hi], row * 2);
          else {
            const bit = 1 << (field - 7);
            flags = r.lo !== 0 || r.hi !== 0 ? flags | bit : flags & ~bit;
          }
        }
      }
    }
    ids.add(r, idLo, idHi, row);
    attributes.push(mappingAttributes(context, buildId, flags));
  }
  const [memoryStart, memoryLimit, fileOffset] = columns;
  return {
    ids,
    table: { length, memoryStart, memoryLimit, fileOffset, filename, attributes: indexLists(attributes) },
  };
}

/** The flags that are set; where none is, the first as false: the absence of all says nothing. */
function mappingAttributes(
  { r, strings, attributes }: TableContext,
  buildId: number,
  flags: number,
): number[] {
  const rows: number[] = [];
  if (buildId !== 0) {
    rows.push(
      attributes.label(r, { key: strings.own(PPROF.buildIdGnu), str: buildId, lo: 0, hi: 0, unit: 0 }),
    );
  }
  MAPPING_FLAGS.forEach((key, i) => {
    const isSet = (flags & (1 << i)) !== 0;
    if (isSet || (i === 0 && flags === 0)) rows.push(attributes.of(r, strings.own(key), boolValue(isSet)));
  });
  return rows;
}

export function decodeFunctions(context: TableContext, region: Region): Decoded<FunctionTable> {
  const { r, strings, budget } = context;
  const length = region.count + 1;
  budget.charge(r, length * (4 * 3 + 8));
  const ids = new IdTable(r, 'function', region.count, budget);
  const name = new Int32Array(length);
  const systemName = new Int32Array(length);
  const filename = new Int32Array(length);
  const startLine = new BigInt64Array(length);
  const startHalves = halvesOf(startLine);
  r.pos = region.start;
  for (let row = 1; row < length; row++) {
    r.end = nextMessage(r, region);
    let idLo = 0;
    let idHi = 0;
    while (r.pos < r.end) {
      switch (r.bytes[r.pos]) {
        case Tag.varint1:
          r.pos++;
          varint(r);
          idLo = r.lo;
          idHi = r.hi;
          break;
        case Tag.varint2:
          r.pos++;
          name[row] = strings.index(r);
          break;
        case Tag.varint3:
          r.pos++;
          systemName[row] = strings.index(r);
          break;
        case Tag.varint4:
          r.pos++;
          filename[row] = strings.index(r);
          break;
        case Tag.varint5:
          r.pos++;
          varint(r);
          startHalves[row * 2] = r.lo;
          startHalves[row * 2 + 1] = r.hi;
          break;
        default:
          skipUnknown(r, 5);
      }
    }
    ids.add(r, idLo, idHi, row);
  }
  return { ids, table: { length, name, systemName, filename, startLine } };
}

export function decodeLocations(
  context: TableContext,
  region: Region,
  mappings: IdTable,
  functions: IdTable,
): Decoded<LocationTable> {
  const { r, budget } = context;
  const length = region.count + 1;
  budget.charge(r, length * (4 + 8 + 4 + 4 + LINE_BYTES));
  const ids = new IdTable(r, 'location', region.count, budget);
  const mapping = new Int32Array(length);
  const address = new BigUint64Array(length);
  const addressHalves = halvesOf(address);
  const lineStart = new Uint32Array(length + 1);
  const lines = new Lines(functions, budget, region.count);
  const folded: number[] = [];
  r.pos = region.start;
  for (let row = 1; row < length; row++) {
    r.end = nextMessage(r, region);
    lineStart[row] = lines.length;
    let idLo = 0;
    let idHi = 0;
    let isFolded = false;
    while (r.pos < r.end) {
      switch (r.bytes[r.pos]) {
        case Tag.varint1:
          r.pos++;
          varint(r);
          idLo = r.lo;
          idHi = r.hi;
          break;
        case Tag.varint2:
          r.pos++;
          varint(r);
          mapping[row] = (r.lo | r.hi) === 0 ? 0 : mappings.get(r, r.lo, r.hi);
          break;
        case Tag.varint3:
          r.pos++;
          varint(r);
          addressHalves[row * 2] = r.lo;
          addressHalves[row * 2 + 1] = r.hi;
          break;
        case Tag.len4:
          r.pos++;
          lines.read(r);
          break;
        case Tag.varint5:
          r.pos++;
          varint(r);
          isFolded = (r.lo | r.hi) !== 0;
          break;
        default:
          skipUnknown(r, 5);
      }
    }
    ids.add(r, idLo, idHi, row);
    if (isFolded) {
      budget.charge(r, 16);
      folded.push(row);
    }
  }
  lineStart[length] = lines.length;
  const attributes = foldedAttributes(context, length, folded);
  return { ids, table: { length, mapping, address, attributes, lineStart, ...lines.build() } };
}

function foldedAttributes(
  { r, strings, attributes }: TableContext,
  length: number,
  folded: readonly number[],
): IndexLists {
  if (folded.length === 0) return emptyLists(length);
  const isFolded = attributes.of(r, strings.own(PPROF.isFolded), boolValue(true));
  const start = new Uint32Array(length + 1);
  for (const row of folded) start[row + 1] = 1;
  for (let i = 1; i <= length; i++) start[i] = (start[i] as number) + (start[i - 1] as number);
  return { start, values: new Int32Array(folded.length).fill(isFolded) };
}

/** Of one line in its columns. */
const LINE_BYTES = 4 + 8 + 8;

/** Lines of all locations. */
class Lines {
  readonly #functions: IdTable;
  readonly #budget: MemoryBudget;
  #function: Int32Array<ArrayBuffer>;
  /** Halves of line and column; most files have no columns. */
  #line: Int32Array<ArrayBuffer>;
  #column: Int32Array<ArrayBuffer> | undefined;
  length = 0;

  constructor(functions: IdTable, budget: MemoryBudget, expected: number) {
    this.#functions = functions;
    this.#budget = budget;
    this.#function = new Int32Array(expected);
    this.#line = new Int32Array(expected * 2);
  }

  read(r: WireReader): void {
    const outer = r.end;
    const n = r.length();
    r.end = r.pos + n;
    let idLo = 0;
    let idHi = 0;
    let lineLo = 0;
    let lineHi = 0;
    let columnLo = 0;
    let columnHi = 0;
    while (r.pos < r.end) {
      switch (r.bytes[r.pos]) {
        case Tag.varint1:
          r.pos++;
          varint(r);
          idLo = r.lo;
          idHi = r.hi;
          break;
        case Tag.varint2:
          r.pos++;
          varint(r);
          lineLo = r.lo;
          lineHi = r.hi;
          break;
        case Tag.varint3:
          r.pos++;
          varint(r);
          columnLo = r.lo;
          columnHi = r.hi;
          break;
        default:
          skipUnknown(r, 3);
      }
    }
    if (this.length === this.#function.length) this.#grow(r);
    const row = this.length++;
    this.#function[row] = this.#functions.get(r, idLo, idHi);
    this.#line[row * 2] = lineLo;
    this.#line[row * 2 + 1] = lineHi;
    if ((columnLo | columnHi) !== 0) {
      this.#column ??= new Int32Array(this.#line.length);
      this.#column[row * 2] = columnLo;
      this.#column[row * 2 + 1] = columnHi;
    }
    r.end = outer;
  }

  #grow(r: WireReader): void {
    const capacity = Math.max(64, this.length + (this.length >> 1));
    this.#budget.charge(r, capacity * LINE_BYTES);
    this.#function = resized(this.#function, capacity);
    this.#line = resized(this.#line, capacity * 2);
    if (this.#column !== undefined) this.#column = resized(this.#column, capacity * 2);
  }

  build(): Pick<LocationTable, 'lineFunction' | 'lineLine' | 'lineColumn'> {
    const n = this.length;
    const column = this.#column;
    return {
      lineFunction: this.#function.slice(0, n),
      lineLine: new BigInt64Array(this.#line.slice(0, n * 2).buffer),
      lineColumn: column === undefined ? zerosInt64(n) : new BigInt64Array(column.slice(0, n * 2).buffer),
    };
  }
}

function resized(from: Int32Array, length: number): Int32Array<ArrayBuffer> {
  const to = new Int32Array(length);
  to.set(from);
  return to;
}
