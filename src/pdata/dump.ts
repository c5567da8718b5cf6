// SPDX-License-Identifier: Apache-2.0
import { type AnyValue, valueToText } from './any-value.ts';
import type { Attributes } from './attributes.ts';
import type { Dictionary } from './dictionary.ts';
import { functionName, namelessLocation, stackNames } from './folded.ts';
import { printable } from './printable.ts';
import type { Profile, ProfilesBatch, ResourceProfiles, ValueType } from './profiles-batch.ts';
import { listAt } from './tables.ts';

/** What `dumpBatch` writes, and how much. */
export interface DumpOptions {
  /** The tables of the dictionary too, in front. Default false. */
  readonly tables?: boolean;
  /** Characters of the whole text; it says where it was cut. Default: none. */
  readonly maxLength?: number;
}

/** Values and timestamps of one sample that are written out. */
const MAX_LISTED = 10_000;

/**
 * A batch as text to read and to compare: every resource, scope, profile and sample with its references
 * resolved. The same batch gives the same text; control characters of what it holds are escaped, so that a
 * line is a line.
 */
export function dumpBatch(batch: ProfilesBatch, options: DumpOptions = {}): string {
  return joinLines(batchLines(batch, options.tables ?? false), options.maxLength ?? Infinity);
}

/** Lines as one text of at most about `maxLength` characters, which says where it was cut. */
export function joinLines(lines: Iterable<string>, maxLength: number): string {
  let text = '';
  for (const line of lines) {
    if (text.length + line.length > maxLength) return `${text}… cut after ${text.length} characters\n`;
    text += `${line}\n`;
  }
  return text;
}

function* batchLines(batch: ProfilesBatch, tables: boolean): Generator<string> {
  if (tables) yield* tableLines(batch.dictionary);
  for (const [i, rp] of batch.resources.entries()) yield* resourceLines(batch.dictionary, rp, i);
}

function* tableLines(dictionary: Dictionary): Generator<string> {
  const { mappings: m, locations: l, functions: f, attributes, links, strings } = dictionary.tables;
  for (let i = 0; i < m.length; i++) {
    yield `Mapping #${i}`;
    yield entry('Memory', `${address(m.memoryStart[i])}-${address(m.memoryLimit[i])}`);
    yield entry('File offset', address(m.fileOffset[i]));
    yield entry('File name', textOf(dictionary, m.filename[i]));
    yield* rowLines('    ', dictionary, listAt(m.attributes, i));
  }
  for (let i = 0; i < l.length; i++) {
    yield `Location #${i}`;
    yield entry('Mapping', l.mapping[i] ?? 0);
    yield entry('Address', address(l.address[i]));
    for (let line = l.lineStart[i] ?? 0; line < (l.lineStart[i + 1] ?? 0); line++) {
      const row = l.lineFunction[line] ?? 0;
      const name = textOf(dictionary, f.name[row]);
      yield entry('Line', `${name} (function #${row}) line ${l.lineLine[line]} column ${l.lineColumn[line]}`);
    }
    yield* rowLines('    ', dictionary, listAt(l.attributes, i));
  }
  for (let i = 0; i < f.length; i++) {
    yield `Function #${i}`;
    yield entry('Name', textOf(dictionary, f.name[i]));
    yield entry('System name', textOf(dictionary, f.systemName[i]));
    yield entry('File name', textOf(dictionary, f.filename[i]));
    yield entry('Start line', String(f.startLine[i] ?? 0n));
  }
  yield 'Attribute table:';
  for (let i = 0; i < attributes.length; i++) yield `     -> ${attributeText(dictionary, i)}`;
  yield 'Link table:';
  for (let i = 0; i < links.length; i++) yield `     -> ${linkText(dictionary, i)}`;
  yield 'String table:';
  for (let i = 0; i < strings.length; i++) yield `     ${textOf(dictionary, i)}`;
}

function* resourceLines(dictionary: Dictionary, rp: ResourceProfiles, index: number): Generator<string> {
  const { resource } = rp;
  yield `ResourceProfiles #${index}`;
  yield `Resource SchemaURL: ${printable(rp.schemaUrl)}`;
  yield* attributeLines(resource.attributes, 'Resource attributes');
  yield* droppedLines('', resource.droppedAttributesCount);
  for (const [j, { scope, schemaUrl, profiles }] of rp.scopes.entries()) {
    yield `ScopeProfiles #${j}`;
    yield `ScopeProfiles SchemaURL: ${printable(schemaUrl)}`;
    yield `InstrumentationScope ${printable(scope.name)} ${printable(scope.version)}`;
    yield* attributeLines(scope.attributes, 'InstrumentationScope attributes');
    yield* droppedLines('', scope.droppedAttributesCount);
    for (const [k, p] of profiles.entries()) {
      yield `Profile #${k}`;
      yield* profileLines(dictionary, p);
    }
  }
}

function* profileLines(dictionary: Dictionary, p: Profile): Generator<string> {
  const type = (t: ValueType): string => `${textOf(dictionary, t.type)}/${textOf(dictionary, t.unit)}`;
  yield entry('Profile ID', hex(p.profileId));
  yield entry('Sample type', type(p.sampleType));
  yield entry('Period', `${p.period} ${type(p.periodType)}`);
  yield entry('Start time', timeText(p.timeUnixNano));
  yield entry('Duration', `${p.durationNano}ns`);
  yield entry('Dropped attributes count', p.droppedAttributesCount);
  if (p.originalPayload.length > 0 || p.originalPayloadFormat !== '') {
    const format = printable(p.originalPayloadFormat);
    yield entry('Original payload', `${p.originalPayload.length} bytes of "${format}"`);
  }
  yield* rowLines('    ', dictionary, p.attributes);
  yield* sampleLines(dictionary, p);
}

