// SPDX-License-Identifier: Apache-2.0
import { type AnyValue, valueToText } from '../../pdata/any-value.ts';
import { type Attributes, getAttribute, getText } from '../../pdata/attributes.ts';
import type { Dictionary } from '../../pdata/dictionary.ts';
import type { Profile, ValueType } from '../../pdata/profiles-batch.ts';
import { halvesOf } from '../../pdata/table-rows.ts';
import { LabelRows } from './encode-labels.ts';
import { StringIds } from './encode-strings.ts';
import { TableWriter } from './encode-tables.ts';
import { noLosses, type PprofLosses } from './losses.ts';
import { PPROF } from './names.ts';
import { sameNumbers, sameSamples } from './same-samples.ts';
import { valueHalves } from './values.ts';
import { Writer } from './writer.ts';

/** How `encodePprof` fills in what OTLP leaves open. */
export interface EncodePprofOptions {
  /**
   * Names a location without function `binary+0xaddress` and a function without name after its linker's
   * name or file, so that viewers show them. Default true.
   */
  readonly synthesizeNames?: boolean;
  /**
   * Writes every mapping, location and function of the dictionary, in its order, whether a sample
   * references it or not: what a file read by `decodePprof` needs to come out whole. Default false.
   */
  readonly keepUnreferenced?: boolean;
  /** Whether a sample attribute becomes a label. Default: all do. */
  readonly keepLabel?: (key: string) => boolean;
  /** What the text of a label becomes. Default: it stays. */
  readonly labelText?: (text: string) => string;
  /** Attributes of the scope, for `pprof.scope.*`. */
  readonly scopeAttributes?: Attributes;
  /** Where to count what pprof has no place for. */
  readonly losses?: PprofLosses;
}

/**
 * Profiles of one resource as one pprof file, not compressed: one sample type each, one value per
 * sample (the sum of its values, or its number of timestamps). The profiles must hold the same samples
 * in the same order, as `groupForPprof` makes sure; throws RangeError otherwise. Times, period and
 * attributes are those of the first.
 *
 * What is lost on the way is in README.md beside this file, and counted in `options.losses`. The time is
 * that of the rows the samples reference, however large the dictionary.
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
  const losses = options.losses ?? noLosses();
  const scope = options.scopeAttributes ?? [];
  const ordered = inSampleTypeOrder(profiles, scope);
  const strings = new StringIds(dictionary);
  const tables = new TableWriter(dictionary, strings, options.synthesizeNames ?? true, losses);
  const labels = new LabelRows(
    dictionary,
    strings,
    options.keepLabel ?? (() => true),
    losses,
    options.labelText,
  );
  if (options.keepUnreferenced === true) tables.addAll();
  const w = new Writer(64 * 1024);
  for (const p of ordered) writeValueType(w, 0x0a, strings, p.sampleType);
  writeSamples(w, ordered, tables, labels, losses);
  tables.write(w);
  const head = headOf(dictionary, strings, first, scope, profiles);
  strings.write(w);
  writeHead(w, head, first);
  countProfileLosses(profiles, losses);
  strings.release();
  tables.release();
  labels.release();
  return w.finish();
}

/**
 * Profiles of one scope in groups that fit in one pprof file each: same samples in the same order, same
 * time, period and attributes. A group without company is fine.
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
    a.periodType.unit === b.periodType.unit &&
    sameNumbers(a.attributes, b.attributes)
  );
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

function writeValueType(w: Writer, tag: number, strings: StringIds, type: ValueType): void {
  w.reserve(2 + 12);
  const start = w.begin(tag);
  w.field(0x08, strings.row(type.type));
  w.field(0x10, strings.row(type.unit));
  w.end(start);
}

function writeSamples(
  w: Writer,
  profiles: readonly Profile[],
  tables: TableWriter,
  labels: LabelRows,
  losses: PprofLosses,
): void {
  const samples = profiles[0]?.samples;
  if (samples === undefined) return;
  const { stack, link, attributes, length } = samples;
  const { start, values: rows } = attributes;
  const columns = profiles.map((p) => valueHalves(p.samples, losses));
  for (let i = 0; i < length; i++) {
    w.reserve(2 + 2 + columns.length * 10);
    const sample = w.begin(0x12);
    tables.locationIds(w, stack[i] as number);
    w.reserve(2 + columns.length * 10);
    const values = w.begin(0x12);
    for (const halves of columns) w.varint64(halves[i * 2] as number, halves[i * 2 + 1] as number);
    w.end(values);
    const to = start[i + 1] as number;
    for (let a = start[i] as number; a < to; a++) labels.attribute(w, rows[a] as number);
    if (link[i] !== 0) labels.link(w, link[i] as number);
    w.end(sample);
  }
}

/** String indices of the fields 7 to 15, which must be known before the strings are written. */
interface Head {
  readonly dropFrames: number;
  readonly keepFrames: number;
  readonly periodType: readonly [type: number, unit: number];
  readonly comments: readonly number[];
  readonly docUrl: number;
  readonly defaultSampleType: number;
}

