// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { decodePprof } from '../../src/codecs/pprof/decode.ts';
import { PprofDeferral } from '../../src/codecs/pprof/defer.ts';
import { pprofDelta } from '../../src/codecs/pprof/delta/delta.ts';
import { decodedTotals, type FileDelta, fileDelta } from '../../src/codecs/pprof/delta/file-delta.ts';
import { encodePprof } from '../../src/codecs/pprof/encode.ts';
import { readPprof } from '../../src/codecs/pprof/read.ts';
import type { Random } from '../../src/internal/testing/otlp-random.ts';
import { randomPprof } from '../../src/internal/testing/pprof-meaning.ts';
import { DecodeError } from '../../src/internal/wire-reader.ts';
import { DictionaryBuilder } from '../../src/pdata/dictionary-builder.ts';
import { type ProfilesBatch, withSamples } from '../../src/pdata/profiles-batch.ts';
import { listAt } from '../../src/pdata/tables.ts';
import { pick } from './mutate.ts';
import { choicesOf, type FuzzTarget, type Outcome } from './target.ts';

const TYPES = ['alloc_objects', 'alloc_space', 'contentions', 'delay', 'inuse_space', 'cpu'] as const;
const MAX_BYTES = 1 << 20;

/** The file of a batch with other values and, where they are given, other names of its types. */
function withValues(
  batch: ProfilesBatch,
  value: (before: bigint) => bigint,
  name?: () => string,
): Uint8Array {
  const [sp] = batch.resources[0]?.scopes ?? [];
  const d = new DictionaryBuilder(batch.dictionary);
  const profiles = (sp?.profiles ?? []).map((p) => {
    const type = name === undefined ? p.sampleType.type : d.string(name());
    const values = p.samples.values.map(value);
    return withSamples(p, { ...p.samples, values }, { sampleType: { ...p.sampleType, type } });
  });
  const { attributes: scopeAttributes = [] } = sp?.scope ?? {};
  return encodePprof(d.build(), profiles, {
    synthesizeNames: false,
    keepUnreferenced: true,
    scopeAttributes,
  });
}

function seedOf(random: Random): Uint8Array {
  const start = random.below(TYPES.length);
  let types = 0;
  return withValues(
    decodePprof(randomPprof(random)),
    () => (random.below(4) === 0 ? BigInt(random.i64()) : BigInt(random.below(100_000))),
    () => TYPES[(start + types++) % TYPES.length] as string,
  );
}

/**
 * Whatever the addon makes a difference of, TypeScript reads, and makes the same difference of: of a first file, and of
 * one with other values after it.
 */
export const pprofDeltaTarget: FuzzTarget = {
  name: 'pprof-delta',
  seed: seedOf,
  async run(input): Promise<Outcome> {
    const random = choicesOf(input);
    const first = await bothWays(input, undefined, pick(random, ['send', 'skip'] as const));
    if (first === undefined) return 'refused';
    if (saysTwice(first.batch)) return 'accepted';
    const grown = withValues(first.batch, (before) =>
      random.below(30) === 0
        ? before - before / 2000n
        : before + BigInt(random.below(3) * random.below(1000)),
    );
    await bothWays(grown, first, 'skip');
    return 'accepted';
  },
};

/**
 * Whether two types have one name, of which it is not known which the file had first, or two strings one text, with which
 * repeated labels are joined in another way.
 */
function saysTwice(batch: ProfilesBatch): boolean {
  const { dictionary } = batch;
  const types = [...batch.profiles()].map(({ profile: p }) => dictionary.text(p.sampleType.type));
  const strings = Array.from({ length: dictionary.tables.strings.length }, (_, row) => dictionary.text(row));
  return [types, strings].some((texts) => new Set(texts).size < texts.length);
}

interface BothWays {
  readonly batch: ProfilesBatch;
  readonly native: FileDelta;
  readonly reference: NonNullable<ReturnType<typeof pprofDelta>>;
}

async function bothWays(
  input: Uint8Array,
  last: BothWays | undefined,
  first: 'skip' | 'send',
): Promise<BothWays | undefined> {
  const options = { maxBytes: MAX_BYTES, first, deferral: new PprofDeferral() };
  const native = await fileDelta(input, last?.native.totals, options);
  if (native === undefined) return undefined;
  if (native === 'no totals') {
    // Its samples are for whoever decodes it to check.
    const read = await readPprof(input, options).catch(unlessOther);
    if (read !== undefined) assert.equal(pprofDelta(read, undefined), undefined, 'TypeScript finds totals');
    return undefined;
  }
  const batch = await readPprof(input, options).catch((error: unknown) => {
    // Rows of little in many bytes, which TypeScript keeps as columns and the addon does not.
    if (error instanceof DecodeError && /times the size/.test(error.message)) return undefined;
    throw error;
  });
  if (batch === undefined) return undefined;
  const reference = pprofDelta(batch, decodedTotals(last?.reference.totals), first);
  assert.ok(reference !== undefined, 'TypeScript finds no totals');
  assert.equal(native.outcome, reference.outcome);
  assert.equal(native.wasEmpty, batch.sampleCount === 0);
  assert.equal(native.made?.batch.sampleCount ?? 0, reference.batch.sampleCount);
  assert.deepEqual(said(native.made?.batch), said(reference.batch));
  return { batch, native, reference };
}

function unlessOther(error: unknown): undefined {
  if (!(error instanceof DecodeError)) throw error;
}

/** What samples of a batch say, in no order; texts in place of rows. */
function said(batch: ProfilesBatch | undefined): string[] {
  const lines: string[] = [];
  for (const { profile: p } of batch?.profiles() ?? []) {
    const { dictionary: d } = batch as ProfilesBatch;
    const { functions, locations, mappings, stacks } = d.tables;
    const attribute = (row: number): unknown => [
      d.text(d.tables.attributes.key[row] ?? 0),
      d.attributeValue(row),
    ];
    const location = (row: number): unknown => [
      locations.address[row],
      d.text(mappings.filename[locations.mapping[row] ?? 0] ?? 0),
      ...Array.from(locations.lineLine.subarray(locations.lineStart[row], locations.lineStart[row + 1])),
      ...Array.from(
        locations.lineFunction.subarray(locations.lineStart[row], locations.lineStart[row + 1]),
        (f) =>
          [functions.name, functions.systemName, functions.filename].map((texts) => d.text(texts[f] ?? 0)),
      ),
    ];
    const head = [
      d.text(p.sampleType.type),
      d.text(p.sampleType.unit),
      p.timeUnixNano,
      p.durationNano,
      p.period,
    ];
    const more = [d.text(p.periodType.type), Array.from(p.attributes, attribute)];
    for (let i = 0; i < p.samples.length; i++) {
      const stack = Array.from(listAt(stacks.locations, p.samples.stack[i] ?? 0), location);
      const labels = Array.from(listAt(p.samples.attributes, i), attribute);
      lines.push(text([...head, more, stack, labels, p.samples.values[i]]));
    }
  }
  return lines.sort();
}

const text = (value: unknown): string =>
  JSON.stringify(value, (_, v: unknown) => (typeof v === 'bigint' ? v.toString() : v));
