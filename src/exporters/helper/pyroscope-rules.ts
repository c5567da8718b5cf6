// SPDX-License-Identifier: Apache-2.0
import { clampInt64 } from '../../internal/int64.ts';
import { type AnyValue, intValue, stringValue, valueToText } from '../../pdata/any-value.ts';
import { type Attributes, getText } from '../../pdata/attributes.ts';
import type { Dictionary } from '../../pdata/dictionary.ts';
import { DictionaryBuilder } from '../../pdata/dictionary-builder.ts';
import {
  type Profile,
  ProfilesBatch,
  type ResourceProfiles,
  weightOf,
  withProfiles,
  withResourceAttributes,
  withSamples,
  withScopes,
} from '../../pdata/profiles-batch.ts';
import { indexLists, listAt, type Samples } from '../../pdata/tables.ts';
import type { TimeSlots } from './time-slots.ts';

/** Limits of a Pyroscope server with default settings. */
export const PYROSCOPE = {
  /** 30 a series, less those that the server or the protocol add. */
  ownLabels: 25,
  labelNameBytes: 1024,
  labelValueBytes: 2048,
  samplesPerProfile: 16_000,
  /** The burst of the rate limit: a larger series can never pass. */
  seriesBytes: 2 * 1024 * 1024,
} as const;

/** What the rules took away, to be counted by whoever applies them. */
export interface RuleReport {
  droppedLabels: number;
  truncatedLabels: number;
}

/** Attributes that differ from sample to sample and would make a series of each thread and CPU. */
const NOISY_SAMPLE_ATTRIBUTES: ReadonlySet<string> = new Set(['thread.id', 'cpu.logical_number']);

/** Whether a sample attribute is sent: those of the list, or, without a list, all but the noisy ones. */
export function sampleLabelFilter(allowed: readonly string[] | undefined): (key: string) => boolean {
  if (allowed === undefined) return (key) => !NOISY_SAMPLE_ATTRIBUTES.has(key) && isLabelName(key);
  const set = new Set([...allowed, 'trace_id', 'span_id']);
  return (key) => set.has(key) && isLabelName(key);
}

/** Whether the server takes a series with a label of this name; samples' labels are labels of series there. */
const isLabelName = (key: string): boolean =>
  key !== '' && Buffer.byteLength(key) <= PYROSCOPE.labelNameBytes;

/** Pyroscope's own order: the service, else the executable. */
export function serviceName(attributes: Attributes): string {
  return (
    getText(attributes, 'service.name') ||
    getText(attributes, 'service_name') ||
    getText(attributes, 'process.executable.name') ||
    'unknown_service'
  );
}

/** What says least about a service goes first where there are more attributes than labels. */
const EXPENDABLE = [
  /^process\.(command|executable\.path|owner|parent_pid|runtime\.description)/,
  /^(telemetry|os)\./,
  /\.uid$|\.id$|repo_digest/,
  /^(process|container|host|cloud)\./,
];

/** At most `room` attributes in their order, the most telling ones. */
export function mostTelling(attributes: Attributes, room: number): Attributes {
  if (attributes.length <= room) return attributes;
  const rank = (key: string): number => {
    if (key === 'service.name') return EXPENDABLE.length + 1;
    const at = EXPENDABLE.findIndex((pattern) => pattern.test(key));
    return at < 0 ? EXPENDABLE.length : at;
  };
  const kept = new Set(attributes.toSorted((a, b) => rank(b.key) - rank(a.key)).slice(0, Math.max(0, room)));
  return attributes.filter((a) => kept.has(a));
}

/** The value of a label within the server's limit; `report` is told where it was cut. */
export function labelText(text: string, report: RuleReport): string {
  const short = truncateUtf8(text, PYROSCOPE.labelValueBytes);
  if (short !== text) report.truncatedLabels++;
  return short;
}

/** Cut to at most `maxBytes` of UTF-8, never inside a character. */
export function truncateUtf8(text: string, maxBytes: number): string {
  const bytes = Buffer.from(text);
  if (bytes.length <= maxBytes) return text;
  let end = maxBytes;
  while (end > 0 && ((bytes[end] ?? 0) & 0xc0) === 0x80) end--;
  return bytes.subarray(0, end).toString();
}

/** Keys of the sample attributes of some profiles, those that the filter keeps. */
export function sampleLabelKeys(
  dictionary: Dictionary,
  profiles: readonly Profile[],
  keep: (key: string) => boolean,
): string[] {
  const rows = new Set<number>();
  for (const p of profiles) for (const row of p.samples.attributes.values) rows.add(row);
  const keys = new Set<string>();
  for (const row of rows) keys.add(dictionary.attributeKey(row));
  return [...keys].filter(keep);
}

