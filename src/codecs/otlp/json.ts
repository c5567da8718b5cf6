// SPDX-License-Identifier: Apache-2.0
import { isUtf8 } from 'node:buffer';
import { DecodeError, Wire } from '../../internal/wire-reader.ts';
import { MAX_VALUE_DEPTH } from '../../pdata/any-value.ts';
import type { ProfilesBatch } from '../../pdata/profiles-batch.ts';
import { decodeOtlpDetailed, decodeOtlpLeniently, type PartlyDecodedOtlp } from './decode.ts';
import { JsonCursor } from './json-cursor.ts';
import { integer, readInteger } from './json-integer.ts';
import { type Field, type Message, OLDER_KEYS, requestMessage, type ScalarKind } from './json-schema.ts';
import { ForwardWriter } from './json-writer.ts';

export { encodeOtlpJson } from './json-encode.ts';

const FORMAT = 'OTLP/JSON profiles';
/** The fixed part of a request is 7 messages deep; an attribute value takes two a level. */
const MAX_DEPTH = 16 + 2 * MAX_VALUE_DEPTH;

/**
 * Reads OTLP/JSON, revisions 1.8 to 1.11: ids are hex, other bytes base64, integers are numbers or text and
 * exact to 64 bits, unknown keys are passed over. Keys are read in lowerCamelCase and, as the Go Collector
 * does, as proto spells them; `sample` and `line` are the names that 1.8 used. A key given twice is refused.
 *
 * The text becomes protobuf and passes the checks of `decodeOtlp`, so the two cannot differ. No object is
 * made on the way: the protobuf takes at most 4 bytes a byte of text (a list of small fixed64 numbers), a
 * third of it in real requests. Throws DecodeError, which names the place by offset and path.
 */
export function decodeOtlpJson(json: string | Uint8Array): ProfilesBatch {
  return decodeAs(json, decodeOtlpDetailed).batch;
}

/**
 * The same, without the profiles that cannot be read as protobuf, as `decodeOtlpLeniently`; what is wrong with
 * the text itself (its syntax, types, keys, ids) refuses all of it.
 */
export function decodeOtlpJsonLeniently(json: string | Uint8Array): PartlyDecodedOtlp {
  const { rejected, ...decoded } = decodeAs(json, decodeOtlpLeniently);
  if (rejected === undefined) return decoded;
  return { ...decoded, rejected: { ...rejected, message: `as protobuf: ${rejected.message}` } };
}

function decodeAs<T>(json: string | Uint8Array, decode: (protobuf: Uint8Array) => T): T {
  const bytes = typeof json === 'string' ? Buffer.from(json) : json;
  if (!isUtf8(bytes)) throw new DecodeError(FORMAT, 0, 'body is not UTF-8');
  const cursor = new JsonCursor(bytes, FORMAT);
  const w = new ForwardWriter(256 + (bytes.length >>> 1));
  new Translator(cursor, w).message(requestMessage, 0);
  if (cursor.peek() >= 0) cursor.fail('nothing behind the document');
  try {
    return decode(w.finish());
  } catch (cause) {
    if (!(cause instanceof DecodeError)) throw cause;
    throw new DecodeError(FORMAT, 0, `as protobuf: ${cause.message}`, { cause });
  }
}

const scratch = new DataView(new ArrayBuffer(8));
const SPECIAL: ReadonlyMap<string, number> = new Map([
  ['NaN', NaN],
  ['Infinity', Infinity],
  ['-Infinity', -Infinity],
]);

class Translator {
  readonly #json: JsonCursor;
  readonly #w: ForwardWriter;

  constructor(json: JsonCursor, w: ForwardWriter) {
    this.#json = json;
    this.#w = w;
  }

  /** The fields of the object that comes next, without tag and length. */
  message(schema: Message, depth: number): void {
    const json = this.#json;
    if (depth > MAX_DEPTH) json.fail(`no more than ${MAX_VALUE_DEPTH} nested attribute values`);
    let seen = 0;
    let next = 0;
    if (json.open(true)) {
      do {
        json.key();
        const at = this.#fieldAt(schema, next);
        const field = schema.fields[at];
        if (field === undefined) {
          this.#skipUnknown();
          continue;
        }
        next = at + 1;
        json.push(field.name);
        if ((seen & (1 << at)) !== 0) json.fail('a key only once');
        seen |= 1 << at;
        this.#field(field, depth);
        json.pop();
      } while (json.more(true));
    }
    // A number that only 1.10 has in this place: the protobuf must not be taken for another revision.
    if (schema.always !== undefined && (seen & (1 << schema.always)) === 0) {
      this.#tag(schema.fields[schema.always] as Field, Wire.Varint);
      this.#w.byte(0);
    }
  }

  /** Index of the field that the key just read names, -1 where there is none. Keys mostly come in order. */
  #fieldAt({ fields, byName }: Message, next: number): number {
    const { bytes, start, end, escaped } = this.#json;
    for (let i = 0; i < fields.length && !escaped; i++) {
      const at = next + i < fields.length ? next + i : next + i - fields.length;
      const { key } = fields[at] as Field;
      if (key.length !== end - start) continue;
      let same = 0;
      while (same < key.length && key[same] === bytes[start + same]) same++;
      if (same === key.length) return at;
    }
    return byName.get(this.#json.text()) ?? -1;
  }

