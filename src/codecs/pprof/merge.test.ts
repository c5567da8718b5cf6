// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { intValue, stringValue } from '../../pdata/any-value.ts';
import { DictionaryBuilder } from '../../pdata/dictionary-builder.ts';
import { batchFromFolded, toFolded } from '../../pdata/folded.ts';
import { profile, type ProfilesBatch } from '../../pdata/profiles-batch.ts';
import { SamplesBuilder } from '../../pdata/samples.ts';
import { decodePprof } from './decode.ts';
import { encodePprof } from './encode.ts';
import { mergePprof } from './merge.ts';
import { PPROF } from './names.ts';

const drawn = (text: string, timeUnixNano = 5n): ProfilesBatch =>
  batchFromFolded(text, { timeUnixNano, durationNano: 10n, period: 3n });

interface LabelledSample {
  readonly labels: readonly (readonly [key: string, value: string | number])[];
  readonly value: bigint;
}

/** One file whose samples have one stack, the given labels in their order, and comments. */
function labelled(samples: readonly LabelledSample[], comments: readonly string[] = []): ProfilesBatch {
  const d = new DictionaryBuilder();
  const fn = d.function(d.string('main'), 0, 0, 0n);
  const stack = d.stack([d.location(0, 0n, [], [{ function: fn, line: 0n, column: 0n }])]);
  const builder = new SamplesBuilder();
  for (const { labels, value } of samples) {
    const rows = labels.map(([key, v]) =>
      d.attributeOf(key, typeof v === 'string' ? stringValue(v) : intValue(v)),
    );
    builder.add(stack, 0, rows, [value], []);
  }
  const comment = d.attributeOf(PPROF.comment, { kind: 'array', value: comments.map(stringValue) });
  const made = profile({
    sampleType: { type: d.string('cpu'), unit: d.string('nanoseconds') },
    attributes: comments.length === 0 ? new Int32Array(0) : Int32Array.of(comment),
    samples: builder.build(),
  });
  return decodePprof(encodePprof(d.build(), [made]));
}

const valuesOf = (batch: ProfilesBatch): bigint[] =>
  [...batch.profiles()].flatMap(({ profile: p }) => [...p.samples.values]);

describe('mergePprof', () => {
  it('adds up samples of one stack', () => {
    const merged = mergePprof([drawn('main;a 1\nmain;b 2'), drawn('main;c 4\nmain;a 8'), drawn('main;b 16')]);
    assert.equal(toFolded(merged), 'main;a 9\nmain;b 18\nmain;c 4');
    const [found, ...others] = [...merged.profiles()];
    assert.equal(others.length, 0);
    assert.equal(found?.profile.samples.length, 3);
  });

  it('adds up the values of each type where a file has one type twice', () => {
    const d = new DictionaryBuilder();
    const type = { type: d.string('cpu'), unit: d.string('nanoseconds') };
    const profiles = [1n, 2n].map((value) => {
      const samples = new SamplesBuilder();
      samples.add(0, 0, [], [value], []);
      return profile({ sampleType: type, samples: samples.build() });
    });
    const batch = decodePprof(encodePprof(d.build(), profiles));
    assert.deepEqual(
      valuesOf(mergePprof([batch, batch])),
      valuesOf(batch).map((value) => value * 2n),
    );
    assert.deepEqual(new Set(valuesOf(batch)), new Set([1n, 2n]));
  });

  it('takes the earliest time that is set, the sum of durations and the largest period', () => {
    const merged = mergePprof([drawn('main 1', 9n), drawn('main 1', 0n), drawn('main 1', 7n)]);
    const [found] = [...merged.profiles()];
    assert.equal(found?.profile.timeUnixNano, 7n);
    assert.equal(found.profile.durationNano, 30n);
    assert.equal(found.profile.period, 3n);
  });

  it('tells samples apart by their labels, whatever the order of these', () => {
    const a = labelled([
      {
        labels: [
          ['x', '1'],
          ['y', 2],
        ],
        value: 1n,
      },
      { labels: [['x', '1']], value: 2n },
    ]);
    const b = labelled([
      {
        labels: [
          ['y', 2],
          ['x', '1'],
        ],
        value: 4n,
      },
      { labels: [], value: 8n },
    ]);
    assert.deepEqual(
      valuesOf(mergePprof([a, b])).sort((x, y) => Number(x - y)),
      [2n, 5n, 8n],
    );
    const many = Array.from({ length: 40 }, (_, i) => [`key ${i}`, i] as const);
    const c = labelled([{ labels: many, value: 1n }]);
    const d = labelled([{ labels: many.toReversed(), value: 2n }]);
    assert.deepEqual(valuesOf(mergePprof([c, d])), [3n]);
  });

  it('keeps all values where a sum does not fit in 64 bits', () => {
    const large = 2n ** 63n - 1n;
    const merged = mergePprof([large, 1n, -5n].map((value) => labelled([{ labels: [], value }])));
    assert.equal(
      valuesOf(merged).reduce((sum, value) => sum + value, 0n),
      large - 4n,
    );
  });

  it('keeps the comments of all files, each once', () => {
    const merged = mergePprof([
      labelled([{ labels: [], value: 1n }], ['one', 'two']),
      labelled([{ labels: [], value: 1n }], ['two', 'three']),
    ]);
    const [found] = [...merged.profiles()];
    const comments = Array.from(found?.profile.attributes ?? [], (row) =>
      merged.dictionary.attributeValue(row),
    );
    assert.deepEqual(comments, [{ kind: 'array', value: ['one', 'two', 'three'].map(stringValue) }]);
  });

  it('refuses files of other types, and gives a single one as it is', () => {
    const heap = batchFromFolded('main 1', { sampleType: ['space', 'bytes'] });
    assert.throws(() => mergePprof([drawn('main 1'), heap]), /different sample or period types/);
    assert.equal(mergePprof([heap]), heap);
    assert.equal(mergePprof([]).resources.length, 0);
  });
});
