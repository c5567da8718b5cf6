// SPDX-License-Identifier: Apache-2.0
import type { AnyValue } from './any-value.ts';
import type { Attributes } from './attributes.ts';
import type { Dictionary } from './dictionary.ts';
import type { Profile, ProfilesBatch, ResourceProfiles, ScopeProfiles, ValueType } from './profiles-batch.ts';
import { type IndexLists, listAt, type Samples } from './tables.ts';

/**
 * What the profiles of a batch mean, one sorted line a sample, a profile and an original payload. Two
 * batches mean the same exactly when their lines are equal: the order of rows, resources, scopes, profiles,
 * samples and attributes makes no difference, nor do equal or unused rows, references in place of strings,
 * resources that come in several pieces, or profiles of one identity cut between samples. Samples of one
 * identity (stack, set of attributes, link) and shape are one: values are added up, timestamps gathered.
 * Resources and scopes without a profile mean nothing; a profile without samples does. For tests and tools:
 * the lines are long. Source: opentelemetry-proto profiles.proto, message Sample.
 */
export function canonicalForm(batch: ProfilesBatch): string[] {
  const rows = new RowTexts(batch.dictionary);
  const profiles = new Map<string, Merged>();
  for (const { resource, scope, profile } of batch.profiles()) {
    const key = [resourceText(resource), scopeText(scope), profileText(rows, profile)].join(' / ');
    let merged = profiles.get(key);
    if (merged === undefined) profiles.set(key, (merged = { samples: new Map(), payloads: new Set() }));
    if (profile.originalPayload.length > 0 || profile.originalPayloadFormat !== '')
      merged.payloads.add(`${quoted(profile.originalPayloadFormat)} ${hex(profile.originalPayload)}`);
    addSamples(merged, rows, profile.samples);
  }
  const lines: string[] = [];
  for (const [key, { samples, payloads }] of profiles) {
    lines.push(key);
    for (const payload of payloads) lines.push(`${key} / payload ${payload}`);
    for (const [identity, data] of samples) lines.push(`${key} / sample ${identity} ${dataText(data)}`);
  }
  return lines.sort();
}

/** What only `a` (lines with -) or only `b` (+) says, at most `maxLines` of each; undefined where they mean the same. */
export function meaningDifference(a: ProfilesBatch, b: ProfilesBatch, maxLines = 10): string | undefined {
  const left = canonicalForm(a);
  const right = canonicalForm(b);
  const [inLeft, inRight] = [new Set(left), new Set(right)];
  const lines = [
    ...atMost(
      left.filter((line) => !inRight.has(line)),
      maxLines,
      '-',
    ),
    ...atMost(
      right.filter((line) => !inLeft.has(line)),
      maxLines,
      '+',
    ),
  ];
  return lines.length === 0 ? undefined : lines.join('\n');
}

function atMost(lines: readonly string[], max: number, sign: string): string[] {
  const shown = lines.slice(0, max).map((line) => `${sign} ${line}`);
  return lines.length > max ? [...shown, `${sign} and ${lines.length - max} more`] : shown;
}

/** All samples of one identity and shape. */
interface SampleData {
  sum: bigint;
  readonly events: { readonly time: bigint; readonly value: bigint | undefined }[];
}

interface Merged {
  readonly samples: Map<string, SampleData>;
  readonly payloads: Set<string>;
}

function addSamples(merged: Merged, rows: RowTexts, s: Samples): void {
  for (let i = 0; i < s.length; i++) {
    const values = s.values.subarray(s.valueStart[i], s.valueStart[i + 1]);
    const times = s.timestamps.subarray(s.timestampStart[i], s.timestampStart[i + 1]);
    const identity = `${shapeOf(values, times)} ${rows.attributes(s.attributes, i)} ${rows.link(s.link[i] ?? 0)} ${rows.stack(s.stack[i] ?? 0)}`;
    let data = merged.samples.get(identity);
    if (data === undefined) merged.samples.set(identity, (data = { sum: 0n, events: [] }));
    times.forEach((time, k) => data.events.push({ time, value: values[k] }));
    if (times.length === 0) data.sum += values[0] ?? 0n;
  }
}

/** One of the three shapes of the protocol; what has none of them is equal to itself alone. */
function shapeOf(values: BigInt64Array, times: BigUint64Array): string {
  if (times.length === 0) return values.length === 1 ? 'value' : `values ${values.join(',')}`;
  if (values.length === 0) return 'times';
  return values.length === times.length ? 'values at times' : `values ${values.join(',')} beside times`;
}

function dataText({ sum, events }: SampleData): string {
  if (events.length === 0) return `sum ${sum}`;
  const byTime = events.toSorted((a, b) => compare(a.time, b.time) || compare(a.value ?? 0n, b.value ?? 0n));
  return `at ${byTime.map(({ time, value }) => (value === undefined ? time : `${time}=${value}`)).join(',')}`;
}

const compare = (a: bigint, b: bigint): number => (a < b ? -1 : a > b ? 1 : 0);
const quoted = (text: string): string => JSON.stringify(text);
const hex = (bytes: Uint8Array | undefined): string => Buffer.from(bytes ?? []).toString('hex');

/** Parts that say something, so that defaults do not fill the lines. */
const texts = (...parts: readonly (readonly [name: string, text: string, unset: string])[]): string =>
  parts.flatMap(([name, text, unset]) => (text === unset ? [] : [`${name}=${text}`])).join(' ');

