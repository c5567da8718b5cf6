// SPDX-License-Identifier: Apache-2.0
import { WireReader } from '../../internal/wire-reader.ts';
import type { ReverseWriter } from '../../internal/wire-writer.ts';
import { type KeyValue, writeKeyValue } from '../../pdata/any-value.ts';
import type { Attributes } from '../../pdata/attributes.ts';
import type { Resource } from '../../pdata/profiles-batch.ts';
import type { StringTable } from '../../pdata/tables.ts';
import { checkAnyValue, checkKeyValue } from './fields.ts';

const ANY_ROW = 0xffff_ffff;
const found = new Uint32Array(2);

/** Whether an encoded AnyValue, which was checked before, refers to the string table. */
export function valueRefers(bytes: Uint8Array, from: number, to: number): boolean {
  // One short string, the usual case, is known by its first bytes.
  if (bytes[from] === 0x0a && bytes[from + 1] === to - from - 2) return false;
  found[0] = 0;
  checkAnyValue(new WireReader(bytes, 'attribute value', from, to), ANY_ROW, found, 0, 1);
  return found[0] !== 0;
}

function entryRefers(bytes: Uint8Array, from: number, to: number): boolean {
  found[0] = 0;
  checkKeyValue(new WireReader(bytes, 'attribute', from, to), ANY_ROW, found, 0, 1);
  return found[0] !== 0;
}

/** Writes attributes as KeyValue fields `field`, all text in place. */
export function writeAttributes(w: ReverseWriter, field: number, attributes: Attributes): void {
  for (let i = attributes.length - 1; i >= 0; i--) writeKeyValue(w, field, attributes[i] as KeyValue);
}

/**
 * Writes a resource's attributes as KeyValue fields `field`. Those that are as they came are copied, with
 * references into `strings` where these are allowed, and with fields that this version does not know.
 */
export function writeResourceAttributes(
  w: ReverseWriter,
  field: number,
  resource: Resource,
  strings: StringTable,
  allowReferences: boolean,
): void {
  const { attributes, encodedAttributes: encoded } = resource;
  if (encoded === undefined) {
    writeAttributes(w, field, attributes);
    return;
  }
  const { list, bytes, ranges, references } = encoded;
  const isCurrent = allowReferences && references === strings;
  for (let i = attributes.length - 1; i >= 0; i--) {
    const entry = attributes[i] as KeyValue;
    // An edit keeps the order, so an entry is at its place or, behind a removed one, before it.
    const at = list[i] === entry ? i : list.indexOf(entry);
    const [from = 0, to = 0] = at < 0 ? [] : [ranges[at * 2], ranges[at * 2 + 1]];
    if (at < 0 || !(isCurrent || !entryRefers(bytes, from, to))) {
      writeKeyValue(w, field, entry);
      continue;
    }
    const before = w.length;
    w.raw(bytes.subarray(from, to));
    w.message(field, before);
  }
}
