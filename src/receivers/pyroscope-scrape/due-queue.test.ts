// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { DueQueue } from './due-queue.ts';

describe('the queue of what is due', () => {
  it('gives items in the order of their times, none before its time, each once', () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 0, max: 50 })),
        fc.integer({ min: 0, max: 50 }),
        (times, now) => {
          const queue = new DueQueue<number>();
          for (const [i, atMs] of times.entries()) queue.add(atMs, i);
          const taken: number[] = [];
          for (let due = queue.take(now); due !== undefined; due = queue.take(now)) {
            assert.equal(due.atMs, times[due.item]);
            taken.push(due.atMs);
          }
          const sorted = times.toSorted((a, b) => a - b);
          assert.deepEqual(
            taken,
            sorted.filter((atMs) => atMs <= now),
          );
          assert.equal(queue.nextMs, sorted[taken.length]);
          assert.equal(queue.size, times.length - taken.length);
        },
      ),
    );
  });
});