/** Whether the server refuses a profile for its sample type. */
export function isRefusedType({ dictionary }: ProfilesBatch, { sampleType }: Profile): boolean {
  return dictionary.text(sampleType.type).includes('-');
}

/** The batch with `_` for each `-` in its sample types, as the server has those of .NET's agents; itself where none has one. */
export function withTakenTypes(batch: ProfilesBatch): ProfilesBatch {
  if (![...batch.profiles()].some(({ profile }) => isRefusedType(batch, profile))) return batch;
  const builder = new DictionaryBuilder(batch.dictionary);
  const taken = (p: Profile): Profile => {
    const type = builder.string(batch.dictionary.text(p.sampleType.type).replaceAll('-', '_'));
    return withSamples(p, p.samples, { sampleType: { type, unit: p.sampleType.unit } });
  };
  const resources = batch.resources.map((rp) =>
    withScopes(
      rp,
      rp.scopes.map((sp) => withProfiles(sp, sp.profiles.map(taken))),
    ),
  );
  return new ProfilesBatch(builder.build(), resources, batch.unknown);
}

/** How `toPyroscope` treats a batch. */
export interface PyroscopeRules {
  readonly keepSampleAttribute: (key: string) => boolean;
  readonly timeSlots: TimeSlots;
}

/**
 * A batch as Pyroscope accepts it over OTLP without refusing or losing anything: one value per sample
 * and no timestamps, a period type and period, at most 25 attributes that become labels, values of kinds
 * that it keeps, no `-` in sample types, at most 16 000 samples a profile, and no series with the same time twice. Go's mutex and block profiles
 * have the same types: where the series' name tells which it is, it becomes the period type, by which the
 * server names them, or it would add them up. Rows of the original dictionary keep their places. Source: grafana/pyroscope pkg/ingester/otlp/convert.go.
 */
export function toPyroscope(
  given: ProfilesBatch,
  rules: PyroscopeRules,
): { batch: ProfilesBatch; report: RuleReport } {
  const batch = withTakenTypes(given);
  const report: RuleReport = { droppedLabels: 0, truncatedLabels: 0 };
  const builder = new DictionaryBuilder(batch.dictionary);
  const resources = batch.resources.map((rp): ResourceProfiles => {
    const name = getText(rp.resource.attributes, '__name__');
    const own = name === 'mutex' || name === 'block' ? builder.string(name) : undefined;
    const all = rp.scopes.flatMap((s) => s.profiles);
    const sampleKeys = sampleLabelKeys(batch.dictionary, all, rules.keepSampleAttribute);
    const keepKey = new Set(sampleKeys.slice(0, PYROSCOPE.ownLabels - 1));
    report.droppedLabels += sampleKeys.length - keepKey.size;
    const attributes = labelAttributes(rp.resource.attributes, PYROSCOPE.ownLabels - keepKey.size, report);
    let room = PYROSCOPE.ownLabels - keepKey.size - attributes.length;
    const rowsFor = sampleRows(batch, builder, keepKey, report);
    const scopes = rp.scopes.map((sp) => {
      const scopeAttributes = mostTelling(sp.scope.attributes, room);
      report.droppedLabels += sp.scope.attributes.length - scopeAttributes.length;
      room = Math.max(0, room - scopeAttributes.length);
      const series = seriesKey(attributes, scopeAttributes);
      const profiles = sp.profiles.flatMap((p) => {
        return pieces(withPeriod(batch.dictionary, p, own), rowsFor).map((piece) => {
          const type = [p.sampleType, p.periodType].map((t) => batch.dictionary.text(t.type)).join('/');
          const timeUnixNano = rules.timeSlots.claim(`${type} ${series}`, piece.timeUnixNano);
          return withSamples(piece, piece.samples, { timeUnixNano });
        });
      });
      return { ...withProfiles(sp, profiles), scope: { ...sp.scope, attributes: scopeAttributes } };
    });
    return withScopes(withResourceAttributes(rp, attributes), scopes);
  });
  return { batch: new ProfilesBatch(builder.build(), resources), report };
}

function seriesKey(...lists: readonly Attributes[]): string {
  return lists
    .map((list) => list.map(({ key, value }) => `${key}=${valueToText(value)}`).join(','))
    .join(';');
}

