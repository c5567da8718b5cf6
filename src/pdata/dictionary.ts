// SPDX-License-Identifier: Apache-2.0
import { WireReader } from '../internal/wire-reader.ts';
import { type AnyValue, readAnyValue } from './any-value.ts';
import type {
  AttributeTable,
  FunctionTable,
  LinkTable,
  LocationTable,
  MappingTable,
  StackTable,
  StringTable,
} from './tables.ts';

/** The seven tables that the profiles of one batch reference. */
export interface DictionaryTables {
  readonly strings: StringTable;
  readonly functions: FunctionTable;
  readonly mappings: MappingTable;
  readonly locations: LocationTable;
  readonly stacks: StackTable;
  readonly links: LinkTable;
  readonly attributes: AttributeTable;
}

const NOTHING: Uint8Array = new Uint8Array(0);
const utf8 = new TextDecoder('utf-8', { ignoreBOM: true });

/** Immutable. Text and attribute values are decoded on first use and kept. */
export class Dictionary {
  readonly tables: DictionaryTables;
  /** Fields of the dictionary message that this version does not know, as they came. */
  readonly unknown: Uint8Array;
  readonly #text: (string | undefined)[] = [];
  readonly #values: (AnyValue | undefined)[] = [];

  constructor(tables: DictionaryTables, unknown: Uint8Array = NOTHING) {
    this.tables = tables;
    this.unknown = unknown;
  }

  /** Text of a string row. Throws RangeError where there is no such row. */
  text(row: number): string {
    const known = this.#text[row];
    if (known !== undefined) return known;
    const { bytes, start, end, length } = this.tables.strings;
    if (!(row >= 0 && row < length))
      throw new RangeError(`string index ${row} is out of range [0..${length})`);
    const text = utf8.decode(bytes.subarray(start[row], end[row]));
    this.#text[row] = text;
    return text;
  }

  /** UTF-8 of a string row as a view. */
  utf8(row: number): Uint8Array {
    const { bytes, start, end } = this.tables.strings;
    return bytes.subarray(start[row], end[row]);
  }

  attributeKey(row: number): string {
    return this.text(this.tables.attributes.key[row] ?? -1);
  }

  /** Value of an attribute row, string references resolved. */
  attributeValue(row: number): AnyValue {
    const known = this.#values[row];
    if (known !== undefined) return known;
    const { bytes, start, end, length } = this.tables.attributes;
    if (!(row >= 0 && row < length))
      throw new RangeError(`attribute index ${row} is out of range [0..${length})`);
    const reader = new WireReader(bytes, 'attribute value', start[row], end[row]);
    const value = readAnyValue(reader, (i) => this.text(i));
    this.#values[row] = value;
    return value;
  }
}
