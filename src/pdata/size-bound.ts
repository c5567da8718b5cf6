// SPDX-License-Identifier: Apache-2.0
import { ReverseWriter } from '../internal/wire-writer.ts';
import { writeKeyValue } from './any-value.ts';
import type { Attributes } from './attributes.ts';
import type { Dictionary } from './dictionary.ts';
import type { Profile, Resource, ResourceProfiles, ScopeProfiles, ValueType } from './profiles-batch.ts';
import { hasZeroRows } from './remap.ts';
import { halvesOf } from './table-rows.ts';
import type { IndexLists, Samples } from './tables.ts';
import { inlineReferences, mayReferToStrings } from './value-references.ts';

/** Tag and length of a message whose size is not known yet, and of a 64-bit or 32-bit varint field. */
const HEADER = 6;
const WIDE_FIELD = 11;
/** The zero rows of seven tables, and the header of the dictionary. */
const EMPTY_DICTIONARY = HEADER + 7 * 2;
/** A link that the first sample of a profile has even where it is 0, and what that adds to its length. */
const FIRST_LINK = 3;

/** Bytes of a varint below 2^32. */
function varintBytes(value: number): number {
  return value < 0x80 ? 1 : value < 0x4000 ? 2 : value < 0x20_0000 ? 3 : value < 0x1000_0000 ? 4 : 5;
}

/** A field with a length: tag, length, contents. */
const field = (contents: number): number => 1 + varintBytes(contents) + contents;

/** A field that is left out where it is empty. */
const listField = (contents: number): number => (contents === 0 ? 0 : field(contents));

/** A 64-bit varint field, left out where it is 0. */
function wideField(halves: Int32Array, i: number): number {
  return halves[i * 2] === 0 && halves[i * 2 + 1] === 0 ? 0 : 1 + wideBytes(halves, i);
}

/** Bytes of a 64-bit varint by its halves. */
function wideBytes(halves: Int32Array, i: number): number {
  const hi = halves[i * 2 + 1] as number;
  if (hi === 0) return varintBytes((halves[i * 2] as number) >>> 0);
  return Math.ceil((64 - Math.clz32(hi)) / 7);
}

/** Which rows of a table a part has already, and how many bytes an index into it takes at most. */
class Marks {
  readonly indexBytes: number;
  readonly #zeroBytes: number;
  readonly #epochs: Uint32Array;

  /** `isZeroFree`: row 0 is the zero row, to which no field refers. */
  constructor(length: number, isZeroFree: boolean) {
    this.indexBytes = varintBytes(length + 1);
    this.#zeroBytes = isZeroFree ? 0 : 1 + this.indexBytes;
    this.#epochs = new Uint32Array(length);
  }

  /** A field that refers to the row. */
  field(row: number): number {
    return row === 0 ? this.#zeroBytes : 1 + this.indexBytes;
  }

  /** Whether the row is new to this part; it is not any more. */
  take(row: number, epoch: number): boolean {
    if (this.#epochs[row] === epoch) return false;
    this.#epochs[row] = epoch;
    return true;
  }
}

/**
 * How many bytes of OTLP protobuf a part of a batch takes at most, told piece by piece while the part
 * grows: each method gives the bytes of what it names and of all rows of the dictionary that the part
 * did not have yet. Holds for the revisions 1.9 and 1.10, references written in place or not; the rows
 * are renumbered and without duplicates, as `Cutter` makes them. Each row is looked at once a part.
 */
export class SizeBound {
  readonly #dictionary: Dictionary;
  readonly #strings: Marks;
  readonly #functions: Marks;
  readonly #mappings: Marks;
  readonly #locations: Marks;
  readonly #stacks: Marks;
  readonly #links: Marks;
  readonly #attributes: Marks;
  readonly #startLine: Int32Array;
  readonly #address: Int32Array;
  readonly #line: Int32Array;
  readonly #column: Int32Array;
  #epoch = 0;
  /** The samples that were asked for last, and the halves of their values. */
  #samples: Samples | undefined;
  #values: Int32Array = new Int32Array(0);

