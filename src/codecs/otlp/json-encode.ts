// SPDX-License-Identifier: Apache-2.0
import { Wire, WireReader } from '../../internal/wire-reader.ts';
import { ReverseWriter } from '../../internal/wire-writer.ts';
import type { ProfilesBatch } from '../../pdata/profiles-batch.ts';
import { encodeOtlp, type EncodeOptions } from './encode.ts';
import { enter } from './fields.ts';
import { type Field, type Message, requestMessage, type ScalarKind } from './json-schema.ts';
import { JsonWriter } from './json-text.ts';

/**
 * Writes a batch as OTLP/JSON in UTF-8 with the keys of OTLP 1.10. Ids are hex, the profile id too (see
 * `decodeOtlpJson`), 64-bit integers text. Fields that this version does not know have no name and are left
 * out.
 */
export function encodeOtlpJson(
  batch: ProfilesBatch,
  options: Pick<EncodeOptions, 'inlineReferences'> = {},
): Uint8Array {
  const bytes = encodeOtlp(batch, { ...options, revision: '1.10' });
  const w = new JsonWriter(1024 + bytes.length * 4);
  writeMessage(w, new WireReader(bytes, 'OTLP profiles'), requestMessage);
  return w.finish();
}

/** The message between the reader's `pos` and `end`. */
function writeMessage(w: JsonWriter, r: WireReader, schema: Message): void {
  const begun = w.length;
  const from = r.pos;
  let seen = 0;
  let open = -1;
  w.byte(OPEN_OBJECT);
  while (r.next()) {
    const at = schema.byNumber.get(r.field);
    const field = at === undefined ? undefined : schema.fields[at];
    if (at === undefined || field === undefined) {
      r.skip();
      continue;
    }
    const again = (seen & (1 << at)) !== 0;
    if (again && !(field.repeated && at === open)) {
      // Written by somebody who did not sort the fields: once more from the start, sorted.
      w.length = begun;
      r.pos = from;
      writeMessage(w, sorted(r, schema), schema);
      return;
    }
    if (open >= 0 && at !== open) w.byte(CLOSE_LIST);
    if (!again) {
      if (seen !== 0) w.byte(COMMA);
      seen |= 1 << at;
      w.ascii(field.opening);
      open = field.repeated ? at : -1;
      if (field.repeated) w.byte(OPEN_LIST);
    }
    if (field.repeated) writeItems(w, r, field, again);
    else writeValue(w, r, field.kind);
  }
  if (open >= 0) w.byte(CLOSE_LIST);
  w.byte(CLOSE_OBJECT);
}

const OPEN_OBJECT = 0x7b;
const CLOSE_OBJECT = 0x7d;
const OPEN_LIST = 0x5b;
const CLOSE_LIST = 0x5d;
const COMMA = 0x2c;

/** `behind`: an item was written before. */
function writeItems(w: JsonWriter, r: WireReader, { kind }: Field, behind: boolean): void {
  if (typeof kind === 'function' || kind === 'string' || r.wire !== Wire.Len) {
    if (behind && !w.endsWith(OPEN_LIST)) w.byte(COMMA);
    writeValue(w, r, kind);
    return;
  }
  const outer = enter(r);
  let first = !behind || w.endsWith(OPEN_LIST);
  while (r.pos < r.end) {
    if (!first) w.byte(COMMA);
    first = false;
    writeScalar(w, r, kind);
  }
  r.end = outer;
}

function writeValue(w: JsonWriter, r: WireReader, kind: Field['kind']): void {
  if (typeof kind !== 'function') {
    writeScalar(w, r, kind);
    return;
  }
  const outer = enter(r);
  writeMessage(w, r, kind());
  r.pos = r.end;
  r.end = outer;
}

/**
 * The known fields of a message in order: what is repeated side by side, of scalars that came twice the last,
 * of messages all as one, as protobuf merges them.
 */
function sorted(r: WireReader, schema: Message): WireReader {
  const parts: Uint8Array[][] = schema.fields.map(() => []);
  for (let at = r.pos; r.next(); at = r.pos) {
    const place = schema.byNumber.get(r.field) ?? -1;
    const field = schema.fields[place];
    const isMessage = typeof field?.kind === 'function' && !field.repeated;
    const value = isMessage ? r.view() : undefined;
    if (value === undefined) r.skip();
    const whole = r.bytes.subarray(at, r.pos);
    if (isMessage || field?.repeated === true) parts[place]?.push(value ?? whole);
    else if (field !== undefined) parts[place] = [whole];
  }
  const w = new ReverseWriter(r.end - r.pos + 1024);
  for (let i = schema.fields.length - 1; i >= 0; i--) {
    const { kind, number, repeated } = schema.fields[i] as Field;
    const before = w.length;
    for (const part of parts[i]?.toReversed() ?? []) w.raw(part);
    if (typeof kind === 'function' && !repeated && parts[i]?.length !== 0) w.message(number, before);
  }
  return new WireReader(w.finish(), r.format);
}

const scratch = new DataView(new ArrayBuffer(8));

function writeScalar(w: JsonWriter, r: WireReader, kind: ScalarKind): void {
  switch (kind) {
    case 'string':
      w.string(r.view());
      return;
    case 'bytes':
      w.ascii(`"${Buffer.from(r.view()).toString('base64')}"`);
      return;
    case 'hex':
    case 'id':
      w.ascii(`"${Buffer.from(r.view()).toString('hex')}"`);
      return;
    case 'fixed64':
      r.fixed64();
      w.quoted(r.lo, r.hi);
      return;
    case 'double': {
      r.fixed64();
      scratch.setUint32(0, r.lo, true);
      scratch.setUint32(4, r.hi, true);
      const number = scratch.getFloat64(0, true);
      if (!Number.isFinite(number)) w.ascii(`"${number}"`);
      else w.ascii(Object.is(number, -0) ? '-0' : String(number));
      return;
    }
    default:
      r.varint64();
      writeInteger(w, r, kind);
  }
}

function writeInteger(
  w: JsonWriter,
  r: WireReader,
  kind: 'bool' | 'int32' | 'uint32' | 'int64' | 'uint64',
): void {
  const { lo, hi } = r;
  if (kind === 'bool') w.ascii(lo !== 0 || hi !== 0 ? 'true' : 'false');
  else if (kind === 'int32' && (lo | 0) < 0) w.ascii(String(lo | 0));
  else if (kind === 'int32' || kind === 'uint32') w.decimal(lo);
  else if (kind === 'int64' && hi >= 0x8000_0000) w.ascii(`"${r.i64()}"`);
  else w.quoted(lo, hi);
}
