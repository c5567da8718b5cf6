// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { mergeEqualSamples } from './aggregate.ts';
import { intValue } from './any-value.ts';
import { meaningDifference } from './canonical.ts';
import { DictionaryBuilder } from './dictionary-builder.ts';
import { profile, ProfilesBatch, resource } from './profiles-batch.ts';
import { SamplesBuilder } from './samples.ts';

type Row = readonly [
  stack: number,
  link: number,
  attributes: number[],
  values: bigint[],
  timestamps: bigint[],
];

/** A profile of these samples; stacks 1 and 2, link 1 and attributes 1 and 2 are there. */
function batchOf(...rows: readonly Row[]): ProfilesBatch {
  const b = new DictionaryBuilder();
  for (const address of [1n, 2n]) b.stack([b.location(0, address, [], [])]);
  for (const value of [1, 2]) b.attributeOf('n', intValue(value));
  b.link(new Uint8Array(16).fill(1), new Uint8Array(8).fill(1));
  const samples = new SamplesBuilder();
  for (const row of rows) samples.add(...row);
  const made = profile({ sampleType: { type: 0, unit: 0 }, samples: samples.build() });
  const scope = { name: '', version: '', attributes: [], droppedAttributesCount: 0 };
  return new ProfilesBatch(b.build(), [
    { resource: resource([]), schemaUrl: '', scopes: [{ scope, schemaUrl: '', profiles: [made] }] },
  ]);
}

function samplesOf(batch: ProfilesBatch): string[] {
  const [first] = batch.profiles();
  const s = first?.profile.samples ?? assert.fail('no profile');
  return Array.from(
    { length: s.length },
    (_, i) =>
      `${s.stack[i]} ${s.values.subarray(s.valueStart[i], s.valueStart[i + 1]).join()} @${s.timestamps.subarray(s.timestampStart[i], s.timestampStart[i + 1]).join()}`,
  );
}

describe('samples of one identity and shape', () => {
  it('become one: values add up, timestamps are gathered in order', () => {
    const batch = batchOf(
      [1, 0, [1, 2], [5n], []],
      [1, 0, [], [], [9n, 3n]],
      [1, 0, [2, 1], [-7n], []],
      [1, 0, [], [], [4n]],
      [2, 0, [], [1n, 2n], [8n, 7n]],
      [2, 0, [], [3n], [1n]],
    );
    const merged = mergeEqualSamples(batch);
    assert.deepEqual(samplesOf(merged), ['1 -2 @', '1  @3,4,9', '2 3,2,1 @1,7,8']);
    assert.equal(meaningDifference(merged, batch), undefined);
    assert.equal(merged.dictionary, batch.dictionary);
  });

  it('do not swallow those that differ in stack, link, attributes or shape', () => {
    const batch = batchOf(
      [1, 0, [], [1n], []],
      [2, 0, [], [1n], []],
      [1, 1, [], [1n], []],
      [1, 0, [1], [1n], []],
      [1, 0, [], [], [1n]],
      [1, 0, [], [1n], [1n]],
    );
    assert.equal(mergeEqualSamples(batch), batch);
  });

  it('stay apart where 64 bits cannot hold the sum', () => {
    const max = 2n ** 63n - 1n;
    const batch = batchOf([1, 0, [], [max - 1n], []], [1, 0, [], [1n], []], [1, 0, [], [1n], []]);
    const merged = mergeEqualSamples(batch);
    assert.deepEqual(samplesOf(merged), [`1 ${max} @`, '1 1 @']);
    assert.equal(meaningDifference(merged, batch), undefined);
  });
});