  constructor(dictionary: Dictionary) {
    const t = dictionary.tables;
    const isZeroFree = hasZeroRows(dictionary);
    this.#dictionary = dictionary;
    this.#strings = new Marks(t.strings.length, isZeroFree);
    this.#functions = new Marks(t.functions.length, isZeroFree);
    this.#mappings = new Marks(t.mappings.length, isZeroFree);
    this.#locations = new Marks(t.locations.length, isZeroFree);
    this.#stacks = new Marks(t.stacks.length, isZeroFree);
    this.#links = new Marks(t.links.length, isZeroFree);
    this.#attributes = new Marks(t.attributes.length, isZeroFree);
    this.#startLine = halvesOf(t.functions.startLine);
    this.#address = halvesOf(t.locations.address);
    this.#line = halvesOf(t.locations.lineLine);
    this.#column = halvesOf(t.locations.lineColumn);
  }

  /** Begins a part. */
  begin(): number {
    this.#epoch++;
    return EMPTY_DICTIONARY;
  }

  resource({ resource, schemaUrl, unknown }: ResourceProfiles): number {
    const own = HEADER + WIDE_FIELD + resourceAttributesBytes(resource) + resource.unknown.length;
    return HEADER + own + textBytes(schemaUrl) + (unknown?.length ?? 0);
  }

  scope({ scope, schemaUrl, unknown }: ScopeProfiles): number {
    const { name, version, attributes } = scope;
    const own = HEADER + WIDE_FIELD + textBytes(name) + textBytes(version) + attributesBytes(attributes);
    return HEADER + own + (scope.unknown?.length ?? 0) + textBytes(schemaUrl) + (unknown?.length ?? 0);
  }

