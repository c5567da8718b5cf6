// SPDX-License-Identifier: Apache-2.0
import { Wire, type WireReader } from '../../internal/wire-reader.ts';
import { type AnyValue, intValue, type KeyValue, readUtf8, stringValue } from '../../pdata/any-value.ts';
import type { DictionaryBuilder } from '../../pdata/dictionary-builder.ts';
import { type Profile, profile, type ValueType, withSamples } from '../../pdata/profiles-batch.ts';
import { PPROF } from '../pprof/names.ts';
import { Cost, type MemoryBudget } from './budget.ts';
import { enter, readId, readRow, readVarint64 } from './fields.ts';
import { Int32List } from '../int32-list.ts';
import { WITHOUT_DICTIONARY } from './legacy-1-7-detect.ts';
import type { Rows17 } from './legacy-1-7-dictionary.ts';
import { readRows } from './legacy-1-7-fields.ts';
import { SampleReader17 } from './legacy-1-7-samples.ts';

/** Estimated heap bytes of one comment. */
const COMMENT_COST = 64;

/** One 1.7 profile in today's model: one profile a sample type, and what their scope is to say of them. */
export interface Profiles17 {
  readonly profiles: readonly Profile[];
  readonly scopeAttributes: readonly KeyValue[];
}

/** A value type and the string index of its name. */
interface NamedType extends ValueType {
  readonly name: number;
}

type Draft = { -readonly [K in keyof Profile]: Profile[K] };

/** Reads Profile messages of one 1.7 request. */
export class ProfileReader17 {
  readonly #rows: Rows17;
  readonly #builder: DictionaryBuilder;
  readonly #budget: MemoryBudget;
  readonly #samples: SampleReader17;
  readonly #locations = new Int32List();
  readonly #comments = new Int32List();
  readonly #attributes = new Int32List();

  constructor(rows: Rows17, builder: DictionaryBuilder, budget: MemoryBudget) {
    this.#rows = rows;
    this.#builder = builder;
    this.#budget = budget;
    this.#samples = new SampleReader17(rows, builder, budget);
  }

  /** The profile between the reader's `pos` and `end`. Unknown fields are dropped: their numbers are 1.7's. */
  read(r: WireReader): Profiles17 {
    if (!this.#rows.found) r.fail(WITHOUT_DICTIONARY);
    this.#budget.charge(r, Cost.profile);
    const from = r.pos;
    const unset = { type: 0, unit: 0 };
    const draft: Draft = profile({ sampleType: unset, periodType: unset, samples: this.#samples.none() });
    const types: NamedType[] = [];
    let defaultType = 0;
    while (r.next()) {
      if (r.field === 1) types.push(this.#valueType(r));
      else if (r.field === 9) {
        r.expect(Wire.Varint);
        defaultType = r.index();
      } else if (!this.#readList(r) && !this.#readField(r, draft)) r.skip();
    }
    if (defaultType >= Math.max(types.length, 1))
      r.fail(`default sample type ${defaultType} is out of range [0..${types.length})`, from);
    draft.attributes = this.#takeAttributes(r);
    r.pos = from;
    const samples = this.#samples.read(r, this.#locations.take(), types.length);
    const profiles = samples.map((s, i) => {
      const { type, unit } = types[i] ?? unset;
      return { ...draft, samples: s, sampleType: { type, unit } };
    });
    return ordered(profiles, defaultType, this.#rows.text(types[defaultType]?.name ?? 0));
  }

  /** False where the field is no list of rows. */
  #readList(r: WireReader): boolean {
    if (r.field === 3) readRows(r, this.#locations, this.#rows.locations.length, 'location index');
    else if (r.field === 8) readRows(r, this.#comments, this.#rows.strings.length, 'string index');
    else if (r.field === 14) readRows(r, this.#attributes, this.#rows.attributes.length, 'attribute index');
    else return false;
    return true;
  }

  /** False where the field is not known. */
  #readField(r: WireReader, p: Draft): boolean {
    switch (r.field) {
      case 4:
        p.timeUnixNano = nanos(r);
        return true;
      case 5:
        p.durationNano = nanos(r);
        return true;
      case 6:
        {
          const { type, unit } = this.#valueType(r);
          p.periodType = { type, unit };
        }
        return true;
      case 7:
        readVarint64(r);
        p.period = r.i64();
        return true;
      case 10:
        p.profileId = readId(r, 16, 'profile id');
        return true;
      case 11:
        r.expect(Wire.Varint);
        p.droppedAttributesCount = r.uint32();
        return true;
      case 12:
        r.expect(Wire.Len);
        p.originalPayloadFormat = readUtf8(r);
        return true;
      case 13:
        r.expect(Wire.Len);
        p.originalPayload = r.view();
        return true;
      default:
        return false;
    }
  }

  /** The aggregation temporality (field 3), which no later revision has, is dropped. */
  #valueType(r: WireReader): NamedType {
    this.#budget.charge(r, Cost.profile);
    const { strings } = this.#rows;
    const type = { type: 0, unit: 0, name: 0 };
    const outer = enter(r);
    while (r.next()) {
      if (r.field === 1) {
        type.name = readRow(r, strings.length, 'string index');
        type.type = strings[type.name] ?? 0;
      } else if (r.field === 2) type.unit = strings[readRow(r, strings.length, 'string index')] ?? 0;
      else r.skip();
    }
    r.end = outer;
    return type;
  }

  #takeAttributes(r: WireReader): Int32Array {
    const rows = this.#attributes.take().map((i) => this.#rows.attributes[i] ?? 0);
    const comments = this.#comments.take();
    if (comments.length === 0) return rows;
    this.#budget.charge(r, comments.length * COMMENT_COST);
    const value = Array.from(comments, (i) => stringValue(this.#rows.text(i)));
    return Int32Array.from([...rows, this.#builder.attributeOf(PPROF.comment, { kind: 'array', value })]);
  }
}

const NOTHING: Uint8Array = new Uint8Array(0);

/**
 * The default type first, as OTLP asks today; the scope keeps the order as for pprof. What must not come
 * twice (the id, the original payload) stays with the first.
 */
function ordered(profiles: readonly Profile[], defaultType: number, defaultName: string): Profiles17 {
  if (profiles.length < 2) return { profiles, scopeAttributes: [] };
  const order = [defaultType, ...[...profiles.keys()].filter((place) => place !== defaultType)];
  const scopeAttributes: KeyValue[] = [{ key: PPROF.defaultSampleType, value: stringValue(defaultName) }];
  if (defaultType !== 0) {
    const value: AnyValue = { kind: 'array', value: order.map(intValue) };
    scopeAttributes.push({ key: PPROF.sampleTypeOrder, value });
  }
  const once = { profileId: NOTHING, originalPayload: NOTHING, originalPayloadFormat: '' };
  return {
    profiles: order.map((place, i) => {
      const p = profiles[place] as Profile;
      return withSamples(p, p.samples, i === 0 ? {} : once);
    }),
    scopeAttributes,
  };
}

/** An int64 that is a time: never negative. */
function nanos(r: WireReader): bigint {
  const at = r.pos;
  readVarint64(r);
  if (r.i64() < 0n) r.fail('negative time', at);
  return r.u64();
}
