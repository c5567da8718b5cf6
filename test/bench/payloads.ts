// SPDX-License-Identifier: Apache-2.0
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { packageRoot } from '../../src/internal/package-root.ts';
import { table } from './report.ts';
import { makePayload, PAYLOADS, type PayloadSize } from './otlp-payload.ts';

/** Everything that a run makes: payloads, bundles, peers. */
export const CACHE = join(packageRoot(), '.cache', 'bench');
/** Where `record.ts` leaves requests of our own profiler. */
export const RECORDED = join(CACHE, 'recorded');

/** Two requests of one shape and different content, as files; sizes are averages of the two. */
export interface PayloadSet {
  readonly name: string;
  readonly note: string;
  readonly files: readonly string[];
  readonly bytes: number;
  readonly gzipBytes: number;
}

/** What a run without arguments measures on. */
export const SETS: readonly string[] = ['XS', 'M', 'L', 'recorded'];

const twice = (size: PayloadSize): PayloadSize => ({
  name: `${size.name}×2`,
  resources: size.resources * 2,
  samples: size.samples * 2,
  locations: size.locations * 2,
  functions: size.functions * 2,
});

/** The sets asked for by name; `M×2` is M with twice of everything; `recorded` is left out where there is none. */
export function payloadSets(names: readonly string[]): PayloadSet[] {
  mkdirSync(CACHE, { recursive: true });
  const known = new Map([...PAYLOADS, ...PAYLOADS.map(twice)].map((size) => [size.name, size]));
  return names.flatMap((name) => {
    if (name === 'recorded') return recordedSet();
    const size = known.get(name);
    if (size === undefined)
      throw new Error(`no payload set "${name}"; there are ${[...known.keys()].join(', ')} and recorded`);
    return [madeSet(size)];
  });
}

function madeSet(size: PayloadSize): PayloadSet {
  const files = [1, 2].map((seed) => {
    const file = join(CACHE, `${size.name}-${seed}.otlp`);
    writeFileSync(file, makePayload(size, seed));
    return file;
  });
  return setOf(
    size.name,
    `${size.samples} samples in ${size.resources === 1 ? 'one resource' : `${size.resources} resources`}`,
    files,
  );
}

/** The two largest recorded requests. */
function recordedSet(): PayloadSet[] {
  if (!existsSync(RECORDED)) return [];
  const files = readdirSync(RECORDED)
    .filter((name) => name.endsWith('.otlp'))
    .map((name) => join(RECORDED, name))
    .sort((a, b) => readFileSync(b).length - readFileSync(a).length)
    .slice(0, 2);
  return files.length < 2 ? [] : [setOf('recorded', 'from our own profiler', files)];
}

function setOf(name: string, note: string, files: readonly string[]): PayloadSet {
  const contents = files.map((file) => readFileSync(file));
  const average = (sizes: readonly number[]): number => sizes.reduce((a, b) => a + b, 0) / sizes.length;
  return {
    name,
    note,
    files,
    bytes: average(contents.map((c) => c.length)),
    gzipBytes: average(contents.map((c) => gzipSync(c).length)),
  };
}

/** The sets, for the reader of a report. */
export function payloadTable(names: readonly string[]): string {
  return table(
    ['payload set', 'bytes', 'gzip', 'what'],
    payloadSets(names).map((set) => [
      set.name,
      `${(set.bytes / 1e6).toFixed(2)} MB`,
      `${((set.gzipBytes / set.bytes) * 100).toFixed(0)} %`,
      set.note,
    ]),
  );
}
