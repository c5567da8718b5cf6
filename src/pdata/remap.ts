// SPDX-License-Identifier: Apache-2.0
import { encodeAnyValue } from './any-value.ts';
import { BigColumn, Int32Column } from './columns.ts';
import type { DictionaryBuilder, LineRow } from './dictionary-builder.ts';
import type { Dictionary } from './dictionary.ts';
import type { Profile, ResourceProfiles, ValueType } from './profiles-batch.ts';
import { listAt, type Samples } from './tables.ts';

const UNSEEN = -1;

/**
 * Copies what is referenced from one dictionary into a builder, each row once. Rows that nothing asks
 * for are left behind, so that a split or filtered batch carries only what it needs.
 */
export class Remapper {
  readonly #from: Dictionary;
  readonly #to: DictionaryBuilder;
  readonly #strings: Int32Array;
  readonly #functions: Int32Array;
  readonly #mappings: Int32Array;
  readonly #locations: Int32Array;
  readonly #stacks: Int32Array;
  readonly #links: Int32Array;
  readonly #attributes: Int32Array;

  constructor(from: Dictionary, to: DictionaryBuilder) {
    const rows = (n: number): Int32Array => new Int32Array(n).fill(UNSEEN);
    const t = from.tables;
    this.#from = from;
    this.#to = to;
    this.#strings = rows(t.strings.length);
    this.#functions = rows(t.functions.length);
    this.#mappings = rows(t.mappings.length);
    this.#locations = rows(t.locations.length);
    this.#stacks = rows(t.stacks.length);
    this.#links = rows(t.links.length);
    this.#attributes = rows(t.attributes.length);
  }

  string(row: number): number {
    return once(this.#strings, row, () => this.#to.utf8(this.#from.utf8(row)));
  }

  function(row: number): number {
    const t = this.#from.tables.functions;
    return once(this.#functions, row, () =>
      this.#to.function(
        this.string(t.name[row] ?? 0),
        this.string(t.systemName[row] ?? 0),
        this.string(t.filename[row] ?? 0),
        t.startLine[row] ?? 0n,
      ),
    );
  }

  mapping(row: number): number {
    const t = this.#from.tables.mappings;
    return once(this.#mappings, row, () =>
      this.#to.mapping(
        t.memoryStart[row] ?? 0n,
        t.memoryLimit[row] ?? 0n,
        t.fileOffset[row] ?? 0n,
        this.string(t.filename[row] ?? 0),
        this.attributes(listAt(t.attributes, row)),
      ),
    );
  }

  location(row: number): number {
    const t = this.#from.tables.locations;
    return once(this.#locations, row, () => {
      const lines: LineRow[] = [];
      for (let i = t.lineStart[row] ?? 0; i < (t.lineStart[row + 1] ?? 0); i++) {
        lines.push({
          function: this.function(t.lineFunction[i] ?? 0),
          line: t.lineLine[i] ?? 0n,
          column: t.lineColumn[i] ?? 0n,
        });
      }
      const attributes = this.attributes(listAt(t.attributes, row));
      return this.#to.location(this.mapping(t.mapping[row] ?? 0), t.address[row] ?? 0n, attributes, lines);
    });
  }

  stack(row: number): number {
    return once(this.#stacks, row, () => {
      const locations = listAt(this.#from.tables.stacks.locations, row);
      return this.#to.stack(locations.map((location) => this.location(location)));
    });
  }

  link(row: number): number {
    const t = this.#from.tables.links;
    return once(this.#links, row, () =>
      this.#to.link(t.traceIds.subarray(row * 16, row * 16 + 16), t.spanIds.subarray(row * 8, row * 8 + 8)),
    );
  }

  attribute(row: number): number {
    const t = this.#from.tables.attributes;
    return once(this.#attributes, row, () => {
      const bytes = t.bytes.subarray(t.start[row], t.end[row]);
      const value = mayReference(bytes) ? encodeAnyValue(this.#from.attributeValue(row)) : bytes;
      return this.#to.attribute(this.string(t.key[row] ?? 0), value, this.string(t.unit[row] ?? 0));
    });
  }

  attributes(rows: Int32Array): Int32Array {
    return rows.map((row) => this.attribute(row));
  }

  valueType(type: ValueType): ValueType {
    return { type: this.string(type.type), unit: this.string(type.unit) };
  }

  /** The profile with samples `from .. to` for which `keep` holds. */
  profile(
    p: Profile,
    from = 0,
    to = p.samples.length,
    keep: (sample: number) => boolean = () => true,
  ): Profile {
    return {
      ...p,
      sampleType: this.valueType(p.sampleType),
      periodType: this.valueType(p.periodType),
      attributes: this.attributes(p.attributes),
      samples: this.#samples(p.samples, from, to, keep),
    };
  }

  /** The same resource with its scopes' profiles copied whole; encoded forms are dropped. */
  resourceProfiles(rp: ResourceProfiles): ResourceProfiles {
    const scopes = rp.scopes.map((s) => ({ ...s, profiles: s.profiles.map((p) => this.profile(p)) }));
    return { ...rp, scopes, encodedScopes: undefined };
  }

  #samples(s: Samples, from: number, to: number, keep: (sample: number) => boolean): Samples {
    const out = new SamplesBuilder();
    for (let i = from; i < to; i++) {
      if (!keep(i)) continue;
      out.add(
        this.stack(s.stack[i] ?? 0),
        this.link(s.link[i] ?? 0),
        this.attributes(listAt(s.attributes, i)),
        s.values.subarray(s.valueStart[i], s.valueStart[i + 1]),
        s.timestamps.subarray(s.timestampStart[i], s.timestampStart[i + 1]),
      );
    }
    return out.build();
  }
}

