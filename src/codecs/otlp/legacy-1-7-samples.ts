// SPDX-License-Identifier: Apache-2.0
import { Wire, type WireReader } from '../../internal/wire-reader.ts';
import { BigColumn } from '../../pdata/columns.ts';
import type { DictionaryBuilder } from '../../pdata/dictionary-builder.ts';
import { SamplesBuilder } from '../../pdata/samples.ts';
import type { Samples } from '../../pdata/tables.ts';
import type { MemoryBudget } from './budget.ts';
import { eachMessage, readRow } from './fields.ts';
import { Int32List } from '../int32-list.ts';
import { Int64List } from './int64-list.ts';
import type { Rows17 } from './legacy-1-7-dictionary.ts';
import { readNumbers, readRows } from './legacy-1-7-fields.ts';

/** Estimated heap bytes of a sample, of a value or timestamp, and of a stack, without what they list. */
const SAMPLE_COST = 32;
const NUMBER_COST = 16;
const STACK_COST = 40;

/** Reads the samples of 1.7 profiles. */
export class SampleReader17 {
  readonly #rows: Rows17;
  readonly #builder: DictionaryBuilder;
  readonly #budget: MemoryBudget;
  readonly #attributes = new Int32List();
  readonly #values = new Int64List();
  readonly #timestamps = new Int64List();

  constructor(rows: Rows17, builder: DictionaryBuilder, budget: MemoryBudget) {
    this.#rows = rows;
    this.#builder = builder;
    this.#budget = budget;
  }

  none(): Samples {
    return new SamplesBuilder().build();
  }

  /**
   * The samples (field 2) of the profile between `pos` and `end`, once a sample type: a sample of 1.7 has a
   * value for each. `locations` are the profile's location_indices. All share every column but the values.
   */
  read(r: WireReader, locations: Int32Array, types: number): Samples[] {
    const stacks = new Stacks(locations, this.#rows, this.#builder, this.#budget);
    const first = new SamplesBuilder();
    const more = Array.from({ length: Math.max(types - 1, 0) }, () => new BigColumn(8));
    eachMessage(
      r,
      2,
      () => false,
      () => this.#readSample(r, stacks, types, first, more),
    );
    const samples = first.build();
    return [samples, ...more.map((column) => ({ ...samples, values: column.finishSigned() }))];
  }

  #readSample(
    r: WireReader,
    stacks: Stacks,
    types: number,
    first: SamplesBuilder,
    more: readonly BigColumn[],
  ): void {
    const at = r.pos;
    const sizeBytes = r.end - r.pos;
    this.#budget.charge(r, SAMPLE_COST + sizeBytes);
    let start = 0;
    let length = 0;
    let link = 0;
    while (r.next()) {
      if (r.field === 1) start = index(r);
      else if (r.field === 2) length = index(r);
      else if (r.field === 3) readNumbers(r, this.#values);
      else if (r.field === 4) readRows(r, this.#attributes, this.#rows.attributes.length, 'attribute index');
      else if (r.field === 5) link = this.#rows.links[readRow(r, this.#rows.links.length, 'link index')] ?? 0;
      else if (r.field === 6) readNumbers(r, this.#timestamps);
      else r.skip();
    }
    const values = new BigInt64Array(this.#values.take().buffer);
    const timestamps = this.#timestamps.take();
    const attributes = this.#attributes.take().map((i) => this.#rows.attributes[i] ?? 0);
    this.#budget.charge(r, NUMBER_COST * (timestamps.length + types * Math.max(timestamps.length, 1)));
    const byType = valuesByType(values, timestamps.length, types);
    if (byType === undefined) {
      const want = types === 0 ? 'timestamps alone' : `${types} values`;
      r.fail(`sample with ${values.length} values and ${timestamps.length} timestamps: want ${want}`, at);
    }
    first.add(stacks.row(r, start, length, at), link, attributes, byType[0] ?? [], timestamps);
    more.forEach((column, i) => {
      for (const value of byType[i + 1] ?? []) column.push(BigInt.asUintN(64, value));
    });
  }
}

/**
 * The values that each type has in today's shapes, undefined where the sample had none that can be read.
 *
 * 1.7 asked for one value a type, the sum over all timestamps. The eBPF profiler of that time wrote a single
 * 1, or the value of each timestamp. So of one type: none, a 1 or the number of timestamps mean that each
 * timestamp counts one; as many as timestamps are one for each. Any other sum is dealt out evenly, the
 * remainder on the first timestamp, so that sum and timestamps both stay.
 */
function valuesByType(
  values: BigInt64Array,
  timestamps: number,
  types: number,
): readonly (readonly bigint[])[] | undefined {
  if (types <= 1 && timestamps > 0) {
    if (values.length === 0) return [[]];
    if (types === 1 && values.length === timestamps) return [[...values]];
    const [sum] = values;
    if (types === 1 && values.length === 1 && (sum === 1n || sum === BigInt(timestamps))) return [[]];
  }
  if (types === 0 || values.length !== types) return undefined;
  return Array.from(values, (sum) => dealt(sum, Math.max(timestamps, 1)));
}

function dealt(sum: bigint, count: number): bigint[] {
  const share = sum / BigInt(count);
  const shares = new Array<bigint>(count).fill(share);
  shares[0] = sum - share * BigInt(count - 1);
  return shares;
}

function index(r: WireReader): number {
  r.expect(Wire.Varint);
  return r.index();
}

/** Stacks by their range of the profile's location_indices. */
class Stacks {
  readonly #locations: Int32Array;
  readonly #rows: Rows17;
  readonly #builder: DictionaryBuilder;
  readonly #budget: MemoryBudget;
  /** Ranges may overlap and repeat: each is made once, and charged, so that they cannot multiply. */
  readonly #known = new Map<number, number>();

  constructor(locations: Int32Array, rows: Rows17, builder: DictionaryBuilder, budget: MemoryBudget) {
    this.#locations = locations;
    this.#rows = rows;
    this.#builder = builder;
    this.#budget = budget;
  }

  row(r: WireReader, start: number, length: number, at: number): number {
    if (length === 0) return 0;
    const count = this.#locations.length;
    if (start + length > count)
      r.fail(`locations [${start}..${start + length}) of a sample are out of range [0..${count})`, at);
    const key = start * (count + 1) + length;
    const known = this.#known.get(key);
    if (known !== undefined) return known;
    this.#budget.charge(r, STACK_COST + 4 * length);
    const { locations } = this.#rows;
    const row = this.#builder.stack(
      this.#locations.subarray(start, start + length).map((i) => locations[i] ?? 0),
    );
    this.#known.set(key, row);
    return row;
  }
}
