// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { garbageCollector } from '../../internal/garbage-collector.ts';
import { BoundedQueue } from './bounded-queue.ts';

describe('a bounded queue', () => {
  it('keeps nothing that was taken from it', async () => {
    const queue = new BoundedQueue<object>({ units: 10, bytes: 10, blockOnOverflow: false });
    let item: object | undefined = { batch: true };
    const taken = new WeakRef(item);
    queue.push(item);
    item = queue.shift();
    assert.deepEqual(item, { batch: true });
    item = undefined;
    // A WeakRef holds what it refers to until the end of the turn that made it.
    await new Promise(setImmediate);
    garbageCollector()?.();
    assert.equal(taken.deref(), undefined);
    assert.equal(queue.length, 0);
  });
});
