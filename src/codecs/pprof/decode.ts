// SPDX-License-Identifier: Apache-2.0
import { gunzipSync } from 'node:zlib';
import { DecodeError, Wire, WireReader } from '../../internal/wire-reader.ts';
import { type AnyValue, intValue, type KeyValue, stringValue } from '../../pdata/any-value.ts';
import { DictionaryBuilder } from '../../pdata/dictionary-builder.ts';
import {
  profile,
  ProfilesBatch,
  resource,
  type Profile,
  type ValueType,
} from '../../pdata/profiles-batch.ts';
import { SamplesBuilder } from '../../pdata/remap.ts';
import {
  decodeFunctions,
  decodeLocations,
  decodeMappings,
  i64,
  type IdTable,
  type Range,
  Strings,
  u64,
} from './decode-tables.ts';
import { PPROF } from './names.ts';

const FORMAT = 'pprof';
const DEFAULT_MAX_BYTES = 64 * 1024 * 1024;

/** Bounds on input that nobody vouches for. */
export interface DecodePprofOptions {
  /** Of the uncompressed file. Default 64 MiB. */
  readonly maxBytes?: number;
}

/**
 * A pprof file, gzipped or not, as one resource with one scope and one profile for each sample type;
 * the default type comes first and scope attributes keep the original order. Throws DecodeError where
 * the file is malformed or breaks a rule of the format: ids unique and not 0, references that resolve,
 * one value for each sample type, labels with a text or a number but not both.
 */
export function decodePprof(bytes: Uint8Array, options: DecodePprofOptions = {}): ProfilesBatch {
  const maxBytes = options.maxBytes ?? DEFAULT_MAX_BYTES;
  const raw = bytes[0] === 0x1f && bytes[1] === 0x8b ? gunzip(bytes, maxBytes) : bytes;
  if (raw.length > maxBytes) throw new DecodeError(FORMAT, maxBytes, `larger than ${maxBytes} bytes`);
  return new Decoder(new WireReader(raw, FORMAT)).decode();
}

function gunzip(bytes: Uint8Array, maxBytes: number): Uint8Array {
  try {
    return gunzipSync(bytes, { maxOutputLength: maxBytes });
  } catch (cause) {
    const isLarge = cause instanceof RangeError;
    throw new DecodeError(FORMAT, 0, isLarge ? `larger than ${maxBytes} bytes` : 'gzip data is damaged', {
      cause,
    });
  }
}

/** Single fields of the Profile message; string fields hold indices. */
interface Head {
  dropFrames: number;
  keepFrames: number;
  timeNanos: bigint;
  durationNanos: bigint;
  periodType: ValueType;
  period: bigint;
  comments: number[];
  defaultSampleType: number;
  docUrl: number;
}

class Decoder {
  readonly #r: WireReader;
  readonly #builder = new DictionaryBuilder();
  /** Ranges of the repeated messages by field number, 1 to 6. */
  readonly #ranges: Range[][] = [[], [], [], [], [], [], []];

  constructor(r: WireReader) {
    this.#r = r;
  }