/** Whether an encoded AnyValue can hold a string reference: field 8, or a composite that may nest one. */
function mayReference(bytes: Uint8Array): boolean {
  const tag = bytes[0];
  return tag !== undefined && (tag >>> 3 === 8 || tag >>> 3 === 5 || tag >>> 3 === 6);
}

function once(map: Int32Array, row: number, make: () => number): number {
  const known = map[row] ?? 0;
  if (known !== UNSEEN) return known;
  const made = make();
  map[row] = made;
  return made;
}

/** Collects samples into columns. */
export class SamplesBuilder {
  readonly #stack = new Int32Column();
  readonly #link = new Int32Column();
  readonly #attributeStart = new Int32Column();
  readonly #attributes = new Int32Column();
  readonly #valueStart = new Int32Column();
  readonly #values = new BigColumn();
  readonly #timestampStart = new Int32Column();
  readonly #timestamps = new BigColumn();

  get length(): number {
    return this.#stack.length;
  }

  add(
    stack: number,
    link: number,
    attributes: ArrayLike<number>,
    values: BigInt64Array | readonly bigint[],
    timestamps: BigUint64Array | readonly bigint[],
  ): void {
    this.#stack.push(stack);
    this.#link.push(link);
    this.#attributeStart.push(this.#attributes.length);
    this.#attributes.pushAll(attributes);
    this.#valueStart.push(this.#values.length);
    for (const value of values) this.#values.push(BigInt.asUintN(64, value));
    this.#timestampStart.push(this.#timestamps.length);
    for (const time of timestamps) this.#timestamps.push(time);
  }

  build(): Samples {
    this.#attributeStart.push(this.#attributes.length);
    this.#valueStart.push(this.#values.length);
    this.#timestampStart.push(this.#timestamps.length);
    return {
      length: this.#stack.length,
      stack: this.#stack.finish(),
      link: this.#link.finish(),
      attributes: { start: this.#attributeStart.finishUnsigned(), values: this.#attributes.finish() },
      valueStart: this.#valueStart.finishUnsigned(),
      values: this.#values.finishSigned(),
      timestampStart: this.#timestampStart.finishUnsigned(),
      timestamps: this.#timestamps.finish(),
    };
  }
}
