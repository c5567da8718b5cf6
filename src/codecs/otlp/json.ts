// SPDX-License-Identifier: Apache-2.0
import { DecodeError, Wire, WireReader } from '../../internal/wire-reader.ts';
import { ReverseWriter } from '../../internal/wire-writer.ts';
import { MAX_VALUE_DEPTH, readUtf8 } from '../../pdata/any-value.ts';
import type { ProfilesBatch } from '../../pdata/profiles-batch.ts';
import { decodeOtlp } from './decode.ts';
import { encodeOtlp } from './encode.ts';
import { enter } from './fields.ts';
import { type Field, type Message, requestMessage, type ScalarKind } from './json-schema.ts';

const FORMAT = 'OTLP/JSON profiles';
/** The fixed part of a request is 7 messages deep; an attribute value takes two a level. */
const MAX_DEPTH = 16 + 2 * MAX_VALUE_DEPTH;

/**
 * Reads OTLP/JSON: trace and span ids are hex, other bytes base64, 64-bit numbers text or safe integers;
 * unknown keys are ignored. The text becomes protobuf and passes the checks of `decodeOtlp`, so the two
 * cannot differ. The caller bounds the text. Throws DecodeError, which names the place by its path.
 */
export function decodeOtlpJson(text: string): ProfilesBatch {
  checkDensity(text);
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (cause) {
    throw new DecodeError(FORMAT, 0, cause instanceof Error ? cause.message : String(cause), { cause });
  }
  const w = new ReverseWriter(Math.max(1024, text.length >>> 1));
  writeMessage(w, requestMessage, json, '', 0);
  try {
    return decodeOtlp(w.finish());
  } catch (cause) {
    if (!(cause instanceof DecodeError)) throw cause;
    throw new DecodeError(FORMAT, 0, `as protobuf: ${cause.message}`, { cause });
  }
}

/**
 * Refuses text that is little but brackets before it is parsed: an empty object of two characters takes
 * 56 bytes of memory. Real requests open one bracket in ten characters.
 */
function checkDensity(text: string): void {
  let left = 65_536 + text.length / 5;
  for (let i = 0; i < text.length; i++) {
    const c = text.charCodeAt(i);
    if ((c === 0x7b || c === 0x5b) && --left < 0) {
      throw new DecodeError(FORMAT, i, 'more objects and lists than a request of this size can need');
    }
  }
}

/** Writes a batch as OTLP/JSON with the field names of OTLP 1.10. */
export function encodeOtlpJson(batch: ProfilesBatch): string {
  return JSON.stringify(
    readMessage(new WireReader(encodeOtlp(batch, { revision: '1.10' }), FORMAT), requestMessage),
  );
}

function fail(path: string, want: string): never {
  throw new DecodeError(FORMAT, 0, `${path === '' ? 'document' : path}: want ${want}`);
}

function writeMessage(w: ReverseWriter, schema: Message, json: unknown, path: string, depth: number): void {
  if (typeof json !== 'object' || json === null || Array.isArray(json)) fail(path, 'an object');
  if (depth > MAX_DEPTH) fail(path, `no more than ${MAX_VALUE_DEPTH} nested attribute values`);
  for (let i = schema.fields.length - 1; i >= 0; i--) {
    const field = schema.fields[i] as Field;
    if (!Object.hasOwn(json, field.name)) continue;
    const value: unknown = Reflect.get(json, field.name);
    if (value === null) continue;
    const at = path === '' ? field.name : `${path}.${field.name}`;
    if (!field.repeated) {
      writeField(w, field, value, at, depth);
      continue;
    }
    if (!Array.isArray(value)) fail(at, 'an array');
    writeRepeated(w, field, value, at, depth);
  }
}

function writeRepeated(
  w: ReverseWriter,
  field: Field,
  values: readonly unknown[],
  path: string,
  depth: number,
): void {
  const { kind } = field;
  if (typeof kind === 'function' || kind === 'string') {
    for (let i = values.length - 1; i >= 0; i--) writeField(w, field, values[i], `${path}[${i}]`, depth);
    return;
  }
  if (values.length === 0) return;
  const before = w.length;
  for (let i = values.length - 1; i >= 0; i--) writeScalar(w, kind, values[i], `${path}[${i}]`);
  w.message(field.number, before);
}

function writeField(w: ReverseWriter, field: Field, value: unknown, path: string, depth: number): void {
  const before = w.length;
  if (typeof field.kind === 'function') {
    writeMessage(w, field.kind(), value, path, depth + 1);
    w.message(field.number, before);
    return;
  }
  const wire = writeScalar(w, field.kind, value, path);
  if (wire === Wire.Len) w.message(field.number, before);
  else w.tag(field.number, wire);
}