function headOf(
  dictionary: Dictionary,
  strings: StringIds,
  first: Profile,
  scope: Attributes,
  profiles: readonly Profile[],
): Head {
  const values = new Map<string, AnyValue>();
  for (const row of first.attributes)
    values.set(dictionary.attributeKey(row), dictionary.attributeValue(row));
  const take = (key: string): AnyValue | undefined => {
    const value = values.get(key);
    values.delete(key);
    return value;
  };
  const text = (key: string): number => {
    const value = take(key);
    return value === undefined ? 0 : strings.text(valueToText(value));
  };
  const [dropFrames, keepFrames, docUrl] = [PPROF.dropFrames, PPROF.keepFrames, PPROF.docUrl].map(text);
  const comment = take(PPROF.comment);
  const comments = comment?.kind === 'array' ? comment.value.map(valueToText) : [];
  if (comment !== undefined && comment.kind !== 'array') comments.push(valueToText(comment));
  for (const [key, value] of values) comments.push(`${key}=${valueToText(value)}`);
  return {
    dropFrames: dropFrames ?? 0,
    keepFrames: keepFrames ?? 0,
    docUrl: docUrl ?? 0,
    periodType: [strings.row(first.periodType.type), strings.row(first.periodType.unit)],
    comments: comments.map((c) => strings.text(c)),
    defaultSampleType: defaultSampleType(dictionary, strings, scope, profiles),
  };
}

/**
 * OTLP has the default type first, pprof last unless it names one. A name that none of the types has says
 * nothing to a reader of pprof, so it is left out.
 */
function defaultSampleType(
  dictionary: Dictionary,
  strings: StringIds,
  scope: Attributes,
  profiles: readonly Profile[],
): number {
  const [first] = profiles;
  if (first === undefined) return 0;
  const named = getText(scope, PPROF.defaultSampleType);
  if (named !== undefined) {
    const found = profiles.find((p) => dictionary.text(p.sampleType.type) === named);
    return found === undefined ? 0 : strings.row(found.sampleType.type);
  }
  // Where the order is that of a file without a name, the default is the last again; not where types have gone.
  const isLast = inSampleTypeOrder(profiles, scope).at(-1) === first;
  return isLast ? 0 : strings.row(first.sampleType.type);
}

/** Fields 7 to 15. */
function writeHead(w: Writer, head: Head, first: Profile): void {
  w.reserve(5 * 6 + 3 * 11 + 14 + head.comments.length * 6);
  w.field(0x38, head.dropFrames);
  w.field(0x40, head.keepFrames);
  const [time, duration, period] = halvesOfBigints([first.timeUnixNano, first.durationNano, first.period]);
  w.field64(0x48, ...time);
  w.field64(0x50, ...duration);
  const [type, unit] = head.periodType;
  if (type !== 0 || unit !== 0) {
    const start = w.begin(0x5a);
    w.field(0x08, type);
    w.field(0x10, unit);
    w.end(start);
  }
  w.field64(0x60, ...period);
  for (const comment of head.comments) {
    w.bytes[w.pos++] = 0x68;
    w.varint(comment);
  }
  w.field(0x70, head.defaultSampleType);
  w.field(0x78, head.docUrl);
}

type Halves = readonly [lo: number, hi: number];

function halvesOfBigints([a, b, c]: readonly [bigint, bigint, bigint]): [Halves, Halves, Halves] {
  const halves = halvesOf(BigInt64Array.of(BigInt.asIntN(64, a), BigInt.asIntN(64, b), BigInt.asIntN(64, c)));
  const at = (i: number): Halves => [halves[i * 2] ?? 0, halves[i * 2 + 1] ?? 0];
  return [at(0), at(1), at(2)];
}

function countProfileLosses(profiles: readonly Profile[], losses: PprofLosses): void {
  for (const p of profiles) {
    const fields = [p.profileId, p.originalPayload, p.unknown].filter((bytes) => bytes.length > 0).length;
    losses.profileFields += fields + (p.droppedAttributesCount === 0 ? 0 : 1);
  }
}