  #skipUnknown(): void {
    const json = this.#json;
    const name = json.text();
    if (OLDER_KEYS.has(name)) json.fail(`JSON of OTLP 1.8 or newer; "${name}" is a key of 1.7`);
    json.skip();
  }

  #tag(field: Field, wire: number): void {
    this.#w.varint((field.number << 3) | wire);
  }

  #field(field: Field, depth: number): void {
    const json = this.#json;
    const { kind, repeated } = field;
    if (json.peek() === 0x6e && json.kind('a value') === 'null') {
      json.word('null');
      return;
    }
    if (!repeated) {
      this.#one(field, depth);
      return;
    }
    if (!json.open(false)) return;
    const packed = typeof kind !== 'function' && kind !== 'string';
    let begun = 0;
    if (packed) {
      this.#tag(field, Wire.Len);
      begun = this.#w.begin();
    }
    let i = 0;
    json.push(0);
    do {
      json.replace(i++);
      if (packed) this.#scalar(kind);
      else this.#one(field, depth);
    } while (json.more(false));
    json.pop();
    if (packed) this.#w.end(begun);
  }

  #one(field: Field, depth: number): void {
    const { kind } = field;
    const wire = typeof kind === 'function' ? Wire.Len : WIRE[kind];
    this.#tag(field, wire);
    if (wire !== Wire.Len) {
      this.#scalar(kind as ScalarKind);
      return;
    }
    const begun = this.#w.begin();
    if (typeof kind === 'function') this.message(kind(), depth + 1);
    else this.#scalar(kind);
    this.#w.end(begun);
  }

  /** A value without tag and length. */
  #scalar(kind: ScalarKind): void {
    const json = this.#json;
    const w = this.#w;
    switch (kind) {
      case 'string':
        this.#want('string', 'a string');
        if (json.escaped) w.raw(Buffer.from(json.text()));
        else w.raw(json.bytes, json.start, json.end);
        return;
      case 'bool': {
        const said = json.kind('true or false');
        if (said !== 'true' && said !== 'false') return json.fail('true or false');
        json.word(said);
        w.byte(said === 'true' ? 1 : 0);
        return;
      }
      case 'double':
        this.#double();
        return;
      case 'bytes':
        w.raw(this.#encoded('base64', /^[A-Za-z0-9+/_-]*={0,2}$/));
        return;
      case 'hex':
        w.raw(this.#encoded('hex', /^(?:[0-9a-fA-F]{2})*$/));
        return;
      case 'id':
        w.raw(this.#profileId());
        return;
      case 'fixed64':
        readInteger(json, kind);
        w.fixed64(integer.lo, integer.hi);
        return;
      default:
        readInteger(json, kind);
        w.varint64(integer.lo, integer.hi);
    }
  }

  #want(kind: 'string', want: string): void {
    if (this.#json.kind(want) !== kind) this.#json.fail(want);
    this.#json.string();
  }

  #double(): void {
    const json = this.#json;
    const want = 'a number, "NaN", "Infinity" or "-Infinity"';
    const at = json.pos;
    const isNumber = json.kind(want) === 'number';
    if (!isNumber) this.#want('string', want);
    const text = isNumber ? json.number() : json.text();
    const special = isNumber ? undefined : SPECIAL.get(text);
    if (!isNumber && special === undefined && !/^-?\d+(\.\d+)?([eE][+-]?\d+)?$/.test(text))
      json.fail(want, at);
    const number = special ?? Number(text);
    if (special === undefined && !Number.isFinite(number)) json.fail('a number that a double can hold', at);
    this.#writeDouble(number);
  }

  #writeDouble(value: number): void {
    scratch.setFloat64(0, value, true);
    this.#w.fixed64(scratch.getUint32(0, true), scratch.getUint32(4, true));
  }

  #encoded(encoding: 'hex' | 'base64', pattern: RegExp): Buffer {
    const want = encoding === 'hex' ? 'hex digits' : 'base64';
    this.#want('string', 'a string');
    const text = this.#json.text();
    if (!pattern.test(text)) this.#json.fail(want, this.#json.start);
    return Buffer.from(text, encoding);
  }

  /**
   * The specification names only trace and span ids as hex, so that a profile id would be base64; Go's pdata,
   * and with it every Collector, reads and writes it as hex. Both are read: 16 bytes are 32 digits in hex and
   * 24 characters at most in base64.
   */
  #profileId(): Buffer {
    this.#json.kind('a string');
    const isHex = this.#peekLength() === 32;
    return isHex
      ? this.#encoded('hex', /^[0-9a-fA-F]{32}$/)
      : this.#encoded('base64', /^[A-Za-z0-9+/_-]*={0,2}$/);
  }

  /** Length of the string that comes next, 0 where it is none. */
  #peekLength(): number {
    const json = this.#json;
    const { pos } = json;
    if (json.peek() !== 0x22) return 0;
    json.string();
    json.pos = pos;
    return json.end - json.start;
  }
}

const WIRE: Readonly<Record<ScalarKind, number>> = {
  string: Wire.Len,
  bytes: Wire.Len,
  hex: Wire.Len,
  id: Wire.Len,
  bool: Wire.Varint,
  int32: Wire.Varint,
  uint32: Wire.Varint,
  int64: Wire.Varint,
  uint64: Wire.Varint,
  double: Wire.I64,
  fixed64: Wire.I64,
};
