// SPDX-License-Identifier: Apache-2.0
import { isUtf8 } from 'node:buffer';
import { Wire, type WireReader } from '../../internal/wire-reader.ts';
import { type KeyValue, readKeyValue } from '../../pdata/any-value.ts';
import { Cost, type MemoryBudget } from './budget.ts';
import { checkAnyValue, checkKeyValue, enter, readRow } from './fields.ts';
import type { Int32List } from '../int32-list.ts';
import type { Int64List } from './int64-list.ts';

/** Estimated heap bytes of a value inside a list or map. */
const NESTED_COST = 64;
/** What `checkAnyValue` counts: string references, nested values. */
const found = new Uint32Array(2);

/** Appends a repeated row index, packed or not, each checked against the `rows` of its table. */
export function readRows(r: WireReader, into: Int32List, rows: number, what: string): void {
  if (r.wire === Wire.Varint) {
    into.push(readRow(r, rows, what));
    return;
  }
  const outer = enter(r);
  r.wire = Wire.Varint;
  into.reserve(r.end - r.pos);
  while (r.pos < r.end) into.push(readRow(r, rows, what));
  r.end = outer;
}

/** Appends a repeated 64-bit varint, packed or not. */
export function readNumbers(r: WireReader, into: Int64List): void {
  if (r.wire === Wire.Varint) {
    r.varint64();
    into.push(r.lo, r.hi);
    return;
  }
  const outer = enter(r);
  while (r.pos < r.end) {
    r.varint64();
    into.push(r.lo, r.hi);
  }
  r.end = outer;
}

/** Refuses a range of bytes that is no UTF-8. */
export function checkText(r: WireReader, bytes: Uint8Array, at: number): void {
  if (!isUtf8(bytes)) r.fail('string is not valid UTF-8', at);
}

/** Checks the AnyValue between `pos` and `end` and gives its bytes; 1.7 has no string references. */
export function readEncodedValue(r: WireReader): Uint8Array {
  const { pos, end } = r;
  found.fill(0);
  checkAnyValue(r, Infinity, found, 0, 1);
  refuseReference(r, pos);
  return r.bytes.subarray(pos, end);
}

/** An attribute of a resource or scope: the KeyValue that the reader stands before. */
export function readAttribute(r: WireReader, budget: MemoryBudget): KeyValue {
  const outer = enter(r);
  const from = r.pos;
  found.fill(0);
  checkKeyValue(r, Infinity, found, 0, 1);
  refuseReference(r, from);
  budget.charge(r, Cost.attribute + (found[1] ?? 0) * NESTED_COST);
  r.pos = from;
  const attribute = readKeyValue(r, noString);
  r.end = outer;
  return attribute;
}

function refuseReference(r: WireReader, at: number): void {
  if (found[0] !== 0) r.fail('reference to the string table, which OTLP 1.7 does not have', at);
}

function noString(row: number): never {
  throw new RangeError(`string index ${row}, which OTLP 1.7 does not have`);
}