  decode(): ProfilesBatch {
    const fields = this.#findRanges();
    const [, types = [], samples = [], mappings = [], locations = [], functions = [], texts = []] =
      this.#ranges;
    const strings = new Strings(this.#r, texts, this.#builder);
    const head = this.#head(fields, strings);
    const mappingIds = decodeMappings(this.#r, mappings, strings, this.#builder);
    const functionIds = decodeFunctions(this.#r, functions, strings, this.#builder);
    const locationIds = decodeLocations(this.#r, locations, mappingIds, functionIds, this.#builder);
    if (types.length === 0 && samples.length > 0) this.#r.fail('samples without a sample type');
    const sampleTypes = types.map((range) => this.#valueType(range, strings));
    const builders = sampleTypes.map(() => new SamplesBuilder());
    for (const range of samples) this.#sample(range, strings, locationIds, builders);
    return this.#batch(head, strings, sampleTypes, builders);
  }

  #findRanges(): { field: number; at: WireReader }[] {
    const r = this.#r;
    const fields: { field: number; at: WireReader }[] = [];
    while (r.next()) {
      const { field, wire } = r;
      if (field >= 1 && field <= 6) {
        r.expect(Wire.Len);
        const n = r.length();
        this.#ranges[field]?.push({ pos: r.pos, end: r.pos + n });
        r.pos += n;
      } else if (field <= 15) {
        const at = new WireReader(r.bytes, r.format, r.pos, r.end);
        at.field = field;
        at.wire = wire;
        fields.push({ field, at });
        r.skip();
      } else r.skip();
    }
    return fields;
  }

  #head(fields: readonly { field: number; at: WireReader }[], strings: Strings): Head {
    const head: Head = {
      dropFrames: 0,
      keepFrames: 0,
      timeNanos: 0n,
      durationNanos: 0n,
      periodType: { type: 0, unit: 0 },
      period: 0n,
      comments: [],
      defaultSampleType: 0,
      docUrl: 0,
    };
    for (const { field, at } of fields) {
      if (field === 7) head.dropFrames = strings.index(at);
      else if (field === 8) head.keepFrames = strings.index(at);
      else if (field === 9) head.timeNanos = u64(at);
      else if (field === 10) head.durationNanos = u64(at);
      else if (field === 11) {
        at.expect(Wire.Len);
        const n = at.length();
        head.periodType = this.#valueType({ pos: at.pos, end: at.pos + n }, strings);
      } else if (field === 12) head.period = i64(at);
      else if (field === 13) eachVarint(at, (r) => head.comments.push(strings.index(r)));
      else if (field === 14) head.defaultSampleType = strings.index(at);
      else if (field === 15) head.docUrl = strings.index(at);
    }
    return head;
  }

  #valueType(range: Range, strings: Strings): ValueType {
    const r = new WireReader(this.#r.bytes, FORMAT, range.pos, range.end);
    let type = 0;
    let unit = 0;
    while (r.next()) {
      if (r.field === 1) type = strings.row(r);
      else if (r.field === 2) unit = strings.row(r);
      else r.skip();
    }
    return { type, unit };
  }

  #sample(range: Range, strings: Strings, locations: IdTable, builders: readonly SamplesBuilder[]): void {
    const r = new WireReader(this.#r.bytes, FORMAT, range.pos, range.end);
    const rows: number[] = [];
    const values: bigint[] = [];
    const labels: { key: number; unit: number; value: AnyValue }[] = [];
    while (r.next()) {
      if (r.field === 1) eachVarint(r, (v) => rows.push(locations.get(v, u64(v))));
      else if (r.field === 2) eachVarint(r, (v) => values.push(i64(v)));
      else if (r.field === 3) labels.push(decodeLabel(r, strings));
      else r.skip();
    }
    if (values.length !== builders.length) {
      r.fail(`sample has ${values.length} values for ${builders.length} sample types`, range.pos);
    }
    const stack = this.#builder.stack(rows);
    const attributes = this.#attributes(labels, strings);
    builders.forEach((b, i) => b.add(stack, 0, attributes, [values[i] ?? 0n], []));
  }

  /** Attribute keys are unique, labels need not be: those of one key become a list. */
  #attributes(labels: readonly { key: number; unit: number; value: AnyValue }[], strings: Strings): number[] {
    const byKey = new Map<number, { unit: number; values: AnyValue[] }>();
    for (const { key, unit, value } of labels) {
      const entry = byKey.get(key);
      if (entry === undefined) byKey.set(key, { unit, values: [value] });
      else entry.values.push(value);
    }
    return [...byKey].map(([key, { unit, values }]) => {
      const [only] = values;
      const value: AnyValue =
        only !== undefined && values.length === 1 ? only : { kind: 'array', value: values };
      return this.#builder.attributeOf(strings.text(key), value, strings.text(unit));
    });
  }

  #batch(
    head: Head,
    strings: Strings,
    types: readonly ValueType[],
    builders: readonly SamplesBuilder[],
  ): ProfilesBatch {
    const attributes = this.#profileAttributes(head, strings);
    const profiles = types.map(
      (sampleType, i): Profile =>
        profile({
          sampleType,
          periodType: head.periodType,
          period: head.period,
          timeUnixNano: head.timeNanos,
          durationNano: head.durationNanos,
          attributes,
          samples: (builders[i] ?? new SamplesBuilder()).build(),
        }),
    );
    const order = profiles.map((_, i) => i);
    const scopeAttributes: KeyValue[] = [];
    if (head.defaultSampleType !== 0) {
      const name = strings.rowAt(head.defaultSampleType);
      const at = types.findIndex((t) => t.type === name);
      if (at > 0) order.unshift(...order.splice(at, 1));
      scopeAttributes.push({
        key: PPROF.defaultSampleType,
        value: stringValue(strings.text(head.defaultSampleType)),
      });
    }
    if (order.some((place, i) => place !== i)) {
      scopeAttributes.push({
        key: PPROF.sampleTypeOrder,
        value: { kind: 'array', value: order.map(intValue) },
      });
    }
    const scope = { name: '', version: '', attributes: scopeAttributes, droppedAttributesCount: 0 };
    const ordered = order.flatMap((i) => profiles[i] ?? []);
    const resources =
      ordered.length === 0
        ? []
        : [{ resource: resource([]), schemaUrl: '', scopes: [{ scope, schemaUrl: '', profiles: ordered }] }];
    return new ProfilesBatch(this.#builder.build(), resources);
  }

  #profileAttributes(head: Head, strings: Strings): Int32Array {
    const rows: number[] = [];
    const add = (key: string, index: number): void => {
      if (index !== 0) rows.push(this.#builder.attributeOf(key, stringValue(strings.text(index))));
    };
    add(PPROF.dropFrames, head.dropFrames);
    add(PPROF.keepFrames, head.keepFrames);
    add(PPROF.docUrl, head.docUrl);
    if (head.comments.length > 0) {
      const comments = head.comments.map((index) => stringValue(strings.text(index)));
      rows.push(this.#builder.attributeOf(PPROF.comment, { kind: 'array', value: comments }));
    }
    return Int32Array.from(rows);
  }
}

/** Each value of a repeated varint field, packed or not. */
function eachVarint(r: WireReader, read: (r: WireReader) => void): void {
  if (r.wire !== Wire.Len) {
    read(r);
    return;
  }
  const n = r.length();
  const packed = new WireReader(r.bytes, r.format, r.pos, r.pos + n);
  packed.field = r.field;
  r.pos += n;
  while (packed.pos < packed.end) read(packed);
}

function decodeLabel(outer: WireReader, strings: Strings): { key: number; unit: number; value: AnyValue } {
  outer.expect(Wire.Len);
  const n = outer.length();
  const r = new WireReader(outer.bytes, FORMAT, outer.pos, outer.pos + n);
  outer.pos += n;
  let key = 0;
  let str = 0;
  let num = 0n;
  let unit = 0;
  while (r.next()) {
    if (r.field === 1) key = strings.index(r);
    else if (r.field === 2) str = strings.index(r);
    else if (r.field === 3) num = i64(r);
    else if (r.field === 4) unit = strings.index(r);
    else r.skip();
  }
  if (str !== 0 && num !== 0n) r.fail('label has a text and a number');
  return { key, unit, value: str === 0 ? intValue(num) : stringValue(strings.text(str)) };
}
