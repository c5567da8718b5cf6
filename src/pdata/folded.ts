// SPDX-License-Identifier: Apache-2.0
import { stringValue } from './any-value.ts';
import { DictionaryBuilder } from './dictionary-builder.ts';
import type { Dictionary } from './dictionary.ts';
import { profile, ProfilesBatch, resource, type Profile, weightOf } from './profiles-batch.ts';
import { SamplesBuilder } from './remap.ts';
import { listAt } from './tables.ts';

/** What `batchFromFolded` fills in around the stacks. */
export interface FoldedOptions {
  /** Resource attributes. */
  readonly attributes?: Readonly<Record<string, string>>;
  readonly sampleType?: readonly [type: string, unit: string];
  readonly periodType?: readonly [type: string, unit: string];
  readonly period?: bigint;
  readonly timeUnixNano?: bigint;
  readonly durationNano?: bigint;
}

/**
 * A batch drawn as text, one stack a line, root first: `main;work;malloc 3`. For tests and for folded
 * input. Throws SyntaxError with the line number where a line has no count.
 */
export function batchFromFolded(text: string, options: FoldedOptions = {}): ProfilesBatch {
  const builder = new DictionaryBuilder();
  const samples = new SamplesBuilder();
  text.split('\n').forEach((line, number) => {
    if (line.trim() === '') return;
    const at = line.trimEnd().lastIndexOf(' ');
    const count = line.trimEnd().slice(at + 1);
    if (at < 0 || !/^\d+$/.test(count)) throw new SyntaxError(`line ${number + 1}: want "frame;frame count"`);
    const frames = line.slice(0, at).trim().split(';').reverse();
    const locations = frames.map((name) =>
      builder.location(
        0,
        0n,
        [],
        [{ function: builder.function(builder.string(name), 0, 0, 0n), line: 0n, column: 0n }],
      ),
    );
    samples.add(builder.stack(locations), 0, [], [BigInt(count)], []);
  });
  const type = options.sampleType ?? ['samples', 'count'];
  const period = options.periodType ?? ['cpu', 'nanoseconds'];
  const made = profile({
    sampleType: { type: builder.string(type[0]), unit: builder.string(type[1]) },
    periodType: { type: builder.string(period[0]), unit: builder.string(period[1]) },
    period: options.period ?? 10_000_000n,
    timeUnixNano: options.timeUnixNano ?? 1_700_000_000_000_000_000n,
    durationNano: options.durationNano ?? 1_000_000_000n,
    samples: samples.build(),
  });
  const attributes = Object.entries(options.attributes ?? {}).map(([key, value]) => ({
    key,
    value: stringValue(value),
  }));
  const scope = { name: '', version: '', attributes: [], droppedAttributesCount: 0 };
  return new ProfilesBatch(builder.build(), [
    { resource: resource(attributes), schemaUrl: '', scopes: [{ scope, schemaUrl: '', profiles: [made] }] },
  ]);
}

/** Function names of a stack, root first, inlined functions included; nameless locations as binary+0xaddress. */
export function stackNames(dictionary: Dictionary, stack: number): string[] {
  const { stacks, locations } = dictionary.tables;
  const names: string[] = [];
  for (const location of listAt(stacks.locations, stack)) {
    const from = locations.lineStart[location] ?? 0;
    const to = locations.lineStart[location + 1] ?? 0;
    if (from === to) names.push(namelessLocation(dictionary, location));
    for (let line = from; line < to; line++)
      names.push(functionName(dictionary, locations.lineFunction[line] ?? 0));
  }
  return names.reverse();
}

function functionName(dictionary: Dictionary, row: number): string {
  const { functions } = dictionary.tables;
  return dictionary.text(functions.name[row] ?? 0) || dictionary.text(functions.systemName[row] ?? 0);
}

/** `libc.so.6+0x1f2e3`, or the bare address where there is no mapping. */
export function namelessLocation(dictionary: Dictionary, location: number): string {
  const { locations, mappings } = dictionary.tables;
  const file = dictionary.text(mappings.filename[locations.mapping[location] ?? 0] ?? 0);
  const address = `0x${(locations.address[location] ?? 0n).toString(16)}`;
  return file === '' ? address : `${file.slice(file.lastIndexOf('/') + 1)}+${address}`;
}

/** One profile as folded lines, root first, equal stacks summed, sorted. */
export function profileToFolded(dictionary: Dictionary, p: Profile): string {
  const weights = new Map<string, bigint>();
  for (let i = 0; i < p.samples.length; i++) {
    const key = stackNames(dictionary, p.samples.stack[i] ?? 0).join(';');
    weights.set(key, (weights.get(key) ?? 0n) + weightOf(p.samples, i));
  }
  return [...weights]
    .map(([stack, weight]) => `${stack} ${weight}`)
    .sort()
    .join('\n');
}

/** All profiles of a batch as one folded text. */
export function toFolded(batch: ProfilesBatch): string {
  return [...batch.profiles()].map(({ profile: p }) => profileToFolded(batch.dictionary, p)).join('\n');
}
