// SPDX-License-Identifier: Apache-2.0
import { Wire, type WireReader } from '../../internal/wire-reader.ts';
import { Dictionary } from '../../pdata/dictionary.ts';
import type { MemoryBudget } from './budget.ts';
import {
  AttributeReader,
  FunctionReader,
  LinkReader,
  LocationReader,
  MappingReader,
  StackReader,
  StringReader,
  type TableSizes,
} from './decode-tables.ts';
import { enter } from './fields.ts';
import { formOf } from './revision.ts';

/** Field numbers of the tables in ProfilesDictionary. */
export const TableField = {
  mappings: 1,
  locations: 2,
  functions: 3,
  links: 4,
  strings: 5,
  attributes: 6,
  stacks: 7,
} as const;

/** Bytes of columns that one row takes, without its lists. */
const ROW_COST = [0, 32, 20, 20, 24, 8, 16, 4];

export interface DecodedDictionary {
  readonly dictionary: Dictionary;
  readonly sizes: TableSizes;
  /** Attribute values refer to the string table, which only OTLP 1.10 can say. */
  readonly refers: boolean;
}

/**
 * Reads a ProfilesDictionary message into columns and checks every index of it. An empty table gets
 * its zero row, in the columns and in the encoded form.
 */
export function decodeDictionary(r: WireReader, budget: MemoryBudget): DecodedDictionary {
  const from = r.pos;
  const { rows: counts, stackBytes } = countRows(r, budget);
  r.pos = from;
  const size = (field: number): number => Math.max(counts[field] ?? 0, 1);
  const sizes: TableSizes = {
    mappings: size(TableField.mappings),
    locations: size(TableField.locations),
    functions: size(TableField.functions),
    links: size(TableField.links),
    strings: size(TableField.strings),
    attributes: size(TableField.attributes),
    stacks: size(TableField.stacks),
    // A row index takes two bytes in a table of usual size.
    expectedFrames: stackBytes >>> 1,
  };
  const mappings = new MappingReader(sizes);
  const locations = new LocationReader(sizes);
  const functions = new FunctionReader(sizes);
  const links = new LinkReader(sizes);
  const strings = new StringReader(sizes, r.bytes);
  const attributes = new AttributeReader(sizes, r.bytes);
  const stacks = new StackReader(sizes);
  const readers = [undefined, mappings, locations, functions, links, undefined, attributes, stacks];
  while (r.next()) {
    if (r.field === TableField.strings) {
      strings.read(r);
      continue;
    }
    const reader = readers[r.field];
    if (reader === undefined) {
      r.skip();
      continue;
    }
    const outer = enter(r);
    reader.read(r);
    r.end = outer;
  }
  const tables = {
    strings: strings.finish(),
    functions: functions.finish(),
    mappings: mappings.finish(),
    locations: locations.finish(),
    stacks: stacks.finish(),
    links: links.finish(),
    attributes: attributes.finish(),
  };
  const bytes = withZeroRows(r.bytes.subarray(from, r.end), counts);
  const form = formOf(attributes.refers ? '1.10' : '1.9');
  return { dictionary: new Dictionary(tables, { form, bytes }), sizes, refers: attributes.refers };
}

interface Counts {
  /** Rows by field number of the table. */
  readonly rows: Int32Array;
  readonly stackBytes: number;
}

function countRows(r: WireReader, budget: MemoryBudget): Counts {
  const rows = new Int32Array(8);
  let stackBytes = 0;
  while (r.next()) {
    const { field } = r;
    if (field > 7) {
      r.skip();
      continue;
    }
    r.expect(Wire.Len);
    const n = r.length();
    r.pos += n;
    rows[field] = (rows[field] as number) + 1;
    if (field === TableField.stacks) stackBytes += n;
  }
  rows.forEach((count, field) => budget.charge(r, count * (ROW_COST[field] ?? 0)));
  return { rows, stackBytes };
}

function withZeroRows(bytes: Uint8Array, counts: Int32Array): Uint8Array {
  const missing: number[] = [];
  for (const field of Object.values(TableField)) {
    if (counts[field] !== 0) continue;
    // A link's zero row is spelt out, for codecs that want 16 and 8 bytes always (profiles.proto, link_table).
    if (field === TableField.links)
      missing.push(
        (field << 3) | 2,
        28,
        0x0a,
        16,
        ...Array<number>(16).fill(0),
        0x12,
        8,
        ...Array<number>(8).fill(0),
      );
    else missing.push((field << 3) | 2, 0);
  }
  return missing.length === 0 ? bytes : new Uint8Array(Buffer.concat([bytes, Uint8Array.from(missing)]));
}
