// SPDX-License-Identifier: Apache-2.0
import { WireReader, Wire } from '../internal/wire-reader.ts';
import { ReverseWriter } from '../internal/wire-writer.ts';

/** An attribute value. Integers are 64-bit and stay exact. `empty` is an AnyValue with no field set. */
export type AnyValue =
  | { readonly kind: 'empty' }
  | { readonly kind: 'string'; readonly value: string }
  | { readonly kind: 'bool'; readonly value: boolean }
  | { readonly kind: 'int'; readonly value: bigint }
  | { readonly kind: 'double'; readonly value: number }
  | { readonly kind: 'array'; readonly value: readonly AnyValue[] }
  | { readonly kind: 'map'; readonly value: readonly KeyValue[] }
  | { readonly kind: 'bytes'; readonly value: Uint8Array };

export interface KeyValue {
  readonly key: string;
  readonly value: AnyValue;
}

/** Values nested deeper are refused: a hostile request must not cost stack or memory. */
export const MAX_VALUE_DEPTH = 32;

/** Resolves a row of the string table; throws RangeError where it is out of range. */
export type StringLookup = (row: number) => string;

const EMPTY: AnyValue = { kind: 'empty' };

export const stringValue = (value: string): AnyValue => ({ kind: 'string', value });
export const intValue = (value: number | bigint): AnyValue => ({ kind: 'int', value: BigInt(value) });
export const boolValue = (value: boolean): AnyValue => ({ kind: 'bool', value });

/** The value as text, as label values and logs want it; arrays and maps as JSON. */
export function valueToText(value: AnyValue): string {
  switch (value.kind) {
    case 'string':
      return value.value;
    case 'empty':
      return '';
    case 'bool':
    case 'int':
    case 'double':
      return String(value.value);
    case 'bytes':
      return Buffer.from(value.value).toString('base64');
    default:
      return JSON.stringify(toJson(value));
  }
}

function toJson(value: AnyValue): unknown {
  switch (value.kind) {
    case 'empty':
      return null;
    case 'array':
      return value.value.map(toJson);
    case 'map':
      return Object.fromEntries(value.value.map((e) => [e.key, toJson(e.value)]));
    case 'int':
      return Number.isSafeInteger(Number(value.value)) ? Number(value.value) : value.value.toString();
    case 'bytes':
      return Buffer.from(value.value).toString('base64');
    default:
      return value.value;
  }
}

/**
 * Reads an AnyValue message between the reader's `pos` and `end`. References into the string table
 * (field 8, OTLP 1.10) are resolved. Throws DecodeError on malformed or too deeply nested input.
 */
export function readAnyValue(r: WireReader, strings: StringLookup, depth = 0): AnyValue {
  if (depth > MAX_VALUE_DEPTH) r.fail(`attribute value nested deeper than ${MAX_VALUE_DEPTH}`);
  let value: AnyValue = EMPTY;
  while (r.next()) {
    if (r.field < 1 || r.field > 8) {
      r.skip();
      continue;
    }
    value = readValueField(r, strings, depth);
  }
  return value;
}

function readValueField(r: WireReader, strings: StringLookup, depth: number): AnyValue {
  switch (r.field) {
    case 1:
      r.expect(Wire.Len);
      return { kind: 'string', value: readUtf8(r) };
    case 2:
      r.expect(Wire.Varint);
      r.varint64();
      return { kind: 'bool', value: r.lo !== 0 || r.hi !== 0 };
    case 3:
      r.expect(Wire.Varint);
      r.varint64();
      return { kind: 'int', value: r.i64() };
    case 4:
      r.expect(Wire.I64);
      r.fixed64();
      return { kind: 'double', value: doubleFrom(r.lo, r.hi) };
    case 7:
      r.expect(Wire.Len);
      return { kind: 'bytes', value: r.view() };
    case 8:
      r.expect(Wire.Varint);
      return { kind: 'string', value: lookup(r, strings, r.index()) };
    default:
      r.expect(Wire.Len);
      return readComposite(r, strings, depth);
  }
}

