// SPDX-License-Identifier: Apache-2.0
import { type AnyValue, valueToText } from '../../pdata/any-value.ts';
import type { Attributes } from '../../pdata/attributes.ts';
import type { Dictionary } from '../../pdata/dictionary.ts';
import { stackNames } from '../../pdata/folded.ts';
import type { Profile, ProfilesBatch, ResourceProfiles, ScopeProfiles } from '../../pdata/profiles-batch.ts';
import { listAt } from '../../pdata/tables.ts';

/** A batch may be large; what is written of it is not. */
const MAX_TEXT_LENGTH = 8 * 1024 * 1024;

/** One line a resource, scope and profile. */
export function normalText(batch: ProfilesBatch): string {
  return joined(normalLines(batch));
}

/** The dictionary, then every profile with its samples, references resolved. */
export function detailedText(batch: ProfilesBatch): string {
  return joined(detailedLines(batch));
}

function joined(lines: Iterable<string>): string {
  let text = '';
  for (const line of lines) {
    if (text.length + line.length > MAX_TEXT_LENGTH) return `${text}… cut after ${text.length} characters\n`;
    text += `${line}\n`;
  }
  return text;
}

function* normalLines(batch: ProfilesBatch): Generator<string> {
  for (const [i, rp] of batch.resources.entries()) {
    const schema = rp.schemaUrl === '' ? '' : ` [${rp.schemaUrl}]`;
    yield `ResourceProfiles #${i}${schema}${pairs(rp.resource.attributes)}`;
    for (const [j, sp] of rp.scopes.entries()) {
      yield `ScopeProfiles #${j}${scopeName(sp)}${pairs(sp.scope.attributes)}`;
      for (const p of sp.profiles) {
        const attributes = attributesOf(batch.dictionary, p.attributes);
        yield `${hex(p.profileId)} samples=${p.samples.length}${pairs(attributes)}`;
      }
    }
  }
}

function scopeName({ scope, schemaUrl }: ScopeProfiles): string {
  const name = scope.name === '' ? '' : ` ${scope.name}${scope.version === '' ? '' : `@${scope.version}`}`;
  return `${name}${schemaUrl === '' ? '' : ` [${schemaUrl}]`}`;
}

function* detailedLines(batch: ProfilesBatch): Generator<string> {
  yield* mappingLines(batch.dictionary);
  yield* locationLines(batch.dictionary);
  yield* functionLines(batch.dictionary);
  yield* otherTableLines(batch.dictionary);
  for (const [i, rp] of batch.resources.entries()) yield* resourceLines(batch.dictionary, rp, i);
}

function* mappingLines(dictionary: Dictionary): Generator<string> {
  const { mappings: m } = dictionary.tables;
  for (let i = 0; i < m.length; i++) {
    yield `Mapping #${i}`;
    yield entry('Memory', `${address(m.memoryStart[i])}-${address(m.memoryLimit[i])}`);
    yield entry('File offset', address(m.fileOffset[i]));
    yield entry('File name', dictionary.text(m.filename[i] ?? 0));
    yield* attributeLines('    ', attributesOf(dictionary, listAt(m.attributes, i)));
  }
}

function* locationLines(dictionary: Dictionary): Generator<string> {
  const { locations: l, functions } = dictionary.tables;
  for (let i = 0; i < l.length; i++) {
    yield `Location #${i}`;
    yield entry('Mapping', l.mapping[i] ?? 0);
    yield entry('Address', address(l.address[i]));
    for (let line = l.lineStart[i] ?? 0; line < (l.lineStart[i + 1] ?? 0); line++) {
      const row = l.lineFunction[line] ?? 0;
      const name = dictionary.text(functions.name[row] ?? 0);
      yield entry('Line', `${name} (function #${row}) line ${l.lineLine[line]} column ${l.lineColumn[line]}`);
    }
    yield* attributeLines('    ', attributesOf(dictionary, listAt(l.attributes, i)));
  }
}

function* functionLines(dictionary: Dictionary): Generator<string> {
  const { functions: f } = dictionary.tables;
  for (let i = 0; i < f.length; i++) {
    yield `Function #${i}`;
    yield entry('Name', dictionary.text(f.name[i] ?? 0));
    yield entry('System name', dictionary.text(f.systemName[i] ?? 0));
    yield entry('File name', dictionary.text(f.filename[i] ?? 0));
    yield entry('Start line', String(f.startLine[i] ?? 0n));
  }
}

