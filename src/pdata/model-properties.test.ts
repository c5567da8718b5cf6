// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { decodeOtlp } from '../codecs/otlp/decode.ts';
import { encodeOtlp } from '../codecs/otlp/encode.ts';
import { otlpRequestType } from '../internal/testing/otlp-proto.ts';
import { Random, randomOtlpRequest } from '../internal/testing/otlp-random.ts';
import { mergeEqualSamples } from './aggregate.ts';
import { intValue, stringValue } from './any-value.ts';
import { canonicalForm, meaningDifference } from './canonical.ts';
import {
  editLocationAttributes,
  editMappingAttributes,
  editProfileAttributes,
  editSampleAttributes,
} from './edit-attributes.ts';
import { dropEmpty, filterProfiles, filterSamples } from './filter.ts';
import { collectGarbage } from './garbage.ts';
import { mergeBatches } from './merge.ts';
import { ProfilesBatch } from './profiles-batch.ts';
import { splitByResource, splitBySize } from './split-by.ts';
import { splitBatch } from './split.ts';

const type = otlpRequestType();

/** Batches as decoded: unused and equal rows, references also in nested values, several of every message. */
function batchOf(seed: number): ProfilesBatch {
  return decodeOtlp(type.encode(type.fromObject(randomOtlpRequest(new Random(seed), true))).finish());
}

const seed = fc.integer();

const sameMeaning = (a: ProfilesBatch, b: ProfilesBatch): void =>
  assert.equal(meaningDifference(a, b), undefined);

const RUNS = { seed: 5, numRuns: 60 };

/** All batches as one without touching their rows: what a merge must mean. */
function linesOf(batches: readonly ProfilesBatch[]): string[] {
  return batches.flatMap((b) => [...b.profiles()].map(({ profile }) => profile.samples.length)).map(String);
}

/** Every row of the dictionary is used by something: what a collected batch has. */
function rowsOf({ dictionary: { tables: t } }: ProfilesBatch): number[] {
  return [t.strings, t.functions, t.mappings, t.locations, t.stacks, t.links, t.attributes].map(
    (table) => table.length,
  );
}

