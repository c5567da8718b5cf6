// SPDX-License-Identifier: Apache-2.0
import { Wire, type WireReader } from '../../internal/wire-reader.ts';
import { readUtf8 } from '../../pdata/any-value.ts';
import { type Profile, profile, type ValueType } from '../../pdata/profiles-batch.ts';
import { emptyLists, type Samples } from '../../pdata/tables.ts';
import { Cost, type MemoryBudget } from './budget.ts';
import type { TableSizes } from './decode-tables.ts';
import { enter, Ranges, readId, readRow, readRows, readVarint64 } from './fields.ts';
import { Int32List, Int64List } from './growing.ts';
import { isShape, type Revision } from './revision.ts';

const UNSET: ValueType = { type: 0, unit: 0 };
const NO_ROWS = new Int32Array(0);
const NO_SAMPLES: Samples = {
  length: 0,
  stack: NO_ROWS,
  link: NO_ROWS,
  attributes: emptyLists(0),
  valueStart: new Uint32Array(1),
  values: new BigInt64Array(0),
  timestampStart: new Uint32Array(1),
  timestamps: new BigUint64Array(0),
};

/** Sample's field numbers that changed in 1.10. */
const NEWER = { attributes: 2, link: 3, values: 4 } as const;
const OLDER = { attributes: 3, link: 4, values: 2 } as const;

type Draft = { -readonly [K in keyof Profile]: Profile[K] };

/** Reads Profile messages of one request; the scratch columns are shared between them. */
export class ProfileReader {
  readonly #sizes: TableSizes;
  readonly #budget: MemoryBudget;
  readonly #is1x8: boolean;
  readonly #fields: typeof NEWER | typeof OLDER;
  readonly #attributes = new Int32List();
  readonly #sampleAttributes = new Int32List();
  readonly #values = new Int64List();
  readonly #timestamps = new Int64List();

  constructor(sizes: TableSizes, revision: Revision, budget: MemoryBudget) {
    this.#sizes = sizes;
    this.#budget = budget;
    this.#is1x8 = revision === '1.8';
    this.#fields = revision === '1.10' ? NEWER : OLDER;
  }

