// SPDX-License-Identifier: Apache-2.0
import { Wire, type WireReader } from '../../internal/wire-reader.ts';
import { enter } from './fields.ts';

/** Entries written to a column of row lists so far. */
export interface ListCursor {
  readonly values: Int32Array;
  length: number;
}

/** A 64-bit column as pairs of low and high halves. */
export function halves(column: BigInt64Array | BigUint64Array): Uint32Array {
  return new Uint32Array(column.buffer, column.byteOffset, column.length * 2);
}

/** The next varint, a row index, into `column[row]`. */
export function fillRow(r: WireReader, column: Int32Array, row: number): void {
  column[row] = r.uint32();
}

/** The next varint into row `row` of a 64-bit column, given as halves. */
export function fillVarint(r: WireReader, column: Uint32Array, row: number): void {
  r.varint64();
  column[row * 2] = r.lo;
  column[row * 2 + 1] = r.hi;
}

/** Appends a repeated row index, packed or not. What goes past the end of the column is only counted. */
export function fillRows(r: WireReader, into: ListCursor): void {
  if (r.wire === Wire.Varint) {
    into.values[into.length++] = r.uint32();
    return;
  }
  const outer = enter(r);
  const { bytes, end } = r;
  const { values } = into;
  let n = into.length;
  let pos = r.pos;
  while (pos < end) {
    const low = bytes[pos] as number;
    if (low < 0x80) {
      values[n++] = low;
      pos++;
      continue;
    }
    const next = bytes[pos + 1] as number;
    if (next < 0x80 && pos + 1 < end) {
      values[n++] = (low & 0x7f) | (next << 7);
      pos += 2;
      continue;
    }
    r.pos = pos;
    values[n++] = r.uint32();
    pos = r.pos;
  }
  into.length = n;
  r.pos = end;
  r.end = outer;
}

/** Calls `body` in every message that the fields `field` up to `r.end` hold, with its number. */
export function eachRow(r: WireReader, field: number, body: (row: number) => void): number {
  let row = 0;
  while (r.next()) {
    if (r.field !== field) {
      r.skip();
      continue;
    }
    const outer = enter(r);
    body(row++);
    r.pos = r.end;
    r.end = outer;
  }
  return row;
}
