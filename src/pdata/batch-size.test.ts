// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { batchFromFolded } from './folded.ts';
import { ProfilesBatch } from './profiles-batch.ts';
import { batchSizeBytes, keepBeside } from './batch-size.ts';

const MANY = batchFromFolded(Array.from({ length: 1_000 }, (_, i) => `main;f${i} 1`).join('\n'));

it('grows with the stacks of a batch', () => {
  const small = batchSizeBytes(batchFromFolded('main 1'));
  assert.ok(batchSizeBytes(MANY) > small + 50_000);
});

it('counts what two profiles share once', () => {
  const twice = new ProfilesBatch(MANY.dictionary, [...MANY.resources, ...MANY.resources]);
  assert.ok(batchSizeBytes(twice) < batchSizeBytes(MANY) * 1.1);
});

it('counts what is kept beside a batch, each buffer once and as a whole', () => {
  const batch = new ProfilesBatch(MANY.dictionary, MANY.resources);
  const without = batchSizeBytes(batch);
  const body = new Uint8Array(1_000_000);
  keepBeside(batch, [body.subarray(0, 10), body.subarray(10, 20), new Uint8Array(500)]);
  assert.equal(batchSizeBytes(batch), without + 1_000_500);
  // Of what the batch is made of nothing is kept twice.
  const { bytes } = MANY.dictionary.tables.strings;
  keepBeside(batch, [bytes]);
  assert.equal(batchSizeBytes(batch), without);
});

it('counts what a batch that is not made will be made of once, with the buffer that it lies in', () => {
  const make = (): ProfilesBatch => MANY;
  const counts = { profiles: 1, samples: 1, events: 1 };
  const file = new Uint8Array(10_000).subarray(0, 4_000);
  const batch = new ProfilesBatch({ counts, heldBytes: file.length, make });
  const without = batchSizeBytes(batch);
  keepBeside(batch, [file]);
  assert.equal(batchSizeBytes(batch), without + 6_000);
});
