// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { batchFromFolded } from './folded.ts';
import { ProfilesBatch } from './profiles-batch.ts';
import { batchSizeBytes } from './batch-size.ts';

const MANY = batchFromFolded(Array.from({ length: 1_000 }, (_, i) => `main;f${i} 1`).join('\n'));

it('grows with the stacks of a batch', () => {
  const small = batchSizeBytes(batchFromFolded('main 1'));
  assert.ok(batchSizeBytes(MANY) > small + 50_000);
});

it('counts what two profiles share once', () => {
  const twice = new ProfilesBatch(MANY.dictionary, [...MANY.resources, ...MANY.resources]);
  assert.ok(batchSizeBytes(twice) < batchSizeBytes(MANY) * 1.1);
});
