// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import type { TargetGroup } from '../target.ts';
import { Outlet } from './outlet.ts';

/** Groups that wait, by number. */
class Stock {
  readonly groups: string[] = [];

  get waiting(): number {
    return this.groups.length;
  }

  take(limit: number): TargetGroup[] {
    return this.groups.splice(0, limit).map((name) => ({ name, labels: new Map(), targets: [] }));
  }
}

function outletOf(stock: Stock) {
  const updates: string[][] = [];
  const refused: unknown[] = [];
  const limit = { groups: Number.POSITIVE_INFINITY };
  const outlet = new Outlet(
    (groups) => {
      if (groups.length > limit.groups) throw new Error('too many');
      updates.push(groups.map(({ name }) => name));
    },
    (error) => refused.push(error),
  );
  const turns = async (count: number): Promise<void> => {
    for (let i = 0; i < count; i++) await turn();
  };
  return { outlet, updates, refused, limit, turns, stock };
}

test('nothing goes out before it is open, and then all at once, also where it is nothing', async () => {
  const { outlet, updates, turns, stock } = outletOf(new Stock());
  stock.groups.push('a', 'b');
  outlet.request();
  await turns(3);
  assert.deepEqual(updates, []);
  outlet.open(stock);
  outlet.request();
  await turns(3);
  assert.deepEqual(updates, [['a', 'b']]);
  outlet.request();
  await turns(3);
  assert.deepEqual(updates, [['a', 'b'], []]);
});

test('much is made in several turns, and goes out together', async () => {
  const { outlet, updates, turns, stock } = outletOf(new Stock());
  stock.groups.push(...Array.from({ length: 450 }, (_, i) => String(i)));
  outlet.open(stock);
  await turns(3);
  assert.ok(stock.waiting > 0 && stock.waiting < 450);
  assert.equal(updates.length, 0);
  await turns(5);
  assert.equal(updates[0]?.length, 450);
});

test('what is not taken is told, and comes again', async () => {
  const { outlet, updates, refused, limit, turns, stock } = outletOf(new Stock());
  limit.groups = 1;
  stock.groups.push('a', 'b');
  outlet.open(stock);
  await turns(3);
  assert.deepEqual([updates, refused.length], [[], 1]);
  limit.groups = 3;
  stock.groups.push('c');
  outlet.request();
  await turns(3);
  assert.deepEqual(updates, [['a', 'b', 'c']]);
});

test('of what comes again only the last word counts', async () => {
  const { outlet, updates, limit, turns, stock } = outletOf(new Stock());
  limit.groups = 2;
  stock.groups.push('a', 'b', 'c');
  outlet.open(stock);
  await turns(3);
  limit.groups = 3;
  stock.groups.push('b');
  outlet.request();
  await turns(3);
  assert.deepEqual(updates, [['a', 'b', 'c']]);
});

test('after its end nothing goes out', async () => {
  const { outlet, updates, turns, stock } = outletOf(new Stock());
  outlet.open(stock);
  outlet.close();
  outlet.request();
  await turns(3);
  assert.deepEqual(updates, []);
});
