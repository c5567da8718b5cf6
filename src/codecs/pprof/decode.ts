// SPDX-License-Identifier: Apache-2.0
import { DecodeError, Wire, WireReader } from '../../internal/wire-reader.ts';
import { type AnyValue, intValue, type KeyValue, stringValue } from '../../pdata/any-value.ts';
import { Dictionary } from '../../pdata/dictionary.ts';
import {
  profile,
  ProfilesBatch,
  resource,
  type Profile,
  type ValueType,
} from '../../pdata/profiles-batch.ts';
import { AttributeRows } from './attributes.ts';
import { MemoryBudget } from './budget.ts';
import { type DecodedSamples, decodeSamples } from './decode-samples.ts';
import { decodeFunctions, decodeLocations, decodeMappings, type TableContext } from './decode-tables.ts';
import { PPROF } from './names.ts';
import { Field, type Head, nextMessage, type Region, scanLayout } from './scan.ts';
import { Strings } from './strings.ts';

/** What DecodeError says that the bytes should have been. */
export const FORMAT = 'pprof';

/** Default bound on an uncompressed file. */
export const DEFAULT_MAX_BYTES = 64 * 1024 * 1024;

/** Bounds on input that nobody vouches for. */
export interface DecodePprofOptions {
  /** Of the uncompressed file. Default 64 MiB. */
  readonly maxBytes?: number;
}

/**
 * An uncompressed pprof file as one resource with one scope and one profile for each sample type; the
 * profiles share every column but the values. The default type comes first (the last of the file where
 * it names none, as pprof has it), and scope attributes keep the original order. A file without sample
 * types is an empty batch.
 *
 * Throws DecodeError where the file is malformed, would take more than eight times its size as columns,
 * or breaks a rule of the format: ids unique and not 0, references that resolve, one value for each
 * sample type, labels with a text or a number but not both, texts in UTF-8.
 * Source: https://github.com/google/pprof/blob/main/proto/profile.proto
 */
export function decodePprof(bytes: Uint8Array, options: DecodePprofOptions = {}): ProfilesBatch {
  const maxBytes = options.maxBytes ?? DEFAULT_MAX_BYTES;
  if (bytes.length > maxBytes) throw new DecodeError(FORMAT, maxBytes, `larger than ${maxBytes} bytes`);
  if (isGzip(bytes)) throw new DecodeError(FORMAT, 0, 'gzip data, which readPprof reads');
  const r = new WireReader(bytes, FORMAT);
  const budget = new MemoryBudget(bytes.length);
  const { regions, head } = scanLayout(r, budget);
  const region = (field: number): Region => regions[field] ?? { field, count: 0, start: 0, end: 0 };
  const strings = new Strings(r, region(Field.string), budget);
  const attributes = new AttributeRows(strings, budget);
  const context: TableContext = { r, strings, attributes, budget };
  checkHead(r, head, strings);
  const types = readValueTypes(context, region(Field.sampleType));
  const mappings = decodeMappings(context, region(Field.mapping));
  const functions = decodeFunctions(context, region(Field.function));
  const locations = decodeLocations(context, region(Field.location), mappings.ids, functions.ids);
  const decoded = decodeSamples(context, region(Field.sample), types.length, locations.ids);
  const profiles = profilesOf(context, head, types, decoded);
  const dictionary = new Dictionary({
    mappings: mappings.table,
    functions: functions.table,
    locations: locations.table,
    stacks: decoded.stacks,
    links: { length: 1, traceIds: new Uint8Array(16), spanIds: new Uint8Array(8) },
    attributes: attributes.build(),
    strings: strings.build(),
  });
  return batchOf(dictionary, head, profiles);
}

/** Whether bytes start as gzip does; no pprof file starts so. */
export function isGzip(bytes: Uint8Array): boolean {
  return bytes[0] === 0x1f && bytes[1] === 0x8b;
}

function checkHead(r: WireReader, head: Head, strings: Strings): void {
  const { dropFrames, keepFrames, docUrl, defaultSampleType, comments } = head;
  for (const index of [dropFrames, keepFrames, docUrl, defaultSampleType]) strings.checked(r, index);
  for (const index of comments) strings.checked(r, index);
}

function readValueTypes({ r, strings, budget }: TableContext, region: Region): ValueType[] {
  budget.charge(r, region.count * 64);
  const types: ValueType[] = [];
  r.pos = region.start;
  for (let i = 0; i < region.count; i++) {
    r.end = nextMessage(r, region);
    types.push(readValueType(r, strings));
  }
  return types;
}

/** A ValueType message between `r.pos` and `r.end`. */
function readValueType(r: WireReader, strings: Strings): ValueType {
  let type = 0;
  let unit = 0;
  while (r.next()) {
    if (r.field > 2) r.skip();
    else {
      r.expect(Wire.Varint);
      if (r.field === 1) type = strings.index(r);
      else unit = strings.index(r);
    }
  }
  return { type, unit };
}

/** In the order of the file. */
function profilesOf(
  context: TableContext,
  head: Head,
  types: readonly ValueType[],
  decoded: DecodedSamples,
): Profile[] {
  const { r, strings } = context;
  r.pos = head.periodType.start;
  r.end = head.periodType.end;
  const periodType = readValueType(r, strings);
  const attributes = profileAttributes(context, head);
  return decoded.samples.map((samples, i) =>
    profile({
      sampleType: types[i] ?? { type: 0, unit: 0 },
      periodType,
      period: head.period,
      timeUnixNano: head.timeNanos,
      durationNano: head.durationNanos,
      attributes,
      samples,
    }),
  );
}

function profileAttributes({ r, strings, attributes, budget }: TableContext, head: Head): Int32Array {
  const rows: number[] = [];
  const add = (key: string, str: number): void => {
    if (str !== 0) rows.push(attributes.label(r, { key: strings.own(key), str, lo: 0, hi: 0, unit: 0 }));
  };
  add(PPROF.dropFrames, head.dropFrames);
  add(PPROF.keepFrames, head.keepFrames);
  add(PPROF.docUrl, head.docUrl);
  if (head.comments.length > 0) {
    const value = head.comments.map((index) => stringValue(strings.textWithin(r, index, budget)));
    rows.push(attributes.of(r, strings.own(PPROF.comment), { kind: 'array', value }));
  }
  return Int32Array.from(rows);
}

function batchOf(dictionary: Dictionary, head: Head, profiles: readonly Profile[]): ProfilesBatch {
  if (profiles.length === 0) return new ProfilesBatch(dictionary, []);
  const defaultType = dictionary.text(head.defaultSampleType);
  // A name that no type has says nothing.
  const named =
    head.defaultSampleType === 0
      ? -1
      : profiles.findIndex((p) => dictionary.text(p.sampleType.type) === defaultType);
  const first = named >= 0 ? named : profiles.length - 1;
  const order = profiles.map((_, i) => i);
  order.unshift(...order.splice(first, 1));
  const attributes: KeyValue[] = [];
  if (named >= 0) attributes.push({ key: PPROF.defaultSampleType, value: stringValue(defaultType) });
  if (first !== 0) {
    const value: AnyValue = { kind: 'array', value: order.map(intValue) };
    attributes.push({ key: PPROF.sampleTypeOrder, value });
  }
  const scope = { name: '', version: '', attributes, droppedAttributesCount: 0 };
  const ordered = order.flatMap((i) => profiles[i] ?? []);
  return new ProfilesBatch(dictionary, [
    { resource: resource([]), schemaUrl: '', scopes: [{ scope, schemaUrl: '', profiles: ordered }] },
  ]);
}
