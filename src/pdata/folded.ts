// SPDX-License-Identifier: Apache-2.0
import { DecodeError } from '../internal/wire-reader.ts';
import { stringValue } from './any-value.ts';
import { DictionaryBuilder } from './dictionary-builder.ts';
import type { Dictionary } from './dictionary.ts';
import { profile, ProfilesBatch, resource, type Profile, weightOf } from './profiles-batch.ts';
import { SamplesBuilder } from './samples.ts';
import { listAt } from './tables.ts';

const FORMAT = 'folded stacks';
/** Where a frame has no name of its own. */
const ANONYMOUS = '(anonymous)';

/** What `batchFromFolded` fills in around the stacks, and what it refuses. */
export interface FoldedOptions {
  /** Resource attributes. */
  readonly attributes?: Readonly<Record<string, string>>;
  readonly sampleType?: readonly [type: string, unit: string];
  readonly periodType?: readonly [type: string, unit: string];
  readonly period?: bigint;
  readonly timeUnixNano?: bigint;
  readonly durationNano?: bigint;
  /** Characters of a line. Default 1 Mi. */
  readonly maxLineLength?: number;
  /** Frames of a stack. Default 16,384. */
  readonly maxDepth?: number;
}

/**
 * A batch drawn as text, one stack a line, root first: `main;work;malloc 3`. What stands behind the last
 * space is the count, so that names may hold spaces; lines may end in CR LF, empty ones are passed over, and
 * a count alone is that of the empty stack. Throws DecodeError with the line number.
 */
export function batchFromFolded(text: string, options: FoldedOptions = {}): ProfilesBatch {
  const builder = new DictionaryBuilder();
  const samples = new FoldedReader(builder, options).read(text);
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

/** Reads lines into a builder; a name that comes again costs one look-up. */
class FoldedReader {
  readonly #builder: DictionaryBuilder;
  readonly #maxLineLength: number;
  readonly #maxDepth: number;
  readonly #locations = new Map<string, number>();

  constructor(builder: DictionaryBuilder, options: FoldedOptions) {
    this.#builder = builder;
    this.#maxLineLength = options.maxLineLength ?? 1 << 20;
    this.#maxDepth = options.maxDepth ?? 16_384;
  }

  read(text: string): SamplesBuilder {
    const samples = new SamplesBuilder();
    let number = 0;
    for (let start = 0; start < text.length; ) {
      const newline = text.indexOf('\n', start);
      const end = newline < 0 ? text.length : newline;
      number++;
      const fail = (reason: string): never => {
        throw new DecodeError(FORMAT, start, `line ${number}: ${reason}`);
      };
      if (end - start > this.#maxLineLength) fail(`longer than ${this.#maxLineLength} characters`);
      const line = text.slice(start, end).trimEnd();
      if (line !== '') this.#readLine(line, samples, fail);
      start = end + 1;
    }
    return samples;
  }

  #readLine(line: string, samples: SamplesBuilder, fail: (reason: string) => never): void {
    const at = line.lastIndexOf(' ');
    const count = line.slice(at + 1);
    if (!/^\d{1,19}$/.test(count)) fail('want "frame;frame count" with a whole count');
    const value = BigInt(count);
    if (value >= 2n ** 63n) fail(`count ${count} is over 63 bits`);
    const stack = line.slice(0, Math.max(at, 0));
    const frames = stack === '' ? [] : stack.split(';', this.#maxDepth + 1);
    if (frames.length > this.#maxDepth) fail(`more than ${this.#maxDepth} frames`);
    const locations = Int32Array.from(frames.reverse(), (name) => this.#location(name));
    samples.add(this.#builder.stack(locations), 0, [], [value], []);
  }

  #location(name: string): number {
    const known = this.#locations.get(name);
    if (known !== undefined) return known;
    const fn = this.#builder.function(this.#builder.string(name === '' ? ANONYMOUS : name), 0, 0, 0n);
    const row = this.#builder.location(0, 0n, [], [{ function: fn, line: 0n, column: 0n }]);
    this.#locations.set(name, row);
    return row;
  }
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

/** The name of a function, the linker's name for it where there is none, or `(anonymous)`. */
export function functionName(dictionary: Dictionary, row: number): string {
  const { functions } = dictionary.tables;
  return (
    dictionary.text(functions.name[row] ?? 0) || dictionary.text(functions.systemName[row] ?? 0) || ANONYMOUS
  );
}

/** `libc.so.6+0x1f2e3`, or the bare address where there is no mapping. */
export function namelessLocation(dictionary: Dictionary, location: number): string {
  const { locations, mappings } = dictionary.tables;
  const file = dictionary.text(mappings.filename[locations.mapping[location] ?? 0] ?? 0);
  const address = `0x${(locations.address[location] ?? 0n).toString(16)}`;
  return file === '' ? address : `${file.slice(file.lastIndexOf('/') + 1)}+${address}`;
}

/** What a folded line cannot have in a name; `:` stands in for it. */
const SEPARATORS = /[;\n\r]/g;

/** Adds the weights of a profile to `weights`, by stack as folded text has it. */
export function addFolded(weights: Map<string, bigint>, dictionary: Dictionary, { samples }: Profile): void {
  const keys = new Map<number, string>();
  for (let i = 0; i < samples.length; i++) {
    const row = samples.stack[i] ?? 0;
    let key = keys.get(row);
    if (key === undefined) {
      const names = stackNames(dictionary, row);
      keys.set(row, (key = names.map((name) => name.replace(SEPARATORS, ':')).join(';')));
    }
    weights.set(key, (weights.get(key) ?? 0n) + weightOf(samples, i));
  }
}

/** Weights by stack as lines, sorted. */
export function foldedLines(weights: ReadonlyMap<string, bigint>): string[] {
  return [...weights].map(([stack, weight]) => `${stack} ${weight}`).sort();
}

/** One profile as folded lines, root first, equal stacks summed, sorted. */
export function profileToFolded(dictionary: Dictionary, p: Profile): string {
  const weights = new Map<string, bigint>();
  addFolded(weights, dictionary, p);
  return foldedLines(weights).join('\n');
}

/** All profiles of a batch as one folded text. */
export function toFolded(batch: ProfilesBatch): string {
  return [...batch.profiles()].map(({ profile: p }) => profileToFolded(batch.dictionary, p)).join('\n');
}
