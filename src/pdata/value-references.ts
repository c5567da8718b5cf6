// SPDX-License-Identifier: Apache-2.0
import { Wire, WireReader } from '../internal/wire-reader.ts';
import { ReverseWriter } from '../internal/wire-writer.ts';

/** The messages that a reference into the string table can stand in, and what their fields hold. */
type Message = 'value' | 'values' | 'entries' | 'entry';

/** UTF-8 of a row of the string table. */
export type Utf8Lookup = (row: number) => Uint8Array;

/** A field of a message: its bytes `from .. to`, tag included, and where its contents begin. */
interface Field {
  readonly field: number;
  readonly wire: number;
  readonly from: number;
  readonly contents: number;
  readonly to: number;
}

/**
 * Whether a valid encoded AnyValue, `bytes[from .. to]`, may hold references into the string table:
 * false is certain. A value has one kind, so the first tag tells for all but arrays and maps.
 */
export function mayReferToStrings(bytes: Uint8Array, from: number, to: number): boolean {
  if (from === to) return false;
  const tag = bytes[from] as number;
  return tag !== 0x0a && tag !== 0x10 && tag !== 0x18 && tag !== 0x21 && tag !== 0x3a;
}

/**
 * The same AnyValue with its strings in place of references into the string table (OTLP 1.10:
 * `string_value_strindex`, `key_strindex`), unknown fields included. Throws DecodeError on malformed bytes.
 */
export function inlineReferences(value: Uint8Array, strings: Utf8Lookup): Uint8Array {
  const w = new ReverseWriter(value.length * 2 + 32);
  rewrite(w, new WireReader(value, 'attribute value'), 'value', strings);
  return w.finish();
}

function rewrite(w: ReverseWriter, r: WireReader, message: Message, strings: Utf8Lookup): void {
  const { end } = r;
  const fields = fieldsOf(r);
  // Of a field that comes several times the last counts; of an entry, row 0 is none.
  const last = fields.findLast(({ field }) => isReference(message, field));
  const row = last === undefined ? 0 : rowOf(r, last);
  const refers = last !== undefined && (message === 'value' || row !== 0);
  for (const field of fields.reverse()) {
    const inner = innerOf(message, field.field);
    if (isReference(message, field.field)) {
      if (field !== last || !refers) continue;
      const text = strings(row);
      w.raw(text);
      w.varint(text.length);
      w.tag(1, Wire.Len);
    } else if (message === 'entry' && refers && field.field === 1) continue;
    else if (inner !== undefined && field.wire === Wire.Len) {
      const before = w.length;
      r.pos = field.contents;
      r.end = field.to;
      rewrite(w, r, inner, strings);
      w.message(field.field, before);
    } else w.raw(r.bytes.subarray(field.from, field.to));
  }
  r.end = end;
}

function rowOf(r: WireReader, { contents, to }: Field): number {
  r.pos = contents;
  r.end = to;
  return r.index();
}

function isReference(message: Message, field: number): boolean {
  return (message === 'value' && field === 8) || (message === 'entry' && field === 3);
}

function innerOf(message: Message, field: number): Message | undefined {
  switch (message) {
    case 'value':
      return field === 5 ? 'values' : field === 6 ? 'entries' : undefined;
    case 'values':
      return field === 1 ? 'value' : undefined;
    case 'entries':
      return field === 1 ? 'entry' : undefined;
    case 'entry':
      return field === 2 ? 'value' : undefined;
  }
}

function fieldsOf(r: WireReader): Field[] {
  const fields: Field[] = [];
  for (let from = r.pos; r.next(); from = r.pos) {
    const { field, wire } = r;
    const tagEnd = r.pos;
    r.skip();
    const to = r.pos;
    let contents = tagEnd;
    if (wire === Wire.Len) {
      r.pos = tagEnd;
      r.length();
      contents = r.pos;
      r.pos = to;
    }
    fields.push({ field, wire, from, contents, to });
  }
  return fields;
}
