// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Pod } from '../../discovery/kubernetes/objects.ts';
import { readPod } from '../../discovery/kubernetes/objects.ts';
import { PodTable } from './pod-table.ts';

function pod(uid: string, startedAtMs = 0): Pod {
  const empty = readPod({ metadata: { uid, name: uid } }, { label: () => false, annotation: () => false });
  return { ...empty, startedAtMs };
}

test('an identity that a pod gave up is known for the grace period', () => {
  const table = new PodTable(100);
  table.upsert(pod('a'), ['old'], 0);
  table.upsert(pod('a'), ['new'], 1_000);
  assert.equal(table.find('old')?.uid, 'a');
  assert.equal(table.purge(1_099), false);
  assert.equal(table.purge(1_100), true);
  assert.equal(table.find('old'), undefined);
  assert.equal(table.find('new')?.uid, 'a');
});

test('an identity that came back within the grace period stays', () => {
  const table = new PodTable(100);
  table.upsert(pod('a'), ['x'], 0);
  table.upsert(pod('a'), [], 10);
  table.upsert(pod('a'), ['x'], 20);
  table.purge(1_000);
  assert.equal(table.find('x')?.uid, 'a');
});

test('a deleted pod does not take the identity of the pod that has it now', () => {
  const table = new PodTable(100);
  table.upsert(pod('old', 1), ['ip'], 0);
  table.upsert(pod('new', 2), ['ip'], 1);
  table.upsert(pod('old', 1), ['ip'], 2);
  assert.equal(table.find('ip')?.uid, 'new');
  assert.equal(table.remove('old', 3), true);
  assert.equal(table.remove('old', 3), false);
  table.purge(1_000);
  assert.equal(table.find('ip')?.uid, 'new');
  assert.equal(table.size, 1);
});
