// SPDX-License-Identifier: Apache-2.0
import { DecodeError, Wire, type WireReader } from '../../internal/wire-reader.ts';
import { eachMessage, enter } from './fields.ts';

/**
 * Wire revisions of OTLP profiles that can be read. 1.10 and 1.11 are the same on the wire. All carry
 * one package name; only field numbers and wire types tell them apart.
 */
export type Revision = '1.7' | '1.8' | '1.9' | '1.10';

/** Revisions that can be written. */
export type WriteRevision = '1.9' | '1.10';

/** Names of encoded forms in pdata: what a request of a revision may splice. */
export const Form = {
  /** The same bytes in every revision. */
  any: 'otlp',
  v1_9: 'otlp/1.9',
  v1_10: 'otlp/1.10',
  /** With references into the string table, which only 1.10 has. */
  references: 'otlp/1.10/references',
} as const;

/** Samples that are looked at when none says anything certain. */
const MAX_SAMPLES = 512;
/** Fields on the way to samples that are looked at: whoever has more of them and so few samples is hostile. */
const MAX_FIELDS = 1 << 18;
/** This many samples that are certain decide. */
const ENOUGH = 8;

/**
 * Finds the revision of the ExportProfilesServiceRequest in `r`, 1.8 or newer. `keys` gives the key column of
 * the attribute table. Throws DecodeError where samples of two revisions stand in one request. `refers`: something in the request refers to the string table, as only 1.10 does.
 *
 * Sample was renumbered in 1.10 (values 2→4, attribute_indices 3→2, link_index 4→3), so a packed list in
 * field 3 or a number in field 4 means 1.9, the reverse 1.10, but where a writer packs nothing. Profile lost `comment` in 1.9, which moved
 * profile_id and its followers down by one.
 */
export function detectRevision(
  r: WireReader,
  keys: () => Int32Array,
  refers: boolean,
): Exclude<Revision, '1.7'> {
  const votes = new Votes(keys);
  let fields = 0;
  eachProfile(
    r,
    () => votes.done || ++fields > MAX_FIELDS,
    () => scanReadable(r, votes),
  );
  return votes.decide(r, refers);
}

function eachProfile(r: WireReader, stop: () => boolean, body: () => void): void {
  eachMessage(r, 1, stop, () => eachMessage(r, 2, stop, () => eachMessage(r, 2, stop, body)));
}

/** A profile that is broken says no more; what is wrong with it is for the scan to say. */
function scanReadable(r: WireReader, votes: Votes): void {
  const { end } = r;
  try {
    scanProfile(r, votes);
  } catch (error) {
    if (!(error instanceof DecodeError)) throw error;
    votes.addBroken();
    r.end = end;
  }
}

function scanProfile(r: WireReader, votes: Votes): void {
  while (!votes.done && r.next()) {
    const { field, wire } = r;
    if (field === 12 || (field === 8 && wire === Wire.Len) || (field === 9 && wire === Wire.Varint))
      votes.is1x8 = true;
    if (wire !== Wire.Len || (field !== 1 && field !== 2 && field !== 5)) {
      r.skip();
      continue;
    }
    const outer = enter(r);
    if (field === 2) scanSample(r, votes);
    else {
      while (r.next()) {
        if (r.field === 3) votes.is1x8 = true;
        r.skip();
      }
    }
    r.end = outer;
  }
}

function scanSample(r: WireReader, votes: Votes): void {
  const field2: number[] = [];
  const times = [0, 0, 0, 0, 0];
  let timestampBytes = 0;
  let older = false;
  let newer = false;
  let unpacked = false;
  let packed = false;
  while (r.next()) {
    const { field, wire } = r;
    packed ||= field < 5 && wire === Wire.Len;
    if (field === 3 || field === 4) {
      older ||= wire === (field === 3 ? Wire.Len : Wire.Varint);
      newer ||= wire === (field === 4 ? Wire.Len : Wire.Varint);
      times[field] = (times[field] ?? 0) + 1;
    }
    if (field === 2) {
      unpacked ||= wire === Wire.Varint;
      collectNumbers(r, field2);
    } else {
      const before = r.pos;
      r.skip();
      if (field === 5) timestampBytes += r.pos - before;
    }
  }
  const timestamps = timestampBytes >>> 3;
  if (unpacked) {
    // Wire types say nothing then; a link comes once at most, and values must fit the timestamps.
    older = (times[4] ?? 0) <= 1 && isShape(field2.length, timestamps);
    newer = (times[3] ?? 0) <= 1 && isShape(times[4] ?? 0, timestamps);
  } else if (!packed && timestamps === 0 && times[4] === 1) {
    // Of 1.9 it would be a link and no value: the value is this number, of a writer that packs nothing.
    older = false;
    newer = true;
  }
  votes.add(older, newer, field2, timestamps);
}

/** Shapes of a sample: timestamps alone; one value; as many values as timestamps. Source: profiles.proto, Sample. */
export function isShape(values: number, timestamps: number): boolean {
  return timestamps === 0 ? values === 1 : values === 0 || values === timestamps;
}

/** The first numbers of a repeated field; what is no 32-bit number becomes -1. */
function collectNumbers(r: WireReader, into: number[]): void {
  if (r.wire === Wire.Varint) {
    r.varint64();
    into.push(r.hi === 0 ? r.lo : -1);
    return;
  }
  const outer = enter(r);
  while (r.pos < r.end && into.length < 64) {
    r.varint64();
    into.push(r.hi === 0 ? r.lo : -1);
  }
  r.pos = r.end;
  r.end = outer;
}

class Votes {
  readonly #keys: () => Int32Array;
  #samples = 0;
  #older = 0;
  #newer = 0;
  #maybeOlder = 0;
  /** A profile was seen that only 1.8 can have written. */
  is1x8 = false;

  constructor(keys: () => Int32Array) {
    this.#keys = keys;
  }

  get done(): boolean {
    return this.#samples >= MAX_SAMPLES || this.#older + this.#newer >= ENOUGH;
  }

  addBroken(): void {
    this.#samples++;
  }

  add(older: boolean, newer: boolean, field2: readonly number[], timestamps: number): void {
    this.#samples++;
    if (older !== newer) {
      if (older) this.#older++;
      else this.#newer++;
    } else if (!older && field2.length > 0) {
      // Values (1.9) or attributes (1.10)? Without timestamps a sample must have a value.
      const mayBeValues = isShape(field2.length, timestamps);
      const mustBeAttributes = timestamps > 0 && (!mayBeValues || this.#areAttributes(field2));
      if (mayBeValues && !mustBeAttributes) this.#maybeOlder++;
    }
  }

  #areAttributes(rows: readonly number[]): boolean {
    const column = this.#keys();
    const keys = new Set(rows.map((row) => column[row]));
    return keys.size === rows.length && !keys.has(undefined);
  }

  decide(r: WireReader, refers: boolean): Exclude<Revision, '1.7'> {
    if (this.#older > 0 && this.#newer > 0) {
      r.fail('samples numbered as in OTLP 1.9 and as in OTLP 1.10 in one request', 0);
    }
    if (this.is1x8 && this.#newer === 0) return '1.8';
    if (this.#older + this.#newer > 0) return this.#older > 0 ? '1.9' : '1.10';
    if (refers) return '1.10';
    // A sample that can only be read as 1.9 would be refused as 1.10: one is enough.
    return this.#maybeOlder > 0 ? '1.9' : '1.10';
  }
}