function* otherTableLines(dictionary: Dictionary): Generator<string> {
  const { attributes, links, strings } = dictionary.tables;
  yield 'Attribute table:';
  for (let i = 0; i < attributes.length; i++) {
    const unit = dictionary.text(attributes.unit[i] ?? 0);
    yield `     -> ${dictionary.attributeKey(i)}: ${typed(dictionary.attributeValue(i))}${unit === '' ? '' : ` [${unit}]`}`;
  }
  yield 'Link table:';
  for (let i = 0; i < links.length; i++) yield `     -> ${linkText(dictionary, i)}`;
  yield 'String table:';
  for (let i = 0; i < strings.length; i++) yield `     ${dictionary.text(i)}`;
}

function* resourceLines(dictionary: Dictionary, rp: ResourceProfiles, index: number): Generator<string> {
  yield `ResourceProfiles #${index}`;
  yield `Resource SchemaURL: ${rp.schemaUrl}`;
  yield* attributeLines('', rp.resource.attributes, 'Resource attributes');
  for (const [j, sp] of rp.scopes.entries()) {
    yield `ScopeProfiles #${j}`;
    yield `ScopeProfiles SchemaURL: ${sp.schemaUrl}`;
    yield `InstrumentationScope ${sp.scope.name} ${sp.scope.version}`;
    yield* attributeLines('', sp.scope.attributes, 'InstrumentationScope attributes');
    for (const [k, p] of sp.profiles.entries()) {
      yield `Profile #${k}`;
      yield* profileLines(dictionary, p);
    }
  }
}

function* profileLines(dictionary: Dictionary, p: Profile): Generator<string> {
  const type = (t: Profile['sampleType']): string => `${dictionary.text(t.type)}/${dictionary.text(t.unit)}`;
  yield entry('Profile ID', hex(p.profileId));
  yield entry('Sample type', type(p.sampleType));
  yield entry('Period', `${p.period} ${type(p.periodType)}`);
  yield entry('Start time', new Date(Number(p.timeUnixNano / 1_000_000n)).toISOString());
  yield entry('Duration', `${p.durationNano}ns`);
  yield entry('Dropped attributes count', p.droppedAttributesCount);
  yield* attributeLines('    ', attributesOf(dictionary, p.attributes));
  const s = p.samples;
  for (let i = 0; i < s.length; i++) {
    yield `    Sample #${i}`;
    yield `        Stack: ${stackNames(dictionary, s.stack[i] ?? 0).join(';')}`;
    yield `        Values: [${s.values.subarray(s.valueStart[i], s.valueStart[i + 1]).join(' ')}]`;
    yield `        Timestamps: [${s.timestamps.subarray(s.timestampStart[i], s.timestampStart[i + 1]).join(' ')}]`;
    const link = s.link[i] ?? 0;
    if (link !== 0) yield `        Link: ${linkText(dictionary, link)}`;
    yield* attributeLines('        ', attributesOf(dictionary, listAt(s.attributes, i)));
  }
}

function* attributeLines(indent: string, attributes: Attributes, title = 'Attributes'): Generator<string> {
  if (attributes.length === 0) return;
  yield `${indent}${title}:`;
  for (const { key, value } of attributes) yield `${indent}     -> ${key}: ${typed(value)}`;
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

function typed(value: AnyValue): string {
  return `${KIND_NAMES[value.kind]}(${valueToText(value)})`;
}

function pairs(attributes: Attributes): string {
  return attributes.map(({ key, value }) => ` ${key}=${valueToText(value)}`).join('');
}

function attributesOf(dictionary: Dictionary, rows: Int32Array): Attributes {
  return Array.from(rows, (row) => ({
    key: dictionary.attributeKey(row),
    value: dictionary.attributeValue(row),
  }));
}

function linkText(dictionary: Dictionary, row: number): string {
  const { traceIds, spanIds } = dictionary.tables.links;
  const trace = hex(traceIds.subarray(row * 16, row * 16 + 16));
  return `trace ${trace} span ${hex(spanIds.subarray(row * 8, row * 8 + 8))}`;
}

const entry = (name: string, value: string | number): string => `    ${name.padEnd(15)}: ${value}`;
const address = (value: bigint | undefined): string => `0x${(value ?? 0n).toString(16)}`;
const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');
