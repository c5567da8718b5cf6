// SPDX-License-Identifier: Apache-2.0
import { Wire, type WireReader } from '../../internal/wire-reader.ts';
import { Cost, type MemoryBudget } from './budget.ts';

/** Field numbers of the repeated messages of a Profile. */
export const Field = { sampleType: 1, sample: 2, mapping: 3, location: 4, function: 5, string: 6 } as const;

/** Where the messages of one field lie: `count` of them between `start` and `end`, others among them. */
export interface Region {
  readonly field: number;
  count: number;
  start: number;
  end: number;
}

/** The fields of a Profile that are no repeated messages. Texts are string indices, not checked yet. */
export interface Head {
  dropFrames: number;
  keepFrames: number;
  timeNanos: bigint;
  durationNanos: bigint;
  /** Where the last period type lies; `end` 0 where there is none. */
  periodType: Region;
  period: bigint;
  comments: number[];
  defaultSampleType: number;
  docUrl: number;
}

/** What a first walk over the fields of a Profile tells: enough to size every column. */
export interface Layout {
  /** By field number, 0 unused. */
  readonly regions: readonly Region[];
  readonly head: Head;
}

/** Walks the top level of the file that `r` stands at the start of. Throws DecodeError where it is malformed. */
export function scanLayout(r: WireReader, budget: MemoryBudget): Layout {
  const regions = Array.from({ length: 7 }, (_, field): Region => ({ field, count: 0, start: 0, end: 0 }));
  const head: Head = {
    dropFrames: 0,
    keepFrames: 0,
    timeNanos: 0n,
    durationNanos: 0n,
    periodType: { field: 11, count: 0, start: 0, end: 0 },
    period: 0n,
    comments: [],
    defaultSampleType: 0,
    docUrl: 0,
  };
  const { bytes } = r;
  while (r.pos < r.end) {
    const at = r.pos;
    const tag = bytes[at] as number;
    const n = bytes[at + 1] as number;
    // Tags and lengths of one byte, which most messages have, are read in place.
    if ((tag & 7) === Wire.Len && tag < 0x38 && tag > 2 && n < 0x80 && at + 2 + n <= r.end) {
      const region = regions[tag >>> 3] as Region;
      if (region.count++ === 0) region.start = at;
      r.pos = at + 2 + n;
      region.end = r.pos;
      continue;
    }
    r.next();
    if (r.field >= Field.sampleType && r.field <= Field.string) {
      r.expect(Wire.Len);
      const n = r.length();
      r.pos += n;
      const region = regions[r.field] as Region;
      if (region.count++ === 0) region.start = at;
      region.end = r.pos;
    } else readHeadField(r, head, budget);
  }
  return { regions, head };
}

function readHeadField(r: WireReader, head: Head, budget: MemoryBudget): void {
  switch (r.field) {
    case 7:
      head.dropFrames = stringIndex(r);
      break;
    case 8:
      head.keepFrames = stringIndex(r);
      break;
    case 9:
      head.timeNanos = u64(r);
      break;
    case 10:
      head.durationNanos = u64(r);
      break;
    case 11: {
      r.expect(Wire.Len);
      const n = r.length();
      head.periodType = { field: 11, count: 1, start: r.pos, end: r.pos + n };
      r.pos += n;
      break;
    }
    case 12:
      head.period = BigInt.asIntN(64, u64(r));
      break;
    case 13:
      readComments(r, head, budget);
      break;
    case 14:
      head.defaultSampleType = stringIndex(r);
      break;
    case 15:
      head.docUrl = stringIndex(r);
      break;
    default:
      r.skip();
  }
}

function readComments(r: WireReader, head: Head, budget: MemoryBudget): void {
  if (r.wire !== Wire.Len) {
    budget.charge(r, Cost.comment);
    head.comments.push(stringIndex(r));
    return;
  }
  const n = r.length();
  const outer = r.end;
  r.end = r.pos + n;
  r.wire = Wire.Varint;
  while (r.pos < r.end) {
    budget.charge(r, Cost.comment);
    head.comments.push(stringIndex(r));
  }
  r.end = outer;
}

function stringIndex(r: WireReader): number {
  r.expect(Wire.Varint);
  return r.index();
}

/** A 64-bit varint field. */
function u64(r: WireReader): bigint {
  r.expect(Wire.Varint);
  r.varint64();
  return r.u64();
}

/**
 * Moves `r` to the next message of the region and returns where it ends, or -1 after the last one. The
 * caller reads up to there and leaves `r.pos` there; `r.end` is the end of the region again.
 */
export function nextMessage(r: WireReader, region: Region): number {
  const { bytes } = r;
  const tag = (region.field << 3) | Wire.Len;
  r.end = region.end;
  while (r.pos < region.end) {
    let isOurs = bytes[r.pos] === tag;
    if (isOurs) r.pos++;
    else {
      r.next();
      isOurs = r.field === region.field;
    }
    if (isOurs) {
      const n = r.length();
      return r.pos + n;
    }
    r.skip();
  }
  return -1;
}

/** First bytes of fields as every writer puts them: field number and wire type. */
export const Tag = {
  varint1: 0x08,
  varint2: 0x10,
  varint3: 0x18,
  varint4: 0x20,
  varint5: 0x28,
  len1: 0x0a,
  len2: 0x12,
  len3: 0x1a,
  len4: 0x22,
} as const;

/**
 * Passes over a field that is none of a message's own, which has fields up to `last`: those have one
 * wire type and a tag of one byte, so anything else under their number is refused.
 */
export function skipUnknown(r: WireReader, last: number): void {
  const at = r.pos;
  r.next();
  if (r.field <= last) r.fail(`field ${r.field} has an unexpected tag or wire type ${r.wire}`, at);
  r.skip();
}

/** A varint into `lo` and `hi`: what most numbers take, one to four bytes, is read in place. */
export function varint(r: WireReader): void {
  const { bytes, pos } = r;
  let b = bytes[pos] as number;
  if (b < 0x80 && pos < r.end) {
    r.lo = b;
    r.hi = 0;
    r.pos = pos + 1;
    return;
  }
  if (pos + 4 > r.end) {
    r.varint64();
    return;
  }
  let lo = b & 0x7f;
  b = bytes[pos + 1] as number;
  lo |= (b & 0x7f) << 7;
  if (b < 0x80) {
    r.pos = pos + 2;
  } else {
    b = bytes[pos + 2] as number;
    lo |= (b & 0x7f) << 14;
    if (b < 0x80) r.pos = pos + 3;
    else {
      b = bytes[pos + 3] as number;
      lo |= (b & 0x7f) << 21;
      r.pos = pos + 4;
      if (b >= 0x80) {
        restOfVarint(r, lo, pos);
        return;
      }
    }
  }
  r.lo = lo;
  r.hi = 0;
}

/** Bytes five to nine of a varint, whose first four gave `low`; the reader takes what is longer or cut off. */
function restOfVarint(r: WireReader, low: number, start: number): void {
  const { bytes, pos, end } = r;
  let b = bytes[pos] as number;
  let hi = (b & 0x7f) >>> 4;
  let at = pos + 1;
  const lo = (low | (b << 28)) >>> 0;
  for (let shift = 3; b >= 0x80; shift += 7) {
    b = bytes[at++] as number;
    hi |= (b & 0x7f) << shift;
    if (at > end || shift > 24) {
      r.pos = start;
      r.varint64();
      return;
    }
  }
  if (at > end) r.fail('truncated varint', start);
  r.pos = at;
  r.lo = lo;
  r.hi = hi;
}
