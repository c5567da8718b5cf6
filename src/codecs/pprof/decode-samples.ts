// SPDX-License-Identifier: Apache-2.0
import type { WireReader } from '../../internal/wire-reader.ts';
import { countingUint32, zerosInt32, zerosUint32 } from '../../pdata/constant-columns.ts';
import type { Samples, StackTable } from '../../pdata/tables.ts';
import type { RawLabel } from './attributes.ts';
import { Cost } from './budget.ts';
import type { TableContext } from './decode-tables.ts';
import { Int32List } from '../int32-list.ts';
import type { IdTable } from './ids.ts';
import { repeatedLabels } from './labels.ts';
import { nextMessage, type Region, skipUnknown, Tag, varint } from './scan.ts';
import { mixed, StackRows } from './stacks.ts';

/** Samples of a file: one Samples for each sample type, which share every column but the values. */
export interface DecodedSamples {
  readonly stacks: StackTable;
  readonly samples: readonly Samples[];
}

/** Reads the samples of a file with `types` sample types. */
export function decodeSamples(
  context: TableContext,
  region: Region,
  types: number,
  locations: IdTable,
): DecodedSamples {
  const { r, budget } = context;
  const n = region.count;
  if (types === 0 && n > 0) r.fail('samples without a sample type');
  budget.charge(r, n * (types * 8 + 4 * 4 + 16) + types * Cost.profile);
  const reader = new SampleReader(context, region, types, locations);
  r.pos = region.start;
  for (let i = 0; i < n; i++) {
    const stop = nextMessage(r, region);
    r.end = stop;
    reader.read(i);
  }
  return reader.build();
}

class SampleReader {
  readonly #context: TableContext;
  readonly #r: WireReader;
  readonly #count: number;
  readonly #types: number;
  readonly #locations: IdTable;
  readonly #stacks: StackRows;
  readonly #stack: Int32Array;
  readonly #attributeStart: Uint32Array;
  readonly #attributes: Int32List;
  /** One column for each type, in halves. */
  readonly #values: Uint32Array[];
  /** By string row of a key: the last sample (from 1) that has it. */
  readonly #seen = new Map<number, number>();
  readonly #label: RawLabel = { key: 0, str: 0, lo: 0, hi: 0, unit: 0 };

  constructor(context: TableContext, region: Region, types: number, locations: IdTable) {
    this.#context = context;
    this.#r = context.r;
    this.#count = region.count;
    this.#types = types;
    this.#locations = locations;
    this.#stacks = new StackRows(context.r, region, context.budget);
    this.#stack = new Int32Array(region.count);
    this.#attributeStart = new Uint32Array(region.count + 1);
    this.#attributes = new Int32List(region.count);
    this.#values = Array.from({ length: types }, () => new Uint32Array(region.count * 2));
  }

  /** Reads sample `i` from `r.pos` to `r.end`. */
  read(i: number): void {
    const r = this.#r;
    const from = r.pos;
    let values = 0;
    let isRepeated = false;
    const firstLabel = this.#attributes.length;
    this.#stacks.begin();
    while (r.pos < r.end) {
      const tag = r.bytes[r.pos] as number;
      if (tag === Tag.len1 || tag === Tag.varint1) this.#readIds(tag);
      else if (tag === Tag.len2 || tag === Tag.varint2) values = this.#readValues(tag, i, values);
      else if (tag === Tag.len3) isRepeated = this.#readLabel(i, firstLabel) || isRepeated;
      else skipUnknown(r, 3);
    }
    if (values !== this.#types) {
      r.fail(`sample has ${values} values for ${this.#types} sample types`, from);
    }
    this.#stack[i] = this.#stacks.end();
    if (isRepeated) this.#joinRepeated(firstLabel);
    this.#attributeStart[i + 1] = this.#attributes.length;
  }

  #readIds(tag: number): void {
    const r = this.#r;
    const stacks = this.#stacks;
    r.pos++;
    if (tag === Tag.varint1) {
      varint(r);
      stacks.reserve(r, 1);
      stacks.push(this.#locations.get(r, r.lo, r.hi));
      return;
    }
    const n = r.length();
    const stop = r.pos + n;
    stacks.reserve(r, n);
    this.#readPackedIds(stop);
  }

