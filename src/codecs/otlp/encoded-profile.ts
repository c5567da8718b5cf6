// SPDX-License-Identifier: Apache-2.0
import { WireReader } from '../../internal/wire-reader.ts';
import { type OtlpFunctions, SamplesFact as Fact } from '../../native/otlp-functions.ts';
import { readUtf8 } from '../../pdata/any-value.ts';
import { countingUint32, zerosInt32, zerosUint32 } from '../../pdata/constant-columns.ts';
import type { Profile, ValueType } from '../../pdata/profiles-batch.ts';
import type { Samples } from '../../pdata/tables.ts';
import { mustFit } from './encoded-tables.ts';
import { enter, FORMAT, Ranges } from './fields.ts';
import { fillRows, type ListCursor } from './fill.ts';
import { profileField } from './scan-profiles.ts';

/** A request that the scans accepted. */
export interface Request {
  readonly bytes: Uint8Array;
  readonly functions: OtlpFunctions;
  /** One of `WireRevision`. */
  readonly revision: number;
}

const UNSET: ValueType = { type: 0, unit: 0 };
const NOTHING: Uint8Array = new Uint8Array(0);
const NONE = new Uint32Array(0);

/** A Profile message of a request; its samples become columns on first use. */
export class EncodedProfile implements Profile {
  sampleType = UNSET;
  periodType = UNSET;
  period = 0n;
  timeUnixNano = 0n;
  durationNano = 0n;
  profileId = NOTHING;
  droppedAttributesCount = 0;
  attributes = zerosInt32(0);
  originalPayloadFormat = '';
  originalPayload = NOTHING;
  unknown = NOTHING;
  readonly #request: Request;
  readonly #from: number;
  readonly #to: number;
  #samples: Samples | undefined;

  constructor(request: Request, from: number, to: number) {
    this.#request = request;
    this.#from = from;
    this.#to = to;
    const r = new WireReader(request.bytes, FORMAT, from, to);
    const unknown = new Ranges(r.bytes);
    for (let at = r.pos; r.next(); at = r.pos) {
      const field = profileField(r.field, request.revision);
      if (this.#readField(r, field)) continue;
      r.skip();
      if (field > 11) unknown.add(at, r.pos);
    }
    this.unknown = unknown.join();
  }

  get samples(): Samples {
    this.#samples ??= readSamples(this.#request, this.#from, this.#to);
    return this.#samples;
  }

  /** False where the field is to be passed over: samples, and unknown ones. */
  #readField(r: WireReader, field: number): boolean {
    switch (field) {
      case 1:
        this.sampleType = readValueType(r, this.sampleType);
        return true;
      case 3:
        r.fixed64();
        this.timeUnixNano = r.u64();
        return true;
      case 4:
        r.varint64();
        this.durationNano = r.u64();
        return true;
      case 5:
        this.periodType = readValueType(r, this.periodType);
        return true;
      case 6:
        r.varint64();
        this.period = r.i64();
        return true;
      case 7:
        this.profileId = r.view();
        return true;
      case 8:
        this.droppedAttributesCount = r.uint32();
        return true;
      case 9:
        this.originalPayloadFormat = readUtf8(r);
        return true;
      case 10:
        this.originalPayload = r.view();
        return true;
      case 11:
        this.attributes = append(this.attributes, r);
        return true;
      default:
        return false;
    }
  }
}

function readValueType(r: WireReader, before: ValueType): ValueType {
  let { type, unit } = before;
  const outer = enter(r);
  while (r.next()) {
    if (r.field === 1) type = r.uint32();
    else if (r.field === 2) unit = r.uint32();
    else r.skip();
  }
  r.end = outer;
  return type === 0 && unit === 0 ? UNSET : { type, unit };
}

/** The rows with those of the next field behind them. */
function append(rows: Int32Array, r: WireReader): Int32Array {
  const cursor: ListCursor = {
    values: new Int32Array(rows.length + Math.max(1, r.end - r.pos)),
    length: rows.length,
  };
  cursor.values.set(rows);
  fillRows(r, cursor);
  return cursor.values.slice(0, cursor.length);
}

function readSamples({ bytes, functions, revision }: Request, from: number, to: number): Samples {
  const facts = new Uint32Array(Fact.size);
  mustFit(functions.countSamples(bytes, from, to, revision, facts));
  const [length = 0, attributes = 0, values = 0, timestamps = 0, links = 0, oneValueEach = 0] = facts;
  const attributeStart = attributes === 0 ? NONE : new Uint32Array(length + 1);
  const valueStart = values === 0 || oneValueEach === 1 ? NONE : new Uint32Array(length + 1);
  const timestampStart = timestamps === 0 ? NONE : new Uint32Array(length + 1);
  const link = new Int32Array(links === 0 ? 0 : length);
  const columns = {
    stack: new Int32Array(length),
    attributes: new Int32Array(attributes),
    values: new BigInt64Array(values),
    timestamps: new BigUint64Array(timestamps),
  };
  mustFit(
    functions.fillSamples(
      bytes,
      from,
      to,
      revision,
      columns.stack,
      link,
      attributeStart,
      columns.attributes,
      valueStart,
      columns.values,
      timestampStart,
      columns.timestamps,
    ),
  );
  const orZeros = (start: Uint32Array): Uint32Array => (start === NONE ? zerosUint32(length + 1) : start);
  return {
    length,
    stack: columns.stack,
    link: links === 0 ? zerosInt32(length) : link,
    attributes: { start: orZeros(attributeStart), values: columns.attributes },
    valueStart: values > 0 && oneValueEach === 1 ? countingUint32(length + 1) : orZeros(valueStart),
    values: columns.values,
    timestampStart: orZeros(timestampStart),
    timestamps: columns.timestamps,
  };
}
