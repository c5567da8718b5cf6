// SPDX-License-Identifier: Apache-2.0
import { ReverseWriter } from '../../internal/wire-writer.ts';
import { type AnyValue, valueToText } from '../../pdata/any-value.ts';
import { type Attributes, getAttribute, getText } from '../../pdata/attributes.ts';
import type { Dictionary } from '../../pdata/dictionary.ts';
import { type Profile, type ValueType, weightOf } from '../../pdata/profiles-batch.ts';
import { listAt, type Samples } from '../../pdata/tables.ts';
import { attributeText, PprofTables } from './encode-tables.ts';
import { PPROF } from './names.ts';

/** How `encodePprof` fills in what OTLP leaves open. */
export interface EncodePprofOptions {
  /** Names a location without function `binary+0xaddress`, so that viewers show it. Default true. */
  readonly synthesizeNames?: boolean;
  /** Whether a sample attribute becomes a label. Default: all do. */
  readonly keepLabel?: (key: string) => boolean;
  /** Attributes of the scope, for `pprof.scope.*`. */
  readonly scopeAttributes?: Attributes;
}

/** One label; a list of texts under one key is written as that many labels. */
interface Label {
  readonly key: number;
  readonly str: number;
  readonly num: bigint;
  readonly unit: number;
}

/**
 * Profiles of one resource as one pprof file, not compressed: one sample type each, one value per
 * sample (the sum of its values, or its number of timestamps). The profiles must hold the same samples
 * in the same order, as `groupForPprof` makes sure; throws RangeError otherwise.
 *
 * Not kept: timestamps, attributes of locations other than `pprof.location.is_folded`, profile ids.
 * Source: https://github.com/google/pprof/blob/main/proto/profile.proto
 */
export function encodePprof(
  dictionary: Dictionary,
  profiles: readonly Profile[],
  options: EncodePprofOptions = {},
): Uint8Array {
  const [first] = profiles;
  if (first === undefined) throw new RangeError('a pprof file needs at least one profile');
  for (const p of profiles) {
    if (!sameSamples(first.samples, p.samples))
      throw new RangeError('profiles of one pprof file must share their samples');
  }
  const ordered = inSampleTypeOrder(profiles, options.scopeAttributes ?? []);
  const tables = new PprofTables(dictionary, options.synthesizeNames ?? true);
  const labels = new Labels(dictionary, tables, options.keepLabel ?? (() => true));
  for (let i = 0; i < first.samples.length; i++) {
    tables.addStack(first.samples.stack[i] ?? 0);
    labels.collect(first.samples, i);
  }
  const head = collectHead(dictionary, tables, ordered, options.scopeAttributes ?? []);
  const w = new ReverseWriter(64 * 1024);
  writeTail(w, head, first);
  tables.write(w);
  writeSamples(w, ordered, tables, labels);
  for (const p of ordered.toReversed()) writeValueType(w, 1, tables, p.sampleType);
  return w.finish();
}

/**
 * Profiles of one scope in groups that fit in one pprof file each: same samples in the same order, same
 * time and period. A group without company is fine.
 */
export function groupForPprof(profiles: readonly Profile[]): Profile[][] {
  const groups: Profile[][] = [];
  for (const p of profiles) {
    const group = groups.find(
      ([g]) => g !== undefined && sameFrame(g, p) && sameSamples(g.samples, p.samples),
    );
    if (group === undefined) groups.push([p]);
    else group.push(p);
  }
  return groups;
}

function sameFrame(a: Profile, b: Profile): boolean {
  return (
    a.timeUnixNano === b.timeUnixNano &&
    a.durationNano === b.durationNano &&
    a.period === b.period &&
    a.periodType.type === b.periodType.type &&
    a.periodType.unit === b.periodType.unit
  );
}

function sameSamples(a: Samples, b: Samples): boolean {
  if (a === b) return true;
  return (
    a.length === b.length &&
    sameNumbers(a.stack, b.stack) &&
    sameNumbers(a.link, b.link) &&
    sameNumbers(a.attributes.start, b.attributes.start) &&
    sameNumbers(a.attributes.values, b.attributes.values)
  );
}

function sameNumbers(a: Int32Array | Uint32Array, b: Int32Array | Uint32Array): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}

function inSampleTypeOrder(profiles: readonly Profile[], scope: Attributes): readonly Profile[] {
  const order = getAttribute(scope, PPROF.sampleTypeOrder);
  if (order?.kind !== 'array' || order.value.length !== profiles.length) return profiles;
  const placed: Profile[] = [];
  order.value.forEach((place, i) => {
    const p = profiles[i];
    if (place.kind === 'int' && p !== undefined) placed[Number(place.value)] = p;
  });
  const isComplete = placed.length === profiles.length && Object.keys(placed).length === profiles.length;
  return isComplete ? placed : profiles;
}

/** String indices of the single fields, collected before the string table is written. */
interface Head {
  readonly dropFrames: number;
  readonly keepFrames: number;
  readonly comments: readonly number[];
  readonly docUrl: number;
  readonly defaultSampleType: number;
  readonly tables: PprofTables;
}

