// SPDX-License-Identifier: Apache-2.0
import { Wire, WireReader } from '../../internal/wire-reader.ts';
import { type OtlpFunctions, SamplesFact as Fact, WireRevision } from '../../native/otlp-functions.ts';
import { enter, FORMAT } from './fields.ts';
import { eachRow, fillRow, fillRows, fillVarint, halves, type ListCursor } from './fill.ts';
import { SAMPLE_FIELDS } from './scan-profiles.ts';

/** Number of `samples` in Profile, in every revision. */
const SAMPLES = 2;

type SampleFills = Pick<OtlpFunctions, 'countSamples' | 'fillSamples'>;

/** Columns of one profile's samples from a Profile message that `scanProfiles` accepted; see `OtlpFunctions`. */
export const sampleFills: SampleFills = {
  countSamples(bytes, from, to, revision, out) {
    const r = new WireReader(bytes, FORMAT, from, to);
    const fields = fieldsOf(revision);
    let attributes = 0;
    let values = 0;
    let timestamps = 0;
    let links = 0;
    let oneValueEach = 1;
    const samples = eachRow(r, SAMPLES, () => {
      const before = values;
      while (r.next()) {
        if (r.field === fields.values) values += count(r);
        else if (r.field === 5) timestamps += r.wire === Wire.I64 ? one(r) : lengthOf(r) >>> 3;
        else if (r.field === fields.attributes) attributes += count(r);
        else if (r.field === fields.link) {
          if (r.uint32() !== 0) links = 1;
        } else r.skip();
      }
      if (values - before !== 1) oneValueEach = 0;
    });
    out.fill(0);
    out[Fact.samples] = samples;
    out[Fact.attributes] = attributes;
    out[Fact.values] = values;
    out[Fact.timestamps] = timestamps;
    out[Fact.links] = links;
    out[Fact.oneValueEach] = oneValueEach;
    return true;
  },

  fillSamples(
    bytes,
    from,
    to,
    revision,
    stack,
    link,
    attributeStart,
    attributeValues,
    valueStart,
    valueColumn,
    timestampStart,
    timestampColumn,
  ) {
    const r = new WireReader(bytes, FORMAT, from, to);
    const fields = fieldsOf(revision);
    const attributes: ListCursor = { values: attributeValues, length: 0 };
    const values = halves(valueColumn);
    const timestamps = halves(timestampColumn);
    let value = 0;
    let timestamp = 0;
    const rows = eachRow(r, SAMPLES, (row) => {
      while (r.next()) {
        switch (r.field) {
          case 1:
            fillRow(r, stack, row);
            break;
          case fields.attributes:
            fillRows(r, attributes);
            break;
          case fields.link:
            fillRow(r, link, row);
            break;
          case fields.values:
            value = fillValues(r, values, value);
            break;
          case 5:
            timestamp = fillTimestamps(r, timestamps, timestamp);
            break;
          default:
            r.skip();
        }
      }
      attributeStart[row + 1] = attributes.length;
      valueStart[row + 1] = value;
      timestampStart[row + 1] = timestamp;
    });
    return (
      rows === stack.length &&
      attributes.length === attributeValues.length &&
      value === valueColumn.length &&
      timestamp === timestampColumn.length
    );
  },
};

function fieldsOf(revision: number): (typeof SAMPLE_FIELDS)['older' | 'newer'] {
  return revision === WireRevision.v1_10 ? SAMPLE_FIELDS.newer : SAMPLE_FIELDS.older;
}

/** Passes over a LEN field; gives its length. */
function lengthOf(r: WireReader): number {
  const n = r.length();
  r.pos += n;
  return n;
}

function one(r: WireReader): number {
  r.skip();
  return 1;
}

/** Passes over a repeated varint, packed or not; gives how many. */
function count(r: WireReader): number {
  if (r.wire === Wire.Varint) return one(r);
  const length = r.length();
  const end = r.pos + length;
  const { bytes } = r;
  let n = 0;
  // Every varint ends with a byte below 0x80.
  for (let pos = r.pos; pos < end; pos++) if ((bytes[pos] as number) < 0x80) n++;
  r.pos = end;
  return n;
}

/** Appends a repeated varint, packed or not, from entry `from` on; gives the entry behind. */
function fillValues(r: WireReader, into: Uint32Array, from: number): number {
  if (r.wire === Wire.Varint) {
    fillVarint(r, into, from);
    return from + 1;
  }
  const outer = enter(r);
  let n = from;
  while (r.pos < r.end) fillVarint(r, into, n++);
  r.end = outer;
  return n;
}

/** The same for fixed64. */
function fillTimestamps(r: WireReader, into: Uint32Array, from: number): number {
  if (r.wire === Wire.I64) {
    fillFixed(r, into, from);
    return from + 1;
  }
  const outer = enter(r);
  let n = from;
  while (r.pos < r.end) fillFixed(r, into, n++);
  r.end = outer;
  return n;
}

function fillFixed(r: WireReader, into: Uint32Array, row: number): void {
  r.fixed64();
  into[row * 2] = r.lo;
  into[row * 2 + 1] = r.hi;
}
