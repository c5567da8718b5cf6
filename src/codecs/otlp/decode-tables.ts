// SPDX-License-Identifier: Apache-2.0
import { Wire, type WireReader } from '../../internal/wire-reader.ts';
import type {
  AttributeTable,
  FunctionTable,
  IndexLists,
  LinkTable,
  LocationTable,
  MappingTable,
  StackTable,
  StringTable,
} from '../../pdata/tables.ts';
import { checkAnyValue, checkUtf8, enter, readId, readRow, readRows, readVarint64 } from './fields.ts';
import { Int32List, Int64Column, Int64List } from './growing.ts';

/** Rows of each table; an empty table counts as one, its zero row. */
export interface TableSizes {
  readonly mappings: number;
  readonly locations: number;
  readonly functions: number;
  readonly links: number;
  readonly strings: number;
  readonly attributes: number;
  readonly stacks: number;
  /** Location rows that all stacks together are expected to list. */
  readonly expectedFrames: number;
}

/** Fills the columns of one table: `read` takes the next row between the reader's `pos` and `end`. */
interface TableReader<T> {
  read(r: WireReader): void;
  finish(): T;
}

/** Lists of row indices under construction, one a row of the table. */
class Lists {
  readonly list: Int32List;
  readonly #start: Uint32Array;

  constructor(rows: number, capacity = rows) {
    this.list = new Int32List(Math.max(capacity, 16));
    this.#start = new Uint32Array(rows + 1);
  }

  close(row: number): void {
    this.#start[row + 1] = this.list.length;
  }

  finish(): IndexLists {
    return { start: this.#start, values: this.list.finish() };
  }
}

export class StringReader implements TableReader<StringTable> {
  readonly #bytes: Uint8Array;
  readonly #start: Uint32Array;
  readonly #end: Uint32Array;
  #row = 0;

  constructor(sizes: TableSizes, bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#start = new Uint32Array(sizes.strings);
    this.#end = new Uint32Array(sizes.strings);
  }

  /** Unlike the others, stands before the length: a string has no fields. */
  read(r: WireReader): void {
    const before = r.pos;
    checkUtf8(r);
    let start = before + 1;
    while ((r.bytes[start - 1] as number) >= 0x80) start++;
    this.#start[this.#row] = start;
    this.#end[this.#row++] = r.pos;
  }

  finish(): StringTable {
    return { length: this.#start.length, bytes: this.#bytes, start: this.#start, end: this.#end };
  }
}

export class FunctionReader implements TableReader<FunctionTable> {
  readonly #sizes: TableSizes;
  readonly #name: Int32Array;
  readonly #systemName: Int32Array;
  readonly #filename: Int32Array;
  readonly #startLine: Int64Column;
  #row = 0;

  constructor(sizes: TableSizes) {
    this.#sizes = sizes;
    this.#name = new Int32Array(sizes.functions);
    this.#systemName = new Int32Array(sizes.functions);
    this.#filename = new Int32Array(sizes.functions);
    this.#startLine = new Int64Column(sizes.functions);
  }

  read(r: WireReader): void {
    const row = this.#row++;
    const { strings } = this.#sizes;
    while (r.next()) {
      switch (r.field) {
        case 1:
          this.#name[row] = readRow(r, strings, 'string index');
          break;
        case 2:
          this.#systemName[row] = readRow(r, strings, 'string index');
          break;
        case 3:
          this.#filename[row] = readRow(r, strings, 'string index');
          break;
        case 4:
          readVarint64(r);
          this.#startLine.set(row, r);
          break;
        default:
          r.skip();
      }
    }
  }

  finish(): FunctionTable {
    return {
      length: this.#name.length,
      name: this.#name,
      systemName: this.#systemName,
      filename: this.#filename,
      startLine: this.#startLine.signed,
    };
  }
}

export class MappingReader implements TableReader<MappingTable> {
  readonly #sizes: TableSizes;
  readonly #memoryStart: Int64Column;
  readonly #memoryLimit: Int64Column;
  readonly #fileOffset: Int64Column;
  readonly #filename: Int32Array;
  readonly #attributes: Lists;
  #row = 0;

  constructor(sizes: TableSizes) {
    this.#sizes = sizes;
    this.#memoryStart = new Int64Column(sizes.mappings);
    this.#memoryLimit = new Int64Column(sizes.mappings);
    this.#fileOffset = new Int64Column(sizes.mappings);
    this.#filename = new Int32Array(sizes.mappings);
    this.#attributes = new Lists(sizes.mappings);
  }

  read(r: WireReader): void {
    const row = this.#row++;
    while (r.next()) {
      switch (r.field) {
        case 1:
          readVarint64(r);
          this.#memoryStart.set(row, r);
          break;
        case 2:
          readVarint64(r);
          this.#memoryLimit.set(row, r);
          break;
        case 3:
          readVarint64(r);
          this.#fileOffset.set(row, r);
          break;
        case 4:
          this.#filename[row] = readRow(r, this.#sizes.strings, 'string index');
          break;
        case 5:
          readRows(r, this.#attributes.list, this.#sizes.attributes, 'attribute index');
          break;
        default:
          r.skip();
      }
    }
    this.#attributes.close(row);
  }

  finish(): MappingTable {
    return {
      length: this.#filename.length,
      memoryStart: this.#memoryStart.unsigned,
      memoryLimit: this.#memoryLimit.unsigned,
      fileOffset: this.#fileOffset.unsigned,
      filename: this.#filename,
      attributes: this.#attributes.finish(),
    };
  }
}

export class LocationReader implements TableReader<LocationTable> {
  readonly #sizes: TableSizes;
  readonly #mapping: Int32Array;
  readonly #address: Int64Column;
  readonly #attributes: Lists;
  readonly #lines: Lists;
  readonly #line = new Int64List();
  readonly #column = new Int64List();
  #row = 0;