  /** The profile between the reader's `pos` and `end`. */
  read(r: WireReader): Profile {
    this.#budget.charge(r, Cost.profile);
    const from = r.pos;
    const samples = this.#readSamples(r);
    r.pos = from;
    const p: Draft = profile({ sampleType: UNSET, periodType: UNSET, attributes: NO_ROWS, samples });
    const unknown = new Ranges(r.bytes);
    for (let at = r.pos; r.next(); at = r.pos) {
      if (this.#readField(r, p, at)) continue;
      r.skip();
      if (this.#fieldOf(r.field) > 11) unknown.add(at, r.pos);
    }
    if (this.#attributes.length > 0) p.attributes = this.#attributes.take();
    p.unknown = unknown.join();
    return p;
  }

  /** False where the field is to be passed over: samples, which were read before, and unknown ones. */
  #readField(r: WireReader, p: Draft, at: number): boolean {
    switch (this.#fieldOf(r.field)) {
      case 1:
        p.sampleType = this.#readValueType(r, p.sampleType);
        return true;
      case 3:
        if (r.wire === Wire.Len) r.fail('profile of OTLP 1.7 or older; OTLP 1.8 and newer are supported', at);
        r.expect(Wire.I64);
        r.fixed64();
        p.timeUnixNano = r.u64();
        return true;
      case 4:
        readVarint64(r);
        p.durationNano = r.u64();
        return true;
      case 5:
        p.periodType = this.#readValueType(r, p.periodType);
        return true;
      case 6:
        readVarint64(r);
        p.period = r.i64();
        return true;
      case 7:
        p.profileId = readId(r, 16, 'profile id');
        return true;
      case 8:
        r.expect(Wire.Varint);
        p.droppedAttributesCount = r.uint32();
        return true;
      case 9:
        r.expect(Wire.Len);
        p.originalPayloadFormat = readUtf8(r);
        return true;
      case 10:
        r.expect(Wire.Len);
        p.originalPayload = r.view();
        return true;
      case 11:
        readRows(r, this.#attributes, this.#sizes.attributes, 'attribute index');
        return true;
      default:
        return false;
    }
  }

  /** Today's number of a Profile field. */
  #fieldOf(field: number): number {
    if (!this.#is1x8 || field < 7 || field > 12) return field;
    return field === 7 ? COMMENT : field - 1;
  }

  #readValueType(r: WireReader, before: ValueType): ValueType {
    let { type, unit } = before;
    const outer = enter(r);
    while (r.next()) {
      if (r.field === 1) type = readRow(r, this.#sizes.strings, 'string index');
      else if (r.field === 2) unit = readRow(r, this.#sizes.strings, 'string index');
      else r.skip();
    }
    r.end = outer;
    return type === 0 && unit === 0 ? UNSET : { type, unit };
  }

  #readSamples(r: WireReader): Samples {
    const from = r.pos;
    let length = 0;
    while (r.next()) {
      if (r.field === 2) length++;
      r.skip();
    }
    if (length === 0) return NO_SAMPLES;
    this.#budget.charge(r, Cost.samples + length * 20);
    r.pos = from;
    const stack = new Int32Array(length);
    const link = new Int32Array(length);
    const attributeStart = new Uint32Array(length + 1);
    const valueStart = new Uint32Array(length + 1);
    const timestampStart = new Uint32Array(length + 1);
    let row = 0;
    while (r.next()) {
      if (r.field !== 2) {
        r.skip();
        continue;
      }
      const at = r.pos;
      const outer = enter(r);
      this.#readSample(r, row, stack, link);
      r.end = outer;
      this.#checkShape(r, at, valueStart[row] ?? 0, timestampStart[row] ?? 0);
      row++;
      attributeStart[row] = this.#sampleAttributes.length;
      valueStart[row] = this.#values.length;
      timestampStart[row] = this.#timestamps.length;
    }
    return {
      length,
      stack,
      link,
      attributes: { start: attributeStart, values: this.#sampleAttributes.take() },
      valueStart,
      values: new BigInt64Array(this.#values.take().buffer),
      timestampStart,
      timestamps: this.#timestamps.take(),
    };
  }

  #readSample(r: WireReader, row: number, stack: Int32Array, link: Int32Array): void {
    const sizes = this.#sizes;
    const fields = this.#fields;
    while (r.next()) {
      switch (r.field) {
        case 1:
          stack[row] = readRow(r, sizes.stacks, 'stack index');
          break;
        case fields.attributes:
          readRows(r, this.#sampleAttributes, sizes.attributes, 'attribute index');
          break;
        case fields.link:
          link[row] = readRow(r, sizes.links, 'link index');
          break;
        case fields.values:
          this.#readValues(r);
          break;
        case 5:
          this.#readTimestamps(r);
          break;
        default:
          r.skip();
      }
    }
  }

  #readValues(r: WireReader): void {
    if (r.wire === Wire.Varint) {
      r.varint64();
      this.#values.push(r.lo, r.hi);
      return;
    }
    const outer = enter(r);
    while (r.pos < r.end) {
      r.varint64();
      this.#values.push(r.lo, r.hi);
    }
    r.end = outer;
  }

  #readTimestamps(r: WireReader): void {
    if (r.wire === Wire.I64) {
      r.fixed64();
      this.#timestamps.push(r.lo, r.hi);
      return;
    }
    const outer = enter(r);
    this.#timestamps.reserve((r.end - r.pos) >>> 3);
    while (r.pos < r.end) {
      r.fixed64();
      this.#timestamps.push(r.lo, r.hi);
    }
    r.end = outer;
  }

  #checkShape(r: WireReader, at: number, valuesBefore: number, timestampsBefore: number): void {
    const values = this.#values.length - valuesBefore;
    const timestamps = this.#timestamps.length - timestampsBefore;
    if (isShape(values, timestamps)) return;
    r.fail(
      `sample with ${values} values and ${timestamps} timestamps: want one value, or timestamps alone, or as many of both`,
      at,
    );
  }
}

/** `comment_strindices`, a field that only 1.8 had. */
const COMMENT = -1;