function resourceText({ resource, schemaUrl, unknown }: ResourceProfiles): string {
  return `resource ${attributesText(resource.attributes)} ${texts(
    ['schema', quoted(schemaUrl), '""'],
    ['dropped', String(resource.droppedAttributesCount), '0'],
    ['unknown', hex(resource.unknown), ''],
    ['outer_unknown', hex(unknown), ''],
  )}`;
}

function scopeText({ scope, schemaUrl, unknown }: ScopeProfiles): string {
  return `scope ${quoted(scope.name)} ${attributesText(scope.attributes)} ${texts(
    ['version', quoted(scope.version), '""'],
    ['schema', quoted(schemaUrl), '""'],
    ['dropped', String(scope.droppedAttributesCount), '0'],
    ['unknown', hex(scope.unknown), ''],
    ['outer_unknown', hex(unknown), ''],
  )}`;
}

function profileText(rows: RowTexts, p: Profile): string {
  const attributes: IndexLists = { start: Uint32Array.of(0, p.attributes.length), values: p.attributes };
  return `profile ${rows.valueType(p.sampleType)} ${rows.attributes(attributes, 0)} ${texts(
    ['period', `${p.period} ${rows.valueType(p.periodType)}`, '0 ""/""'],
    ['time', String(p.timeUnixNano), '0'],
    ['duration', String(p.durationNano), '0'],
    ['id', hex(p.profileId), ''],
    ['dropped', String(p.droppedAttributesCount), '0'],
    ['unknown', hex(p.unknown), ''],
  )}`;
}

function attributesText(attributes: Attributes): string {
  return `{${attributes
    .map(({ key, value }) => `${quoted(key)}: ${valueText(value)}`)
    .sort()
    .join(', ')}}`;
}

/** The value with its kind, so that no two different values read alike. */
function valueText(value: AnyValue): string {
  switch (value.kind) {
    case 'string':
      return quoted(value.value);
    case 'array':
      return `[${value.value.map(valueText).join(', ')}]`;
    case 'map':
      return attributesText(value.value);
    case 'bytes':
      return `bytes ${hex(value.value)}`;
    case 'double':
      return `double ${Object.is(value.value, -0) ? '-0' : value.value}`;
    case 'empty':
      return 'empty';
    default:
      return `${value.kind} ${value.value}`;
  }
}

/** Rows of a dictionary as text without indices, each made once. */
class RowTexts {
  readonly #dictionary: Dictionary;
  readonly #locations: string[] = [];
  readonly #stacks: string[] = [];
  readonly #attributes: string[] = [];

  constructor(dictionary: Dictionary) {
    this.#dictionary = dictionary;
  }

  #string(row: number | undefined): string {
    return quoted(this.#dictionary.text(row ?? -1));
  }

  valueType({ type, unit }: ValueType): string {
    return `${this.#string(type)}/${this.#string(unit)}`;
  }

  /** The set of attributes of list `i`. */
  attributes(lists: IndexLists, i: number): string {
    const set = new Set(Array.from(listAt(lists, i), (row) => this.#attribute(row)));
    return `{${[...set].sort().join(', ')}}`;
  }

  #attribute(row: number): string {
    const { key, unit } = this.#dictionary.tables.attributes;
    this.#attributes[row] ??= `${this.#string(key[row])}: ${valueText(this.#dictionary.attributeValue(row))}${
      this.#dictionary.text(unit[row] ?? -1) === '' ? '' : ` in ${this.#string(unit[row])}`
    }`;
    return this.#attributes[row];
  }

  link(row: number): string {
    const { traceIds, spanIds } = this.#dictionary.tables.links;
    const trace = hex(traceIds.subarray(row * 16, row * 16 + 16));
    const span = hex(spanIds.subarray(row * 8, row * 8 + 8));
    return /^0*$/.test(trace + span) ? 'unlinked' : `link ${trace}:${span}`;
  }

  stack(row: number): string {
    this.#stacks[row] ??= `[${Array.from(listAt(this.#dictionary.tables.stacks.locations, row), (location) =>
      this.#location(location),
    ).join(' < ')}]`;
    return this.#stacks[row];
  }

  #location(row: number): string {
    this.#locations[row] ??= this.#makeLocation(row);
    return this.#locations[row];
  }

  #makeLocation(row: number): string {
    const t = this.#dictionary.tables.locations;
    const lines: string[] = [];
    for (let l = t.lineStart[row] ?? 0; l < (t.lineStart[row + 1] ?? 0); l++) {
      const name = this.#function(t.lineFunction[l] ?? 0);
      lines.push(`${name}:${t.lineLine[l]}:${t.lineColumn[l]}`);
    }
    return `(${texts(
      ['in', this.#mapping(t.mapping[row] ?? 0), '"" 0..0+0 {}'],
      ['address', String(t.address[row]), '0'],
      ['attributes', this.attributes(t.attributes, row), '{}'],
      ['lines', lines.join(' inlined into '), ''],
    )})`;
  }

  #mapping(row: number): string {
    const t = this.#dictionary.tables.mappings;
    const range = `${t.memoryStart[row]}..${t.memoryLimit[row]}+${t.fileOffset[row]}`;
    return `${this.#string(t.filename[row])} ${range} ${this.attributes(t.attributes, row)}`;
  }

  #function(row: number): string {
    const t = this.#dictionary.tables.functions;
    return texts(
      ['function', this.#string(t.name[row]), ''],
      ['system', this.#string(t.systemName[row]), '""'],
      ['file', this.#string(t.filename[row]), '""'],
      ['start', String(t.startLine[row]), '0'],
    );
  }
}
