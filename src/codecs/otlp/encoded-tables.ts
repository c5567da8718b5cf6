// SPDX-License-Identifier: Apache-2.0
import { DictionaryFact as Fact, type OtlpFunctions } from '../../native/otlp-functions.ts';
import { zerosInt64, zerosUint32 } from '../../pdata/constant-columns.ts';
import type { DictionaryTables } from '../../pdata/dictionary.ts';
import type {
  AttributeTable,
  EncodedForm,
  FunctionTable,
  IndexLists,
  LinkTable,
  LocationTable,
  MappingTable,
  StackTable,
  StringTable,
} from '../../pdata/tables.ts';
import { WireReader } from '../../internal/wire-reader.ts';
import { FORMAT, Ranges } from './fields.ts';
import { Form } from './revision.ts';
import { TableField } from './scan-dictionary.ts';

/** Rows of one table in the bytes of a request that a scan accepted. */
interface Source {
  readonly bytes: Uint8Array;
  readonly from: number;
  readonly to: number;
  readonly facts: Uint32Array;
  readonly functions: OtlpFunctions;
}

/** Columns are made from the source on first use; then the source is forgotten. */
abstract class Encoded<Columns> {
  readonly length: number;
  readonly encoded: EncodedForm;
  #source: Source | undefined;
  #columns: Columns | undefined;

  constructor(source: Source, length: number, encoded: EncodedForm) {
    this.#source = source;
    this.length = length;
    this.encoded = encoded;
  }

  protected abstract make(source: Source): Columns;

  protected get columns(): Columns {
    if (this.#source !== undefined) {
      this.#columns = this.make(this.#source);
      this.#source = undefined;
    }
    return this.#columns as Columns;
  }
}

/** The bytes of a batch must not change; a fill that does not fit says that they did. */
export function mustFit(fits: boolean): void {
  if (!fits) throw new Error('the bytes of a decoded request were changed');
}

const fact = ({ facts }: Source, place: number): number => facts[place] ?? 0;

function startColumn(entries: number, rows: number): Uint32Array {
  return entries === 0 ? zerosUint32(rows + 1) : new Uint32Array(rows + 1);
}

/** The column, or an empty one for a fill to pass over where it is a constant. */
function unlessConstant(column: Uint32Array, entries: number): Uint32Array {
  return entries === 0 ? new Uint32Array(0) : column;
}

function column64(isNeeded: boolean, rows: number): BigInt64Array {
  return new BigInt64Array(isNeeded ? rows : 0);
}

class EncodedStrings extends Encoded<{ start: Uint32Array; end: Uint32Array }> implements StringTable {
  readonly bytes: Uint8Array;

  constructor(source: Source, length: number, encoded: EncodedForm) {
    super(source, length, encoded);
    this.bytes = source.bytes;
  }

  get start(): Uint32Array {
    return this.columns.start;
  }
  get end(): Uint32Array {
    return this.columns.end;
  }

  protected make({ bytes, from, to, functions }: Source): { start: Uint32Array; end: Uint32Array } {
    const [start, end] = [new Uint32Array(this.length), new Uint32Array(this.length)];
    mustFit(functions.fillStrings(bytes, from, to, start, end));
    return { start, end };
  }
}

class EncodedFunctions extends Encoded<FunctionTable> implements FunctionTable {
  get name(): Int32Array {
    return this.columns.name;
  }
  get systemName(): Int32Array {
    return this.columns.systemName;
  }
  get filename(): Int32Array {
    return this.columns.filename;
  }
  get startLine(): BigInt64Array {
    return this.columns.startLine;
  }

  protected make(source: Source): FunctionTable {
    const { bytes, from, to, functions } = source;
    const { length } = this;
    const [name, systemName, filename] = [
      new Int32Array(length),
      new Int32Array(length),
      new Int32Array(length),
    ];
    const lines = column64(fact(source, Fact.startLines) !== 0, length);
    mustFit(functions.fillFunctions(bytes, from, to, name, systemName, filename, lines));
    const startLine = lines.length === 0 ? zerosInt64(length) : lines;
    return { length, name, systemName, filename, startLine };
  }
}