function* sampleLines(dictionary: Dictionary, { samples: s }: Profile): Generator<string> {
  const { stack, link, attributes, valueStart, values, timestampStart, timestamps } = s;
  for (let i = 0; i < s.length; i++) {
    const row = stack[i] ?? 0;
    yield `    Sample #${i}`;
    yield `        Stack: ${stackNames(dictionary, row).map(printable).join(';')}`;
    yield* frameLines(dictionary, row);
    yield `        Values: ${listText(values.subarray(valueStart[i], valueStart[i + 1]))}`;
    yield `        Timestamps: ${listText(timestamps.subarray(timestampStart[i], timestampStart[i + 1]))}`;
    if (link[i] !== 0) yield `        Link: ${linkText(dictionary, link[i] ?? 0)}`;
    yield* rowLines('        ', dictionary, listAt(attributes, i));
  }
}

/** Locations of a stack, leaf first, that have more to say than a name. */
function* frameLines(dictionary: Dictionary, stack: number): Generator<string> {
  const { stacks, locations: l, mappings, functions: f } = dictionary.tables;
  for (const [depth, row] of listAt(stacks.locations, stack).entries()) {
    const parts: string[] = [];
    for (let line = l.lineStart[row] ?? 0; line < (l.lineStart[row + 1] ?? 0); line++) {
      const fn = l.lineFunction[line] ?? 0;
      const [file, system] = [textOf(dictionary, f.filename[fn]), textOf(dictionary, f.systemName[fn])];
      const place = [file, l.lineLine[line] ?? 0n, l.lineColumn[line] ?? 0n];
      if (system === '' && !place.some((part) => part !== '' && part !== 0n)) continue;
      const name = printable(functionName(dictionary, fn));
      parts.push(`${name} at ${place.join(':')}${system === '' || system === name ? '' : ` (${system})`}`);
    }
    if ((l.address[row] ?? 0n) !== 0n || (l.mapping[row] ?? 0) !== 0) {
      const { memoryStart, memoryLimit, attributes } = mappings;
      const mapping = l.mapping[row] ?? 0;
      const range = `${address(memoryStart[mapping])}-${address(memoryLimit[mapping])}`;
      parts.push(`${printable(namelessLocation(dictionary, row))} of ${range}`);
      for (const attribute of listAt(attributes, mapping)) parts.push(attributeText(dictionary, attribute));
    }
    for (const attribute of listAt(l.attributes, row)) parts.push(attributeText(dictionary, attribute));
    if (parts.length > 0) yield `            Frame #${depth}: ${parts.join(', ')}`;
  }
}

function* rowLines(indent: string, dictionary: Dictionary, rows: Int32Array): Generator<string> {
  if (rows.length > 0) yield `${indent}Attributes:`;
  for (const row of rows) yield `${indent}     -> ${attributeText(dictionary, row)}`;
}

function* attributeLines(attributes: Attributes, title: string): Generator<string> {
  if (attributes.length > 0) yield `${title}:`;
  for (const { key, value } of attributes) yield `     -> ${printable(key)}: ${typed(value)}`;
}

function* droppedLines(indent: string, count: number): Generator<string> {
  if (count > 0) yield `${indent}Dropped attributes count: ${count}`;
}

const KIND_NAMES: Readonly<Record<AnyValue['kind'], string>> = {
  empty: 'Empty',
  string: 'Str',
  bool: 'Bool',
  int: 'Int',
  double: 'Double',
  array: 'Slice',
  map: 'Map',
  bytes: 'Bytes',
};

/** Values are named as the Collector's debug exporter does. */
function typed(value: AnyValue): string {
  return `${KIND_NAMES[value.kind]}(${printable(valueToText(value))})`;
}

function attributeText(dictionary: Dictionary, row: number): string {
  const unit = textOf(dictionary, dictionary.tables.attributes.unit[row]);
  const text = `${printable(dictionary.attributeKey(row))}: ${typed(dictionary.attributeValue(row))}`;
  return unit === '' ? text : `${text} [${unit}]`;
}

function linkText(dictionary: Dictionary, row: number): string {
  const { traceIds, spanIds } = dictionary.tables.links;
  const trace = hex(traceIds.subarray(row * 16, row * 16 + 16));
  return `trace ${trace} span ${hex(spanIds.subarray(row * 8, row * 8 + 8))}`;
}

function listText(list: BigInt64Array | BigUint64Array): string {
  if (list.length <= MAX_LISTED) return `[${list.join(' ')}]`;
  return `[${list.subarray(0, MAX_LISTED).join(' ')} … and ${list.length - MAX_LISTED} more]`;
}

/** To the nanosecond, which no Date holds. */
function timeText(unixNano: bigint): string {
  const seconds = new Date(Number(unixNano / 1_000_000_000n) * 1000).toISOString().slice(0, -5);
  return `${seconds}.${String(unixNano % 1_000_000_000n).padStart(9, '0')}Z`;
}

const textOf = (dictionary: Dictionary, row: number | undefined): string =>
  printable(dictionary.text(row ?? 0));
const entry = (name: string, value: string | number): string => `    ${name.padEnd(15)}: ${value}`;
const address = (value: bigint | undefined): string => `0x${(value ?? 0n).toString(16)}`;
const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');