describe('the operations of the model', () => {
  it('keep every profile of every batch that they merge, whatever rows the others have', () => {
    fc.assert(
      fc.property(fc.array(seed, { minLength: 2, maxLength: 4 }), (seeds) => {
        const batches = seeds.map(batchOf);
        const merged = mergeBatches(batches);
        assert.deepEqual(linesOf([merged]), linesOf(batches));
        // Each batch is found again in the merged one by the place of its resources.
        let at = 0;
        for (const b of batches) {
          const own = merged.resources.slice(at, (at += b.resources.length));
          sameMeaning(new ProfilesBatch(merged.dictionary, own), b);
        }
        sameMeaning(decodeOtlp(encodeOtlp(merged, { revision: '1.10' })), merged);
      }),
      RUNS,
    );
  });

  it('give parts that together mean the whole', () => {
    fc.assert(
      fc.property(seed, fc.integer({ min: 1, max: 7 }), (from, max) => {
        const b = batchOf(from);
        const parts = splitBatch(b, max);
        assert.ok(parts.every((part) => part.sampleCount <= max));
        sameMeaning(mergeBatches(parts), b);
        assert.ok(parts.length > 1 || parts[0] === b);
        for (const part of parts) if (part !== b) assert.equal(collectGarbage(part), part);
      }),
      RUNS,
    );
  });

  it('give parts no larger than asked in both revisions, and tell which cannot be', () => {
    fc.assert(
      fc.property(seed, fc.integer({ min: 1, max: 4000 }), (from, maxBytes) => {
        const b = batchOf(from);
        const parts = splitBySize(b, maxBytes);
        sameMeaning(mergeBatches(parts.map((part) => part.batch)), b);
        for (const { batch: part, fits } of parts) {
          const sizes = (['1.9', '1.10'] as const).map((revision) => encodeOtlp(part, { revision }).length);
          if (fits) assert.ok(Math.max(...sizes) <= maxBytes, `${sizes.join(', ')} > ${maxBytes}`);
          else assert.ok(part.sampleCount <= 1 && part.profileCount === 1);
        }
      }),
      RUNS,
    );
  });

  it('split by resource without mixing keys', () => {
    fc.assert(
      fc.property(seed, (from) => {
        const b = batchOf(from);
        const keys = new Map(b.resources.map((rp, i) => [rp, String(i % 2)]));
        const parts = splitByResource(b, (rp) => keys.get(rp) ?? '');
        sameMeaning(mergeBatches([...parts.values()]), b);
        for (const [key, part] of parts) {
          const own = b.resources.filter((rp) => keys.get(rp) === key);
          sameMeaning(part, new ProfilesBatch(b.dictionary, own));
        }
      }),
      RUNS,
    );
  });

  it('keep what a filter keeps and nothing else', () => {
    fc.assert(
      fc.property(seed, (from) => {
        const b = batchOf(from);
        const even = filterSamples(b, ({ sample }) => sample % 2 === 0);
        const odd = filterSamples(b, ({ sample }) => sample % 2 === 1);
        assert.equal(even.sampleCount + odd.sampleCount, b.sampleCount);
        sameMeaning(mergeBatches([even, odd]), dropEmpty(b));
        const firsts = filterProfiles(b, ({ profileIndex }) => profileIndex === 0);
        const others = filterProfiles(b, ({ profileIndex }) => profileIndex !== 0);
        sameMeaning(mergeBatches([firsts, others]), b);
      }),
      RUNS,
    );
  });

  it('collect garbage once, leaving no row that nothing uses', () => {
    fc.assert(
      fc.property(seed, (from) => {
        const b = batchOf(from);
        const collected = collectGarbage(b);
        sameMeaning(collected, b);
        assert.equal(collectGarbage(collected), collected);
        rowsOf(collected).forEach((rows, i) => assert.ok(rows <= (rowsOf(b)[i] ?? 0) + 1));
      }),
      RUNS,
    );
  });

  it('merge equal samples without changing what a batch means', () => {
    fc.assert(
      fc.property(seed, (from) => {
        const b = batchOf(from);
        const merged = mergeEqualSamples(collectGarbage(mergeBatches([b, collectGarbage(b)])));
        assert.equal(mergeEqualSamples(merged), merged);
        sameMeaning(merged, mergeBatches([b, b]));
      }),
      RUNS,
    );
  });

  it('undo an edit with the edit that takes it back', () => {
    const mark = { key: 'added', value: stringValue('by a test'), unit: 'By' };
    fc.assert(
      fc.property(seed, (from) => {
        const b = batchOf(from);
        const before = canonicalForm(b);
        for (const edit of [
          editProfileAttributes,
          editSampleAttributes,
          editLocationAttributes,
          editMappingAttributes,
        ]) {
          assert.equal(
            edit(b, (attributes) => attributes),
            b,
          );
          assert.equal(
            edit(b, (attributes) => [...attributes]),
            b,
          );
          const marked = edit(b, (attributes) => [...attributes, mark]);
          const back = edit(marked, (attributes) => attributes.filter((a) => a.key !== mark.key));
          sameMeaning(back, b);
          assert.deepEqual(canonicalForm(b), before, 'the original was changed');
          sameMeaning(decodeOtlp(encodeOtlp(marked, { revision: '1.9' })), marked);
        }
      }),
      RUNS,
    );
  });

  it('tell every change of a value apart', () => {
    fc.assert(
      fc.property(seed, (from) => {
        const b = batchOf(from);
        fc.pre(b.sampleCount > 0);
        const edited = editSampleAttributes(b, (list) => [
          ...list,
          { key: 'n', value: intValue(1), unit: '' },
        ]);
        const text = meaningDifference(b, edited);
        assert.match(text ?? '', /^- .*\n(.*\n)*\+ .*"n": int 1/);
      }),
      RUNS,
    );
  });
});