/** ArrayValue (field 5: repeated AnyValue values = 1) or KeyValueList (field 6: repeated KeyValue = 1). */
function readComposite(r: WireReader, strings: StringLookup, depth: number): AnyValue {
  const isArray = r.field === 5;
  const outerEnd = r.end;
  const n = r.length();
  r.end = r.pos + n;
  const items: AnyValue[] = [];
  const entries: KeyValue[] = [];
  while (r.next()) {
    if (r.field !== 1) {
      r.skip();
      continue;
    }
    r.expect(Wire.Len);
    const listEnd = r.end;
    const m = r.length();
    r.end = r.pos + m;
    if (isArray) items.push(readAnyValue(r, strings, depth + 1));
    else entries.push(readKeyValue(r, strings, depth + 1));
    r.end = listEnd;
  }
  r.end = outerEnd;
  return isArray ? { kind: 'array', value: items } : { kind: 'map', value: entries };
}

/** A KeyValue message between `pos` and `end`; the key may be given by reference (field 3), of which 0 is none. */
export function readKeyValue(r: WireReader, strings: StringLookup, depth = 0): KeyValue {
  let key = '';
  let row = 0;
  let value: AnyValue = EMPTY;
  while (r.next()) {
    switch (r.field) {
      case 1:
        r.expect(Wire.Len);
        key = readUtf8(r);
        break;
      case 2: {
        r.expect(Wire.Len);
        const end = r.end;
        const n = r.length();
        r.end = r.pos + n;
        value = readAnyValue(r, strings, depth);
        r.end = end;
        break;
      }
      case 3:
        r.expect(Wire.Varint);
        row = r.index();
        break;
      default:
        r.skip();
    }
  }
  return { key: row === 0 ? key : lookup(r, strings, row), value };
}

function lookup(r: WireReader, strings: StringLookup, row: number): string {
  try {
    return strings(row);
  } catch (cause) {
    if (cause instanceof RangeError) r.fail(cause.message);
    throw cause;
  }
}

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** A LEN field as text; throws DecodeError where it is not UTF-8. */
export function readUtf8(r: WireReader): string {
  const at = r.pos;
  const view = r.view();
  try {
    return utf8.decode(view);
  } catch {
    return r.fail('string is not valid UTF-8', at);
  }
}

const scratch = new DataView(new ArrayBuffer(8));

function doubleFrom(lo: number, hi: number): number {
  scratch.setUint32(0, lo, true);
  scratch.setUint32(4, hi, true);
  return scratch.getFloat64(0, true);
}

/** Writes the fields of an AnyValue (inline strings only) in front of what `w` holds. */
export function writeAnyValue(w: ReverseWriter, value: AnyValue): void {
  const before = w.length;
  switch (value.kind) {
    case 'empty':
      return;
    case 'string':
      w.string(value.value);
      w.message(1, before);
      return;
    case 'bool':
      w.varint(value.value ? 1 : 0);
      w.tag(2, Wire.Varint);
      return;
    case 'int':
      w.varintBig(value.value);
      w.tag(3, Wire.Varint);
      return;
    case 'double':
      scratch.setFloat64(0, value.value, true);
      w.fixed64(scratch.getUint32(0, true), scratch.getUint32(4, true));
      w.tag(4, Wire.I64);
      return;
    case 'bytes':
      w.raw(value.value);
      w.message(7, before);
      return;
    case 'array':
      for (let i = value.value.length - 1; i >= 0; i--) {
        const start = w.length;
        writeAnyValue(w, value.value[i] as AnyValue);
        w.message(1, start);
      }
      w.message(5, before);
      return;
    case 'map':
      for (let i = value.value.length - 1; i >= 0; i--) writeKeyValue(w, 1, value.value[i] as KeyValue);
      w.message(6, before);
  }
}

/** Writes a KeyValue as field `field`, key and strings inline. */
export function writeKeyValue(w: ReverseWriter, field: number, entry: KeyValue): void {
  const before = w.length;
  writeAnyValue(w, entry.value);
  w.message(2, before);
  w.stringField(1, entry.key);
  w.message(field, before);
}

/** The encoded AnyValue message on its own. */
export function encodeAnyValue(value: AnyValue): Uint8Array {
  const w = new ReverseWriter(value.kind === 'string' ? value.value.length * 3 + 8 : 16);
  writeAnyValue(w, value);
  return w.finish().slice();
}
