// SPDX-License-Identifier: Apache-2.0
import { isUtf8 } from 'node:buffer';
import { MAX_VALUE_DEPTH } from '../../pdata/any-value.ts';
import { Wire, type WireReader } from '../../internal/wire-reader.ts';

/** What errors call the bytes. */
export const FORMAT = 'OTLP profiles';

/**
 * Narrows the reader to the nested message it stands before and returns the outer end, to be put back
 * into `r.end` behind it.
 */
export function enter(r: WireReader): number {
  r.expect(Wire.Len);
  const outer = r.end;
  const n = r.length();
  r.end = r.pos + n;
  return outer;
}

/** Runs `body` in every message that field `field` holds, until `stop` says so. */
export function eachMessage(r: WireReader, field: number, stop: () => boolean, body: () => void): void {
  while (!stop() && r.next()) {
    if (r.field !== field || r.wire !== Wire.Len) {
      r.skip();
      continue;
    }
    const outer = enter(r);
    body();
    r.pos = r.end;
    r.end = outer;
  }
}

/** A row index, checked against the `rows` of its table. */
export function readRow(r: WireReader, rows: number, what: string): number {
  r.expect(Wire.Varint);
  const at = r.pos;
  const row = r.index();
  if (row >= rows) failRow(r, row, rows, what, at);
  return row;
}

/** Checks a repeated row index, packed or not, against the `rows` of its table; gives how many. */
export function skipRows(r: WireReader, rows: number, what: string): number {
  if (r.wire === Wire.Varint) {
    readRow(r, rows, what);
    return 1;
  }
  const outer = enter(r);
  const { bytes, end } = r;
  let n = 0;
  let pos = r.pos;
  while (pos < end) {
    const at = pos;
    let row = bytes[pos] as number;
    if (row < 0x80) pos++;
    else if (pos + 1 < end && (bytes[pos + 1] as number) < 0x80) {
      row = (row & 0x7f) | ((bytes[pos + 1] as number) << 7);
      pos += 2;
    } else {
      r.pos = pos;
      row = r.index();
      pos = r.pos;
    }
    if (row >= rows) failRow(r, row, rows, what, at);
    n++;
  }
  r.pos = end;
  r.end = outer;
  return n;
}

function failRow(r: WireReader, row: number, rows: number, what: string, at: number): never {
  return r.fail(`${what} ${row} is out of range [0..${rows})`, at);
}

/** A view of an id that has `sizeBytes` bytes or none. */
export function readId(r: WireReader, sizeBytes: number, what: string): Uint8Array {
  r.expect(Wire.Len);
  const at = r.pos;
  const id = r.view();
  if (id.length !== 0 && id.length !== sizeBytes)
    r.fail(`${what} of ${id.length} bytes, want ${sizeBytes}`, at);
  return id;
}

/** A 64-bit varint field; the value is left in `r.lo` and `r.hi`. */
export function readVarint64(r: WireReader): void {
  r.expect(Wire.Varint);
  r.varint64();
}

/** Passes over a LEN field that must be UTF-8; `r.pos` then stands behind it. Gives its length in bytes. */
export function checkUtf8(r: WireReader): number {
  r.expect(Wire.Len);
  const n = r.length();
  const { bytes, pos } = r;
  const end = pos + n;
  let high = 0;
  for (let i = pos; i < end; i++) high |= bytes[i] as number;
  if (high >= 0x80 && !isUtf8(bytes.subarray(pos, end))) r.fail('string is not valid UTF-8', pos);
  r.pos = end;
  return n;
}

/**
 * Passes over the fields of an AnyValue up to `r.end` and checks everything that reading it later
 * relies on. Sets `out[refers]` where the value, or one inside it, refers to the string table (OTLP 1.10), and
 * adds the values inside it to `out[nested]`.
 */
export function checkAnyValue(
  r: WireReader,
  strings: number,
  out: Uint32Array,
  refers: number,
  nested: number,
  depth = 0,
): void {
  if (depth > MAX_VALUE_DEPTH) r.fail(`attribute value nested deeper than ${MAX_VALUE_DEPTH}`);
  let known = 0;
  while (r.next()) {
    if (r.field <= 8 && ++known > 1) r.fail('attribute value of more than one kind');
    switch (r.field) {
      case 1:
        checkUtf8(r);
        break;
      case 2:
      case 3:
        readVarint64(r);
        break;
      case 4:
        r.expect(Wire.I64);
        r.fixed64();
        break;
      case 5:
      case 6:
        checkComposite(r, strings, out, refers, nested, depth);
        break;
      case 7:
        r.expect(Wire.Len);
        r.skip();
        break;
      case 8:
        readRow(r, strings, 'string index');
        if (refers >= 0) out[refers] = 1;
        break;
      default:
        r.skip();
    }
  }
}

function checkComposite(
  r: WireReader,
  strings: number,
  out: Uint32Array,
  refers: number,
  nested: number,
  depth: number,
): void {
  const isArray = r.field === 5;
  const outer = enter(r);
  while (r.next()) {
    if (r.field !== 1) {
      r.skip();
      continue;
    }
    const listEnd = enter(r);
    out[nested] = (out[nested] as number) + 1;
    if (isArray) checkAnyValue(r, strings, out, refers, nested, depth + 1);
    else checkKeyValue(r, strings, out, refers, nested, depth + 1);
    r.end = listEnd;
  }
  r.end = outer;
}

/** The same for a KeyValue, which has a key or refers to one. */
export function checkKeyValue(
  r: WireReader,
  strings: number,
  out: Uint32Array,
  refers: number,
  nested: number,
  depth = 0,
): void {
  let valued = false;
  let keyBytes = 0;
  let keyRow = 0;
  while (r.next()) {
    switch (r.field) {
      case 1:
        keyBytes = checkUtf8(r);
        break;
      case 2: {
        if (valued) r.fail('attribute with more than one value');
        valued = true;
        const outer = enter(r);
        checkAnyValue(r, strings, out, refers, nested, depth);
        r.end = outer;
        break;
      }
      case 3:
        keyRow = readRow(r, strings, 'string index');
        if (keyRow !== 0 && refers >= 0) out[refers] = 1;
        break;
      default:
        r.skip();
    }
  }
  if (keyBytes > 0 && keyRow !== 0) r.fail('attribute with both a key and a reference to one');
}

/**
 * Passes over an EntityRef (fields 1 to 4 are text) as a LEN field. Nothing reads it, but it is passed on and
 * goes into JSON: whoever gets it must not have to refuse the request for it.
 */
export function checkEntityRef(r: WireReader): void {
  r.expect(Wire.Len);
  const outer = enter(r);
  while (r.next()) {
    if (r.field <= 4) checkUtf8(r);
    else r.skip();
  }
  r.end = outer;
}

/** Collects byte ranges of one buffer; neighbours are joined, so that the usual case copies nothing. */
export class Ranges {
  readonly #bytes: Uint8Array;
  readonly #parts: Uint8Array[] = [];
  #from = 0;
  #to = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  add(from: number, to: number): void {
    if (from !== this.#to) {
      this.#flush();
      this.#from = from;
    }
    this.#to = to;
  }

  #flush(): void {
    if (this.#to > this.#from) this.#parts.push(this.#bytes.subarray(this.#from, this.#to));
  }

  /** All ranges in order; a view where they are one. */
  join(): Uint8Array {
    this.#flush();
    const [only] = this.#parts;
    if (only === undefined) return NOTHING;
    return this.#parts.length === 1 ? only : new Uint8Array(Buffer.concat(this.#parts));
  }
}

const NOTHING: Uint8Array = new Uint8Array(0);