/** Attributes as Pyroscope turns them into labels: no doubled service, no reserved names, kinds it keeps. */
function labelAttributes(source: Attributes, room: number, report: RuleReport): Attributes {
  const hasService = source.some((a) => a.key === 'service.name');
  const usable = source.flatMap(({ key, value }) => {
    if (key === 'service_name') return hasService ? [] : [{ key: 'service.name', value }];
    const isReserved = key === '' || (key.startsWith('__') && key !== '__session_id__');
    if (isReserved || Buffer.byteLength(key) > PYROSCOPE.labelNameBytes) return [];
    return [{ key, value: labelValue(value, report) }];
  });
  const kept = mostTelling(usable, room);
  report.droppedLabels += source.length - kept.length;
  return kept;
}

function labelValue(value: AnyValue, report: RuleReport): AnyValue {
  if (value.kind === 'int') return intValue(value.value);
  return stringValue(labelText(valueToText(value), report));
}

/** The rows that stand for those of sample attributes, none for those that are left out: texts are cut. */
function sampleRows(
  { dictionary }: ProfilesBatch,
  builder: DictionaryBuilder,
  keepKey: ReadonlySet<string>,
  report: RuleReport,
): (row: number) => readonly number[] {
  const known = new Map<number, readonly number[]>();
  const rowsFor = (row: number): readonly number[] => {
    const key = dictionary.attributeKey(row);
    if (!keepKey.has(key)) return [];
    if (!isLongValue(dictionary, row)) return [row];
    const value = dictionary.attributeValue(row);
    return value.kind === 'string' ? [builder.attributeOf(key, labelValue(value, report))] : [row];
  };
  return (row) => {
    let rows = known.get(row);
    if (rows === undefined) known.set(row, (rows = rowsFor(row)));
    return rows;
  };
}

/** Whether an attribute's value may be too long for a label: that is of its bytes, which are few more than its text. */
export function isLongValue({ tables: { attributes } }: Dictionary, row: number): boolean {
  return (attributes.end[row] ?? 0) - (attributes.start[row] ?? 0) > PYROSCOPE.labelValueBytes;
}

/**
 * Without a period the server has no name for the profile; off-CPU time alone may come without. `contentions`: the
 * row of the name that those of this series have.
 */
function withPeriod(dictionary: Dictionary, p: Profile, contentions: number | undefined): Profile {
  if (contentions !== undefined && dictionary.text(p.periodType.type) === 'contentions') {
    const periodType = { type: contentions, unit: p.periodType.unit };
    return withSamples(p, p.samples, { periodType, period: p.period || 1n });
  }
  if (p.period !== 0n && p.periodType.type !== 0) return p;
  const isOffCpu =
    dictionary.text(p.sampleType.type) === 'off_cpu' && dictionary.text(p.sampleType.unit) === 'nanoseconds';
  return isOffCpu ? p : withSamples(p, p.samples, { periodType: p.sampleType, period: 1n });
}

/** The profile with one value per sample, in pieces of what a server takes at most. */
function pieces(p: Profile, rowsFor: (row: number) => readonly number[]): Profile[] {
  const out: Profile[] = [];
  for (let from = 0; from < p.samples.length; from += PYROSCOPE.samplesPerProfile) {
    const to = Math.min(p.samples.length, from + PYROSCOPE.samplesPerProfile);
    out.push(
      withSamples(
        p,
        oneValueEach(p.samples, from, to, (_, weight) => weight, rowsFor),
      ),
    );
  }
  return out;
}

/** Samples `from .. to` with one value each, made of a sample's weight; timestamps go. */
export function oneValueEach(
  s: Samples,
  from: number,
  to: number,
  value: (sample: number, weight: bigint) => bigint,
  rowsFor?: (row: number) => readonly number[],
): Samples {
  const length = to - from;
  const values = new BigInt64Array(length);
  const attributes: number[][] = [];
  for (let i = from; i < to; i++) {
    values[i - from] = clampInt64(value(i, weightOf(s, i)));
    const rows = Array.from(listAt(s.attributes, i));
    attributes.push(rowsFor === undefined ? rows : rows.flatMap(rowsFor));
  }
  return {
    length,
    stack: s.stack.slice(from, to),
    link: s.link.slice(from, to),
    attributes: indexLists(attributes),
    valueStart: Uint32Array.from({ length: length + 1 }, (_, i) => i),
    values,
    timestampStart: new Uint32Array(length + 1),
    timestamps: new BigUint64Array(0),
  };
}
