// SPDX-License-Identifier: Apache-2.0
import type { DictionaryBuilder } from '../../pdata/dictionary-builder.ts';
import { type Profile, profile, type ResourceProfiles, resource } from '../../pdata/profiles-batch.ts';
import { emptyLists, indexLists, type Samples } from '../../pdata/tables.ts';
import type { CorrelationWriter } from './correlations.ts';
import type { Group, TypeName } from './groups.ts';
import { Tally } from './tally.ts';

/** When a recording was made and how often it sampled. */
export interface Timing {
  readonly timeUnixNano: bigint;
  readonly durationNano: bigint;
  readonly periodNano: bigint;
}

/** The samples of one group of profiles, over all chunks. Those of equal stack and correlation are one. */
export class Series {
  readonly group: Group;
  /** By row of a stack in the dictionary, and of the correlations. */
  readonly #samples = new Tally();

  constructor(group: Group) {
    this.group = group;
  }

  /** Adds samples of a stack: how many, and the sum of their values. */
  add(stack: number, correlation: number, count: number, value: bigint): void {
    const low = Number(value & 0xffff_ffffn);
    this.#samples.add(stack, correlation, count, low, Number(value >> 32n));
  }

  get isEmpty(): boolean {
    return this.#samples.keys.length === 0;
  }

  /** The series under the dictionary that its stacks are in, which gets what it needs besides. */
  build(
    { timeUnixNano, durationNano, periodNano }: Timing,
    builder: DictionaryBuilder,
    tied: CorrelationWriter,
  ): ResourceProfiles {
    const { group } = this;
    const typeOf = ([type, unit]: TypeName): { type: number; unit: number } => ({
      type: builder.string(type),
      unit: builder.string(unit),
    });
    const sums = this.#columns(tied);
    const [first, second] = group.types;
    const common = {
      periodType: typeOf(group.periodType),
      period: group.isTimed ? periodNano : 1n,
      timeUnixNano,
      durationNano,
    };
    const counted = (): Samples => ({ ...sums, values: this.#samples.wholeCounts() });
    const profiles: Profile[] = [
      profile({ ...common, sampleType: typeOf(first), samples: group.isTimed ? sums : counted() }),
    ];
    if (second !== undefined)
      profiles.push(profile({ ...common, sampleType: typeOf(second), samples: sums }));
    const scope = { name: '', version: '', attributes: [], droppedAttributesCount: 0 };
    return { resource: resource([]), schemaUrl: '', scopes: [{ scope, schemaUrl: '', profiles }] };
  }

  #columns(tied: CorrelationWriter): Samples {
    const { keys } = this.#samples;
    const n = keys.length;
    const correlation = keys.hi.subarray(0, n);
    const isTied = correlation.some((row) => row !== 0);
    return {
      length: n,
      stack: keys.lo.slice(0, n),
      link: isTied ? correlation.map((row) => tied(row).link) : new Int32Array(n),
      attributes: isTied ? indexLists(Array.from(correlation, (row) => tied(row).attributes)) : emptyLists(n),
      valueStart: new Uint32Array(n + 1).map((_, i) => i),
      values: this.#samples.sums(),
      timestampStart: new Uint32Array(n + 1),
      timestamps: new BigUint64Array(0),
    };
  }
}