class EncodedMappings extends Encoded<MappingTable> implements MappingTable {
  get memoryStart(): BigUint64Array {
    return this.columns.memoryStart;
  }
  get memoryLimit(): BigUint64Array {
    return this.columns.memoryLimit;
  }
  get fileOffset(): BigUint64Array {
    return this.columns.fileOffset;
  }
  get filename(): Int32Array {
    return this.columns.filename;
  }
  get attributes(): IndexLists {
    return this.columns.attributes;
  }

  protected make(source: Source): MappingTable {
    const { bytes, from, to, functions } = source;
    const { length } = this;
    const entries = fact(source, Fact.mappingAttributes);
    const columns = {
      length,
      memoryStart: new BigUint64Array(length),
      memoryLimit: new BigUint64Array(length),
      fileOffset: new BigUint64Array(length),
      filename: new Int32Array(length),
      attributes: { start: startColumn(entries, length), values: new Int32Array(entries) },
    };
    mustFit(
      functions.fillMappings(
        bytes,
        from,
        to,
        columns.memoryStart,
        columns.memoryLimit,
        columns.fileOffset,
        columns.filename,
        unlessConstant(columns.attributes.start, entries),
        columns.attributes.values,
      ),
    );
    return columns;
  }
}

class EncodedLocations extends Encoded<LocationTable> implements LocationTable {
  get mapping(): Int32Array {
    return this.columns.mapping;
  }
  get address(): BigUint64Array {
    return this.columns.address;
  }
  get attributes(): IndexLists {
    return this.columns.attributes;
  }
  get lineStart(): Uint32Array {
    return this.columns.lineStart;
  }
  get lineFunction(): Int32Array {
    return this.columns.lineFunction;
  }
  get lineLine(): BigInt64Array {
    return this.columns.lineLine;
  }
  get lineColumn(): BigInt64Array {
    return this.columns.lineColumn;
  }

  protected make(source: Source): LocationTable {
    const { bytes, from, to, functions } = source;
    const { length } = this;
    const entries = fact(source, Fact.locationAttributes);
    const lines = fact(source, Fact.lines);
    const lineLine = column64(fact(source, Fact.lineNumbers) !== 0, lines);
    const lineColumn = column64(fact(source, Fact.columns) !== 0, lines);
    const columns = {
      length,
      mapping: new Int32Array(length),
      address: new BigUint64Array(length),
      attributes: { start: startColumn(entries, length), values: new Int32Array(entries) },
      lineStart: startColumn(lines, length),
      lineFunction: new Int32Array(lines),
      lineLine: lineLine.length === 0 ? zerosInt64(lines) : lineLine,
      lineColumn: lineColumn.length === 0 ? zerosInt64(lines) : lineColumn,
    };
    mustFit(
      functions.fillLocations(
        bytes,
        from,
        to,
        columns.mapping,
        columns.address,
        unlessConstant(columns.attributes.start, entries),
        columns.attributes.values,
        unlessConstant(columns.lineStart, lines),
        columns.lineFunction,
        lineLine,
        lineColumn,
      ),
    );
    return columns;
  }
}

class EncodedStacks extends Encoded<IndexLists> implements StackTable {
  get locations(): IndexLists {
    return this.columns;
  }

  protected make(source: Source): IndexLists {
    const { bytes, from, to, functions } = source;
    const start = new Uint32Array(this.length + 1);
    const values = new Int32Array(fact(source, Fact.frames));
    mustFit(functions.fillStacks(bytes, from, to, start, values));
    return { start, values };
  }
}

