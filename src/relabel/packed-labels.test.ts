// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { garbageCollector } from '../internal/garbage-collector.ts';
import { packLabels } from './packed-labels.ts';
import type { LabelSet } from './relabel.ts';

const labelsArb = fc
  .dictionary(fc.constantFrom('a', 'b', 'c', '__proto__', 'size', 'é'), fc.string())
  .map((labels) => new Map(Object.entries(labels)));

test('packed labels are the same labels in the same order', () => {
  fc.assert(
    fc.property(labelsArb, (labels) => {
      const packed = packLabels(labels);
      const seen: [string, string][] = [];
      packed.forEach((value, name, all) => {
        assert.equal(all, packed);
        seen.push([name, value]);
      });
      assert.deepEqual(seen, [...labels]);
      assert.deepEqual([...packed], [...labels]);
      assert.deepEqual([...packed.entries()], [...labels]);
      assert.deepEqual([...packed.keys()], [...labels.keys()]);
      assert.deepEqual([...packed.values()], [...labels.values()]);
      assert.equal(packed.size, labels.size);
      for (const name of ['a', 'b', 'c', '__proto__', 'size', 'd', 'constructor']) {
        assert.equal(packed.get(name), labels.get(name));
        assert.equal(packed.has(name), labels.has(name));
      }
      assert.equal(packLabels(packed), packed);
    }),
  );
});

test('labels that begin with those of other sets are the same labels too', () => {
  fc.assert(
    fc.property(fc.array(labelsArb, { maxLength: 3 }), labelsArb, (parts, own) => {
      const packed = parts.map((part, i) => packLabels(part, ...parts.slice(0, i)));
      // Of a name that stands in several the last value counts, at the first place: then nothing is shared from there on.
      const labels = new Map([...packed, own].flatMap((set) => [...set]));
      const shared = packLabels(labels, ...packed);
      assert.deepEqual([...shared], [...labels]);
      assert.deepEqual([...shared.keys()], [...labels.keys()]);
      assert.deepEqual([...shared.values()], [...labels.values()]);
      assert.equal(shared.size, labels.size);
      for (const name of ['a', 'b', 'c', '__proto__', 'size', 'd']) {
        assert.equal(shared.get(name), labels.get(name));
        assert.equal(shared.has(name), labels.has(name));
      }
      const over = new Map([...shared, ['more', 'x']]);
      assert.deepEqual([...packLabels(over, shared)], [...over]);
    }),
  );
});

test('values of the parts are kept once', () => {
  const collect = garbageCollector();
  assert.ok(collect !== undefined);
  const names = Array.from({ length: 100 }, (_, i) => `name${i}`);
  const node = packLabels(new Map(names.map((name) => [name, name])));
  const bytesOf = (...parts: readonly LabelSet[]): number => {
    collect();
    const before = process.memoryUsage().heapUsed;
    const sets = Array.from({ length: 2_000 }, (_, i) =>
      packLabels(new Map([...node, ['pod', String(i)]]), ...parts),
    );
    collect();
    return (process.memoryUsage().heapUsed - before) / sets.length;
  };
  const [alone, shared] = [bytesOf(), bytesOf(node)];
  assert.ok(alone > 800 && shared < 400, `${alone} and ${shared} bytes a set`);
});

test('sets with names that no other has stay as they are, however many', () => {
  const sets = Array.from({ length: 25_000 }, (_, i) => packLabels(new Map([[`name${i}`, String(i)]])));
  for (const i of [0, 1, 20_000, 24_999]) assert.deepEqual([...(sets[i] ?? [])], [[`name${i}`, String(i)]]);
});