/** Writes a scalar without its tag, or the contents of a LEN field; gives its wire type. */
function writeScalar(w: ReverseWriter, kind: ScalarKind, value: unknown, path: string): number {
  switch (kind) {
    case 'string':
      if (typeof value !== 'string') fail(path, 'a string');
      w.string(value);
      return Wire.Len;
    case 'bool':
      if (typeof value !== 'boolean') fail(path, 'true or false');
      w.varint(value ? 1 : 0);
      return Wire.Varint;
    case 'double':
      writeDouble(w, value, path);
      return Wire.I64;
    case 'bytes':
    case 'hex':
      w.raw(bytesFrom(kind, value, path));
      return Wire.Len;
    case 'fixed64': {
      const n = integer(value, 0n, 2n ** 64n, path);
      w.fixed64(Number(n & 0xffff_ffffn), Number(n >> 32n));
      return Wire.I64;
    }
    default:
      w.varintBig(integer(value, ...RANGE[kind], path));
      return Wire.Varint;
  }
}

const RANGE: Readonly<Record<'int32' | 'uint32' | 'int64' | 'uint64', readonly [bigint, bigint]>> = {
  int32: [-(2n ** 31n), 2n ** 31n],
  uint32: [0n, 2n ** 32n],
  int64: [-(2n ** 63n), 2n ** 63n],
  uint64: [0n, 2n ** 64n],
};

function integer(value: unknown, min: bigint, limit: bigint, path: string): bigint {
  const isNumber = typeof value === 'number' && Number.isSafeInteger(value);
  if (!isNumber && !(typeof value === 'string' && /^-?\d{1,20}$/.test(value))) {
    fail(path, 'an integer; those beyond 2^53 as text');
  }
  const n = BigInt(value);
  if (n < min || n >= limit) fail(path, `an integer in [${min}..${limit})`);
  return n;
}

const scratch = new DataView(new ArrayBuffer(8));
const SPECIAL = new Map<unknown, number>([
  ['NaN', NaN],
  ['Infinity', Infinity],
  ['-Infinity', -Infinity],
]);

function writeDouble(w: ReverseWriter, value: unknown, path: string): void {
  let number = typeof value === 'number' ? value : SPECIAL.get(value);
  if (typeof value === 'string' && /^-?\d[\d.eE+-]*$/.test(value)) number = Number(value);
  if (number === undefined) fail(path, 'a number, "NaN", "Infinity" or "-Infinity"');
  scratch.setFloat64(0, number, true);
  w.fixed64(scratch.getUint32(0, true), scratch.getUint32(4, true));
}

function bytesFrom(kind: 'bytes' | 'hex', value: unknown, path: string): Uint8Array {
  if (typeof value !== 'string') fail(path, 'a string');
  const isHex = value.length % 2 === 0 && /^[0-9a-fA-F]*$/.test(value);
  if (kind === 'hex' && !isHex) fail(path, 'hex digits');
  // The Go Collector writes profile ids as hex: 32 digits, which 16 bytes of base64 never are.
  if (kind === 'hex' || (isHex && value.length === 32 && path.endsWith('.profileId')))
    return Buffer.from(value, 'hex');
  if (!/^[A-Za-z0-9+/_-]*={0,2}$/.test(value)) fail(path, 'base64');
  return Buffer.from(value, 'base64');
}

type Json = Record<string, unknown>;

/** A message between the reader's `pos` and `end` as a plain object. */
function readMessage(r: WireReader, schema: Message): Json {
  const json: Json = {};
  while (r.next()) {
    const field = schema.byNumber.get(r.field);
    if (field === undefined) r.skip();
    else if (!field.repeated) json[field.name] = readField(r, field);
    else {
      const list = (json[field.name] ??= []) as unknown[];
      readRepeated(r, field, list);
    }
  }
  return json;
}

function readField(r: WireReader, field: Field): unknown {
  if (typeof field.kind !== 'function') return readScalar(r, field.kind);
  const outer = enter(r);
  const json = readMessage(r, field.kind());
  r.end = outer;
  return json;
}

function readRepeated(r: WireReader, field: Field, into: unknown[]): void {
  const { kind } = field;
  if (typeof kind === 'function' || kind === 'string' || r.wire !== Wire.Len) {
    into.push(readField(r, field));
    return;
  }
  const outer = enter(r);
  while (r.pos < r.end) into.push(readScalar(r, kind));
  r.end = outer;
}

function readScalar(r: WireReader, kind: ScalarKind): unknown {
  switch (kind) {
    case 'string':
      return readUtf8(r);
    case 'bytes':
      return Buffer.from(r.view()).toString('base64');
    case 'hex':
      return Buffer.from(r.view()).toString('hex');
    case 'fixed64':
      r.fixed64();
      return r.u64().toString();
    case 'double': {
      r.fixed64();
      scratch.setUint32(0, r.lo, true);
      scratch.setUint32(4, r.hi, true);
      const number = scratch.getFloat64(0, true);
      return Number.isFinite(number) ? number : String(number);
    }
    default:
      r.varint64();
      return readInteger(r, kind);
  }
}

function readInteger(r: WireReader, kind: 'bool' | 'int32' | 'uint32' | 'int64' | 'uint64'): unknown {
  switch (kind) {
    case 'bool':
      return r.lo !== 0 || r.hi !== 0;
    case 'int32':
      return r.lo | 0;
    case 'uint32':
      return r.lo;
    case 'int64':
      return r.i64().toString();
    case 'uint64':
      return r.u64().toString();
  }
}