function collectHead(
  dictionary: Dictionary,
  tables: PprofTables,
  profiles: readonly Profile[],
  scope: Attributes,
): Head {
  const rows = profiles[0]?.attributes ?? new Int32Array(0);
  for (const { sampleType, periodType } of profiles) {
    for (const row of [sampleType.type, sampleType.unit, periodType.type, periodType.unit])
      tables.string(row);
  }
  const text = (key: string): number => tables.text(attributeText(dictionary, rows, key) ?? '');
  const commentRow = rows.find((row) => dictionary.attributeKey(row) === PPROF.comment);
  const comment = commentRow === undefined ? undefined : dictionary.attributeValue(commentRow);
  const comments = comment === undefined ? [] : comment.kind === 'array' ? comment.value : [comment];
  const defaultType = getText(scope, PPROF.defaultSampleType) ?? '';
  const isPresent = profiles.some((p) => dictionary.text(p.sampleType.type) === defaultType);
  return {
    dropFrames: text(PPROF.dropFrames),
    keepFrames: text(PPROF.keepFrames),
    comments: comments.map((c) => tables.text(valueToText(c))),
    docUrl: text(PPROF.docUrl),
    defaultSampleType: tables.text(isPresent ? defaultType : ''),
    tables,
  };
}

/** Fields 7 to 15. */
function writeTail(w: ReverseWriter, head: Head, first: Profile): void {
  w.int32Field(15, head.docUrl);
  w.int32Field(14, head.defaultSampleType);
  for (const comment of head.comments.toReversed()) {
    w.varint(comment);
    w.tag(13, 0);
  }
  w.int64Field(12, first.period);
  if (first.periodType.type !== 0 || first.periodType.unit !== 0)
    writeValueType(w, 11, head.tables, first.periodType);
  w.int64Field(10, first.durationNano);
  w.int64Field(9, first.timeUnixNano);
  w.int32Field(8, head.keepFrames);
  w.int32Field(7, head.dropFrames);
}

function writeValueType(w: ReverseWriter, field: number, tables: PprofTables, type: ValueType): void {
  const before = w.length;
  w.int32Field(2, tables.string(type.unit));
  w.int32Field(1, tables.string(type.type));
  w.message(field, before);
}

function writeSamples(
  w: ReverseWriter,
  profiles: readonly Profile[],
  tables: PprofTables,
  labels: Labels,
): void {
  const samples = profiles[0]?.samples;
  if (samples === undefined) return;
  for (let i = samples.length - 1; i >= 0; i--) {
    const before = w.length;
    for (const label of labels.collect(samples, i).toReversed()) writeLabel(w, label);
    const values = w.length;
    for (let p = profiles.length - 1; p >= 0; p--) {
      const profile = profiles[p];
      if (profile !== undefined) w.varintBig(weightOf(profile.samples, i));
    }
    w.message(2, values);
    const ids = w.length;
    for (const id of tables.locationIds(samples.stack[i] ?? 0).reverse()) w.varint(id);
    if (w.length > ids) w.message(1, ids);
    w.message(2, before);
  }
}

function writeLabel(w: ReverseWriter, label: Label): void {
  const before = w.length;
  w.int32Field(4, label.unit);
  w.int64Field(3, label.num);
  w.int32Field(2, label.str);
  w.int32Field(1, label.key);
  w.message(3, before);
}

/** Labels out of sample attributes and links, made once for each row. */
class Labels {
  readonly #dictionary: Dictionary;
  readonly #tables: PprofTables;
  readonly #keep: (key: string) => boolean;
  readonly #ofAttribute = new Map<number, readonly Label[]>();
  readonly #ofLink = new Map<number, readonly Label[]>();

  constructor(dictionary: Dictionary, tables: PprofTables, keep: (key: string) => boolean) {
    this.#dictionary = dictionary;
    this.#tables = tables;
    this.#keep = keep;
  }

  collect(samples: Samples, i: number): Label[] {
    const labels: Label[] = [];
    for (const row of listAt(samples.attributes, i)) {
      labels.push(...once(this.#ofAttribute, row, () => this.#attribute(row)));
    }
    const link = samples.link[i] ?? 0;
    if (link !== 0) labels.push(...once(this.#ofLink, link, () => this.#link(link)));
    return labels;
  }

  #attribute(row: number): readonly Label[] {
    const { attributes } = this.#dictionary.tables;
    if (!this.#keep(this.#dictionary.attributeKey(row))) return [];
    const key = this.#tables.string(attributes.key[row] ?? 0);
    const unit = this.#tables.string(attributes.unit[row] ?? 0);
    const value = this.#dictionary.attributeValue(row);
    const parts = value.kind === 'array' && isRepeated(value.value) ? value.value : [value];
    return parts.flatMap((part) => {
      if (part.kind === 'int') return [{ key, str: 0, num: part.value, unit }];
      const str = this.#tables.text(valueToText(part));
      // A label without text and number means nothing; decoders drop it.
      return str === 0 ? [] : [{ key, str, num: 0n, unit: 0 }];
    });
  }

  #link(row: number): readonly Label[] {
    const { traceIds, spanIds } = this.#dictionary.tables.links;
    const label = (key: string, id: Uint8Array): Label[] => {
      if (!this.#keep(key) || id.every((b) => b === 0)) return [];
      return [
        {
          key: this.#tables.text(key),
          str: this.#tables.text(Buffer.from(id).toString('hex')),
          num: 0n,
          unit: 0,
        },
      ];
    };
    return [
      ...label('trace_id', traceIds.subarray(row * 16, row * 16 + 16)),
      ...label('span_id', spanIds.subarray(row * 8, row * 8 + 8)),
    ];
  }
}

/** Whether an array came from repeated labels: texts only, or numbers only. */
function isRepeated(values: readonly AnyValue[]): boolean {
  return values.every((v) => v.kind === 'string') || values.every((v) => v.kind === 'int');
}

function once<V>(map: Map<number, V>, key: number, make: () => V): V {
  let value = map.get(key);
  if (value === undefined) {
    value = make();
    map.set(key, value);
  }
  return value;
}