  /** The profile without its samples, and without its original payload unless asked. */
  profile(p: Profile, withPayload: boolean): number {
    const payload = withPayload ? textBytes(p.originalPayloadFormat) + HEADER + p.originalPayload.length : 0;
    let rows = 0;
    for (const row of p.attributes) rows += this.#attribute(row);
    return (
      HEADER +
      FIRST_LINK +
      this.#valueType(p.sampleType) +
      this.#valueType(p.periodType) +
      4 * WIDE_FIELD +
      listField(p.profileId.length) +
      listField(p.attributes.length * this.#attributes.indexBytes) +
      rows +
      payload +
      p.unknown.length
    );
  }

  sample(s: Samples, i: number): number {
    const { indexBytes } = this.#attributes;
    const stack = s.stack[i] as number;
    const link = s.link[i] as number;
    let bytes = this.#stacks.field(stack) + this.#links.field(link);
    let rows = this.#stack(stack) + this.#link(link);
    const attributesEnd = s.attributes.start[i + 1] as number;
    let at = s.attributes.start[i] as number;
    bytes += listField((attributesEnd - at) * indexBytes);
    for (; at < attributesEnd; at++) rows += this.#attribute(s.attributes.values[at] as number);
    if (this.#samples !== s) {
      this.#samples = s;
      this.#values = halvesOf(s.values);
    }
    let packed = 0;
    for (let v = s.valueStart[i] as number; v < (s.valueStart[i + 1] as number); v++)
      packed += wideBytes(this.#values, v);
    const times = (s.timestampStart[i + 1] as number) - (s.timestampStart[i] as number);
    return field(bytes + listField(packed) + listField(times * 8)) + rows;
  }

  #valueType({ type, unit }: ValueType): number {
    return (
      field(this.#strings.field(type) + this.#strings.field(unit)) + this.#string(type) + this.#string(unit)
    );
  }

  #string(row: number): number {
    if (!this.#strings.take(row, this.#epoch)) return 0;
    const { start, end } = this.#dictionary.tables.strings;
    return field((end[row] as number) - (start[row] as number));
  }

  #function(row: number): number {
    if (!this.#functions.take(row, this.#epoch)) return 0;
    const t = this.#dictionary.tables.functions;
    const name = t.name[row] as number;
    const systemName = t.systemName[row] as number;
    const filename = t.filename[row] as number;
    const strings = this.#strings;
    const own =
      strings.field(name) +
      strings.field(systemName) +
      strings.field(filename) +
      wideField(this.#startLine, row);
    return field(own) + this.#string(name) + this.#string(systemName) + this.#string(filename);
  }

  #list({ start, values }: IndexLists, i: number): { own: number; rows: number } {
    const from = start[i] as number;
    const to = start[i + 1] as number;
    let rows = 0;
    for (let k = from; k < to; k++) rows += this.#attribute(values[k] as number);
    return { own: listField((to - from) * this.#attributes.indexBytes), rows };
  }

  #mapping(row: number): number {
    if (!this.#mappings.take(row, this.#epoch)) return 0;
    const t = this.#dictionary.tables.mappings;
    const attributes = this.#list(t.attributes, row);
    const own = 3 * WIDE_FIELD + 1 + this.#strings.indexBytes + attributes.own;
    return field(own) + attributes.rows + this.#string(t.filename[row] as number);
  }

  #location(row: number): number {
    if (!this.#locations.take(row, this.#epoch)) return 0;
    const t = this.#dictionary.tables.locations;
    const attributes = this.#list(t.attributes, row);
    const mapping = t.mapping[row] as number;
    let own = this.#mappings.field(mapping) + wideField(this.#address, row) + attributes.own;
    let rows = attributes.rows + this.#mapping(mapping);
    for (let l = t.lineStart[row] as number; l < (t.lineStart[row + 1] as number); l++) {
      const fn = t.lineFunction[l] as number;
      own += field(this.#functions.field(fn) + wideField(this.#line, l) + wideField(this.#column, l));
      rows += this.#function(fn);
    }
    return field(own) + rows;
  }

  #stack(row: number): number {
    if (!this.#stacks.take(row, this.#epoch)) return 0;
    const { start, values } = this.#dictionary.tables.stacks.locations;
    const from = start[row] as number;
    const to = start[row + 1] as number;
    let bytes = field(listField((to - from) * this.#locations.indexBytes));
    for (let i = from; i < to; i++) bytes += this.#location(values[i] as number);
    return bytes;
  }

  #link(row: number): number {
    return this.#links.take(row, this.#epoch) ? field(field(16) + field(8)) : 0;
  }

  #attribute(row: number): number {
    if (!this.#attributes.take(row, this.#epoch)) return 0;
    const { key, unit, bytes, start, end } = this.#dictionary.tables.attributes;
    const from = start[row] as number;
    const to = end[row] as number;
    const value = mayReferToStrings(bytes, from, to)
      ? inlineReferences(bytes.subarray(from, to), (i) => this.#dictionary.utf8(i)).length
      : to - from;
    const own = 2 * (1 + this.#strings.indexBytes) + field(value);
    return field(own) + this.#string(key[row] as number) + this.#string(unit[row] as number);
  }
}

const textBytes = (text: string): number => field(Buffer.byteLength(text));

/** An attribute that is as it came may be spliced, with whatever else its message has. */
function resourceAttributesBytes({ attributes, encodedAttributes }: Resource): number {
  if (encodedAttributes === undefined) return attributesBytes(attributes);
  const { list, ranges } = encodedAttributes;
  let bytes = 0;
  for (const entry of attributes) {
    const at = list.indexOf(entry);
    const spliced = at < 0 ? 0 : (ranges[at * 2 + 1] ?? 0) - (ranges[at * 2] ?? 0);
    bytes += Math.max(attributesBytes([entry]), HEADER + spliced);
  }
  return bytes;
}

function attributesBytes(attributes: Attributes): number {
  const w = new ReverseWriter(attributes.length * 64 + 16);
  for (const entry of attributes) writeKeyValue(w, 1, entry);
  return w.length;
}