class EncodedLinks extends Encoded<LinkTable> implements LinkTable {
  get traceIds(): Uint8Array {
    return this.columns.traceIds;
  }
  get spanIds(): Uint8Array {
    return this.columns.spanIds;
  }

  protected make({ bytes, from, to, functions }: Source): LinkTable {
    const { length } = this;
    const [traceIds, spanIds] = [new Uint8Array(length * 16), new Uint8Array(length * 8)];
    mustFit(functions.fillLinks(bytes, from, to, traceIds, spanIds));
    return { length, traceIds, spanIds };
  }
}

class EncodedAttributes extends Encoded<AttributeTable> implements AttributeTable {
  readonly bytes: Uint8Array;

  constructor(source: Source, length: number, encoded: EncodedForm) {
    super(source, length, encoded);
    this.bytes = source.bytes;
  }

  get key(): Int32Array {
    return this.columns.key;
  }
  get unit(): Int32Array {
    return this.columns.unit;
  }
  get start(): Uint32Array {
    return this.columns.start;
  }
  get end(): Uint32Array {
    return this.columns.end;
  }

  protected make({ bytes, from, to, functions }: Source): AttributeTable {
    const { length } = this;
    const columns = {
      length,
      bytes,
      key: new Int32Array(length),
      unit: new Int32Array(length),
      start: new Uint32Array(length),
      end: new Uint32Array(length),
    };
    mustFit(functions.fillAttributes(bytes, from, to, columns.key, columns.unit, columns.start, columns.end));
    return columns;
  }
}

/** The field of an empty row, and of a link's: some readers want 16 and 8 bytes always (profiles.proto, link_table). */
function zeroRow(field: number): Uint8Array {
  const tag = (field << 3) | 2;
  if (field !== TableField.links) return Uint8Array.of(tag, 0);
  const ids = [0x0a, 16, ...Array<number>(16).fill(0), 0x12, 8, ...Array<number>(8).fill(0)];
  return Uint8Array.of(tag, ids.length, ...ids);
}

/** The rows of one table where something else stands between them. */
function rowsApart(bytes: Uint8Array, from: number, to: number, field: number): Uint8Array {
  const r = new WireReader(bytes, FORMAT, from, to);
  const rows = new Ranges(bytes);
  for (let at = from; r.next(); at = r.pos) {
    const isRow = r.field === field;
    r.skip();
    if (isRow) rows.add(at, r.pos);
  }
  return rows.join();
}

/**
 * The tables of a dictionary in `bytes`, whose message `scanDictionary` accepted and described in `facts`. An
 * absent table has its zero row.
 */
export function encodedTables(
  bytes: Uint8Array,
  facts: Uint32Array,
  functions: OtlpFunctions,
): DictionaryTables {
  const of = (field: number): [Source, number, EncodedForm] => {
    const rows = facts[Fact.rows + field] ?? 0;
    const refers = field === TableField.attributes && facts[Fact.refers] !== 0;
    const form = refers ? Form.references : Form.any;
    if (rows === 0) {
      const row = zeroRow(field);
      return [{ bytes: row, from: 0, to: row.length, facts, functions }, 1, { form, bytes: row }];
    }
    const from = facts[Fact.first + field] ?? 0;
    const to = facts[Fact.last + field] ?? 0;
    const encoded =
      facts[Fact.apart + field] === 0 ? bytes.subarray(from, to) : rowsApart(bytes, from, to, field);
    return [{ bytes, from, to, facts, functions }, rows, { form, bytes: encoded }];
  };
  return {
    strings: new EncodedStrings(...of(TableField.strings)),
    functions: new EncodedFunctions(...of(TableField.functions)),
    mappings: new EncodedMappings(...of(TableField.mappings)),
    locations: new EncodedLocations(...of(TableField.locations)),
    stacks: new EncodedStacks(...of(TableField.stacks)),
    links: new EncodedLinks(...of(TableField.links)),
    attributes: new EncodedAttributes(...of(TableField.attributes)),
  };
}