  constructor(sizes: TableSizes) {
    this.#sizes = sizes;
    this.#mapping = new Int32Array(sizes.locations);
    this.#address = new Int64Column(sizes.locations);
    this.#attributes = new Lists(sizes.locations);
    this.#lines = new Lists(sizes.locations);
  }

  read(r: WireReader): void {
    const row = this.#row++;
    while (r.next()) {
      switch (r.field) {
        case 1:
          this.#mapping[row] = readRow(r, this.#sizes.mappings, 'mapping index');
          break;
        case 2:
          readVarint64(r);
          this.#address.set(row, r);
          break;
        case 3: {
          const outer = enter(r);
          this.#readLine(r);
          r.end = outer;
          break;
        }
        case 4:
          readRows(r, this.#attributes.list, this.#sizes.attributes, 'attribute index');
          break;
        default:
          r.skip();
      }
    }
    this.#attributes.close(row);
    this.#lines.close(row);
  }

  #readLine(r: WireReader): void {
    let row = 0;
    let lineLo = 0;
    let lineHi = 0;
    let columnLo = 0;
    let columnHi = 0;
    while (r.next()) {
      switch (r.field) {
        case 1:
          row = readRow(r, this.#sizes.functions, 'function index');
          break;
        case 2:
          readVarint64(r);
          lineLo = r.lo;
          lineHi = r.hi;
          break;
        case 3:
          readVarint64(r);
          columnLo = r.lo;
          columnHi = r.hi;
          break;
        default:
          r.skip();
      }
    }
    this.#lines.list.push(row);
    this.#line.push(lineLo, lineHi);
    this.#column.push(columnLo, columnHi);
  }

  finish(): LocationTable {
    const lines = this.#lines.finish();
    return {
      length: this.#mapping.length,
      mapping: this.#mapping,
      address: this.#address.unsigned,
      attributes: this.#attributes.finish(),
      lineStart: lines.start,
      lineFunction: lines.values,
      lineLine: new BigInt64Array(this.#line.take().buffer),
      lineColumn: new BigInt64Array(this.#column.take().buffer),
    };
  }
}

export class StackReader implements TableReader<StackTable> {
  readonly #sizes: TableSizes;
  readonly #locations: Lists;
  #row = 0;

  constructor(sizes: TableSizes) {
    this.#sizes = sizes;
    this.#locations = new Lists(sizes.stacks, sizes.expectedFrames);
  }

  read(r: WireReader): void {
    while (r.next()) {
      if (r.field === 1) readRows(r, this.#locations.list, this.#sizes.locations, 'location index');
      else r.skip();
    }
    this.#locations.close(this.#row++);
  }

  finish(): StackTable {
    return { length: this.#sizes.stacks, locations: this.#locations.finish() };
  }
}

export class LinkReader implements TableReader<LinkTable> {
  readonly #length: number;
  readonly #traceIds: Uint8Array;
  readonly #spanIds: Uint8Array;
  #row = 0;

  constructor(sizes: TableSizes) {
    this.#length = sizes.links;
    this.#traceIds = new Uint8Array(sizes.links * 16);
    this.#spanIds = new Uint8Array(sizes.links * 8);
  }

  read(r: WireReader): void {
    const row = this.#row++;
    while (r.next()) {
      if (r.field === 1) this.#traceIds.set(readId(r, 16, 'trace id'), row * 16);
      else if (r.field === 2) this.#spanIds.set(readId(r, 8, 'span id'), row * 8);
      else r.skip();
    }
  }

  finish(): LinkTable {
    return { length: this.#length, traceIds: this.#traceIds, spanIds: this.#spanIds };
  }
}

export class AttributeReader implements TableReader<AttributeTable> {
  readonly #sizes: TableSizes;
  readonly #bytes: Uint8Array;
  readonly #key: Int32Array;
  readonly #unit: Int32Array;
  readonly #start: Uint32Array;
  readonly #end: Uint32Array;
  #row = 0;
  /** True once a value refers to the string table (OTLP 1.10). */
  refers = false;

  constructor(sizes: TableSizes, bytes: Uint8Array) {
    this.#sizes = sizes;
    this.#bytes = bytes;
    this.#key = new Int32Array(sizes.attributes);
    this.#unit = new Int32Array(sizes.attributes);
    this.#start = new Uint32Array(sizes.attributes);
    this.#end = new Uint32Array(sizes.attributes);
  }

  read(r: WireReader): void {
    const row = this.#row++;
    const { strings } = this.#sizes;
    while (r.next()) {
      switch (r.field) {
        case 1:
          if (r.wire === Wire.Len)
            r.fail('attribute table of OTLP 1.7 or older; OTLP 1.8 and newer are supported');
          this.#key[row] = readRow(r, strings, 'string index');
          break;
        case 2: {
          const outer = enter(r);
          this.#start[row] = r.pos;
          this.#end[row] = r.end;
          if (checkAnyValue(r, strings)) this.refers = true;
          r.end = outer;
          break;
        }
        case 3:
          this.#unit[row] = readRow(r, strings, 'string index');
          break;
        default:
          r.skip();
      }
    }
  }

  finish(): AttributeTable {
    return {
      length: this.#key.length,
      key: this.#key,
      unit: this.#unit,
      bytes: this.#bytes,
      start: this.#start,
      end: this.#end,
    };
  }
}
