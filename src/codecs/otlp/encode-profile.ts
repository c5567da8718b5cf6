// SPDX-License-Identifier: Apache-2.0
import { Wire } from '../../internal/wire-reader.ts';
import type { ReverseWriter } from '../../internal/wire-writer.ts';
import type { Profile, ValueType } from '../../pdata/profiles-batch.ts';
import type { Samples } from '../../pdata/tables.ts';
import { halves } from './fill.ts';
import type { WriteRevision } from './revision.ts';

/** Writes a Profile as field 2 of ScopeProfiles. */
export function writeProfile(w: ReverseWriter, p: Profile, revision: WriteRevision): void {
  const before = w.length;
  w.raw(p.unknown);
  writeRows(w, 11, p.attributes, 0, p.attributes.length);
  w.bytesField(10, p.originalPayload);
  w.stringField(9, p.originalPayloadFormat);
  w.int32Field(8, p.droppedAttributesCount);
  w.bytesField(7, p.profileId);
  w.int64Field(6, p.period);
  writeValueType(w, 5, p.periodType);
  w.int64Field(4, p.durationNano);
  w.fixed64Field(3, p.timeUnixNano);
  writeSamples(w, p.samples, revision);
  writeValueType(w, 1, p.sampleType);
  w.message(2, before);
}

function writeValueType(w: ReverseWriter, field: number, type: ValueType): void {
  if (type.type === 0 && type.unit === 0) return;
  const before = w.length;
  w.int32Field(2, type.unit);
  w.int32Field(1, type.type);
  w.message(field, before);
}

/** Writes `rows[from .. to]` as a packed list. */
export function writeRows(w: ReverseWriter, field: number, rows: Int32Array, from: number, to: number): void {
  if (from === to) return;
  const before = w.length;
  for (let i = to - 1; i >= from; i--) w.varint(rows[i] as number);
  w.message(field, before);
}

function writeSamples(w: ReverseWriter, s: Samples, revision: WriteRevision): void {
  const values = halves(s.values);
  const times = halves(s.timestamps);
  for (let i = s.length - 1; i >= 0; i--) {
    const before = w.length;
    writeFixed(w, 5, times, s.timestampStart[i] as number, s.timestampStart[i + 1] as number);
    const valuesFrom = s.valueStart[i] as number;
    const valuesTo = s.valueStart[i + 1] as number;
    const rows = s.attributes;
    const link = s.link[i] as number;
    // Without values (1.10) or attributes (1.9) nothing but a link says which revision this is: the first
    // sample of a profile has one then, even where it is 0.
    const isFirst = i === 0;
    if (revision === '1.10') {
      writeVarints(w, 4, values, valuesFrom, valuesTo);
      writeLink(w, 3, link, isFirst && valuesFrom === valuesTo);
      writeRows(w, 2, rows.values, rows.start[i] as number, rows.start[i + 1] as number);
    } else {
      writeLink(w, 4, link, isFirst && rows.start[0] === rows.start[1]);
      writeRows(w, 3, rows.values, rows.start[i] as number, rows.start[i + 1] as number);
      writeVarints(w, 2, values, valuesFrom, valuesTo);
    }
    w.int32Field(1, s.stack[i] as number);
    w.message(2, before);
  }
}

function writeLink(w: ReverseWriter, field: number, link: number, evenZero: boolean): void {
  if (link === 0 && !evenZero) return;
  w.varint(link);
  w.tag(field, Wire.Varint);
}

function writeFixed(w: ReverseWriter, field: number, column: Uint32Array, from: number, to: number): void {
  if (from === to) return;
  for (let i = to - 1; i >= from; i--) w.fixed64(column[i * 2] as number, column[i * 2 + 1] as number);
  w.varint((to - from) * 8);
  w.tag(field, Wire.Len);
}

function writeVarints(w: ReverseWriter, field: number, column: Uint32Array, from: number, to: number): void {
  if (from === to) return;
  const before = w.length;
  for (let i = to - 1; i >= from; i--) w.varint64(column[i * 2] as number, column[i * 2 + 1] as number);
  w.message(field, before);
}

/** A 64-bit varint field from row `i` of a column; nothing when 0. */
export function writeVarintField(w: ReverseWriter, field: number, column: Uint32Array, i: number): void {
  const lo = column[i * 2] as number;
  const hi = column[i * 2 + 1] as number;
  if (lo === 0 && hi === 0) return;
  w.varint64(lo, hi);
  w.tag(field, Wire.Varint);
}
