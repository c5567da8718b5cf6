// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type AnyValue, intValue, stringValue } from './any-value.ts';
import type { Attributes } from './attributes.ts';
import { AttributesMemo } from './attributes-memo.ts';

const list = (...values: AnyValue[]): Attributes => values.map((value, i) => ({ key: `k${i}`, value }));

test('an equal list finds the value, a different one does not', () => {
  const memo = new AttributesMemo<number>(10);
  const array = (...items: AnyValue[]): AnyValue => ({ kind: 'array', value: items });
  const long = 'a'.repeat(20);
  memo.set(list(stringValue(long), intValue(7), array(stringValue('x'))), 1);
  assert.equal(memo.get(list(stringValue(long), intValue(7), array(stringValue('x')))), 1);
  const others = [
    list(stringValue(`b${long.slice(1)}`), intValue(7), array(stringValue('x'))),
    list(stringValue(long), stringValue('7'), array(stringValue('x'))),
    list(stringValue(long), { kind: 'double', value: 7 }, array(stringValue('x'))),
    list(stringValue(long), intValue(7), array(stringValue('y'))),
    list(stringValue(long), intValue(7n + (1n << 32n)), array(stringValue('x'))),
    list(stringValue(long), intValue(7)),
    list(intValue(7), stringValue(long), array(stringValue('x'))),
  ];
  for (const other of others) assert.equal(memo.get(other), undefined);
});

test('a list with the same hash is not mistaken for another', () => {
  const memo = new AttributesMemo<string>(10);
  const low = list(intValue(1));
  const high = list(intValue(1n + (1n << 32n)));
  memo.set(low, 'low');
  assert.equal(memo.get(high), undefined);
  memo.set(high, 'high');
  assert.equal(memo.get(high), 'high');
  assert.equal(memo.get(low), undefined);
});

test('the list that was not used for longest makes room', () => {
  const memo = new AttributesMemo<number>(2);
  const [a, b, c] = [list(intValue(1)), list(intValue(2)), list(intValue(3))];
  memo.set(a, 1);
  memo.set(b, 2);
  memo.get(a);
  memo.set(c, 3);
  assert.deepEqual([memo.get(a), memo.get(b), memo.get(c)], [1, undefined, 3]);
});