  /** The hot loop: ids of one to three bytes are read in place, others by the reader. */
  #readPackedIds(stop: number): void {
    const r = this.#r;
    const { bytes } = r;
    const { dense } = this.#locations;
    const stacks = this.#stacks;
    const out = stacks.ids.data;
    let at = stacks.ids.length;
    let { hash } = stacks;
    let { pos } = r;
    while (pos < stop) {
      const first = pos;
      let id = bytes[pos++] as number;
      let last = id;
      if (id >= 0x80) {
        last = bytes[pos++] as number;
        id = (id & 0x7f) | (last << 7);
        if (last >= 0x80) {
          last = bytes[pos++] as number;
          id = (id & 0x3fff) | (last << 14);
        }
      }
      let row = last < 0x80 && pos <= stop && id < dense.length ? (dense[id] as number) : 0;
      if (row === 0) {
        const outer = r.end;
        r.pos = first;
        r.end = stop;
        r.varint64();
        row = this.#locations.get(r, r.lo, r.hi);
        r.end = outer;
        pos = r.pos;
      }
      out[at++] = row;
      hash = mixed(hash, row);
    }
    stacks.ids.length = at;
    stacks.hash = hash;
    r.pos = stop;
  }

  /** Values from number `at` on; returns how many there are now. */
  #readValues(tag: number, i: number, at: number): number {
    const r = this.#r;
    r.pos++;
    if (tag === Tag.varint2) {
      this.#readValue(i, at);
      return at + 1;
    }
    const n = r.length();
    const outer = r.end;
    r.end = r.pos + n;
    let next = at;
    while (r.pos < r.end) this.#readValue(i, next++);
    r.end = outer;
    return next;
  }

  #readValue(i: number, type: number): void {
    const r = this.#r;
    varint(r);
    const column = this.#values[type];
    if (column === undefined) return;
    column[i * 2] = r.lo;
    column[i * 2 + 1] = r.hi;
  }

  /** Adds the label's row to the sample; true where the sample has its key already. */
  #readLabel(i: number, firstLabel: number): boolean {
    const r = this.#r;
    const l = this.#label;
    const { strings, attributes, budget } = this.#context;
    r.pos++;
    const n = r.length();
    const outer = r.end;
    r.end = r.pos + n;
    l.key = 0;
    l.str = 0;
    l.lo = 0;
    l.hi = 0;
    l.unit = 0;
    while (r.pos < r.end) {
      const tag = r.bytes[r.pos++];
      if (tag === Tag.varint1) l.key = strings.index(r);
      else if (tag === Tag.varint2) l.str = strings.index(r);
      else if (tag === Tag.varint3) {
        varint(r);
        l.lo = r.lo;
        l.hi = r.hi;
      } else if (tag === Tag.varint4) l.unit = strings.index(r);
      else {
        r.pos--;
        skipUnknown(r, 4);
      }
    }
    if (l.str !== 0 && (l.lo | l.hi) !== 0) r.fail('label has a text and a number');
    r.end = outer;
    const row = attributes.label(r, l);
    const list = this.#attributes;
    if (list.length === list.data.length) budget.charge(r, list.length * 4);
    list.push(row);
    return this.#isRepeated(i, firstLabel, attributes.keyOf(row));
  }

  /** Few labels are compared with each other; many are looked up, so that time stays linear. */
  #isRepeated(i: number, firstLabel: number, key: number): boolean {
    const { data, length } = this.#attributes;
    const { attributes } = this.#context;
    const last = length - 1;
    if (last - firstLabel < FEW_LABELS) {
      for (let at = firstLabel; at < last; at++)
        if (attributes.keyOf(data[at] as number) === key) return true;
      return false;
    }
    if (last - firstLabel === FEW_LABELS) {
      for (let at = firstLabel; at < last; at++) this.#seen.set(attributes.keyOf(data[at] as number), i + 1);
    }
    if (this.#seen.get(key) === i + 1) return true;
    this.#seen.set(key, i + 1);
    return false;
  }

  #joinRepeated(firstLabel: number): void {
    const list = this.#attributes;
    const rows = list.data.slice(firstLabel, list.length);
    const joined = repeatedLabels(this.#context, rows);
    list.length = firstLabel;
    for (const row of joined) list.push(row);
  }

  build(): DecodedSamples {
    const n = this.#count;
    const shared = {
      length: n,
      stack: this.#stack,
      link: zerosInt32(n),
      attributes: { start: this.#attributeStart, values: this.#attributes.take() },
      valueStart: countingUint32(n + 1),
      timestampStart: zerosUint32(n + 1),
      timestamps: new BigUint64Array(0),
    };
    const samples = this.#values.map((halves) => ({ ...shared, values: new BigInt64Array(halves.buffer) }));
    return { stacks: this.#stacks.build(), samples };
  }
}

const FEW_LABELS = 8;
