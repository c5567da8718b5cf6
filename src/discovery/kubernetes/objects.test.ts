// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { asObject } from './json.ts';
import { bareContainerId, readPod } from './objects.ts';

const everything = { label: () => true, annotation: () => true };

test('any JSON at all is read as a pod without an error', () => {
  const key = fc.constantFrom(
    'metadata',
    'spec',
    'status',
    'containers',
    'containerStatuses',
    'ownerReferences',
    'labels',
    'name',
    'podIPs',
    'restartCount',
    'lastState',
    '__proto__',
  );
  const { json } = fc.letrec((tie) => ({
    json: fc.oneof(
      { maxDepth: 5 },
      fc.jsonValue({ maxDepth: 1 }),
      fc.array(tie('json'), { maxLength: 3 }),
      fc.dictionary(key, tie('json')),
    ),
  }));
  fc.assert(
    fc.property(json, (value) => {
      const pod = readPod(asObject(JSON.parse(JSON.stringify(value) ?? 'null')), everything);
      assert.equal(typeof pod.name, 'string');
      assert.ok(Array.isArray(pod.containers));
    }),
    { numRuns: 300 },
  );
});

test('only wanted labels and annotations are kept', () => {
  const object = { metadata: { labels: { a: '1', b: '2' }, annotations: { c: '3', d: 4 } } };
  const pod = readPod(object, { label: (name) => name === 'a', annotation: () => true });
  assert.deepEqual([pod.labels, pod.annotations], [{ a: '1' }, { c: '3' }]);
});

test('the runtime in front of a container id is cut off', () => {
  assert.deepEqual(['containerd://ab', 'cri-o://ab', 'docker://ab', 'ab', ''].map(bareContainerId), [
    'ab',
    'ab',
    'ab',
    'ab',
    '',
  ]);
});
