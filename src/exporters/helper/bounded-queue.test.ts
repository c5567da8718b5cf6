// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { garbageCollector } from '../../internal/garbage-collector.ts';
import { never } from '../../internal/testing/settings.ts';
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

  it('lets the next in who fits when the one before gives up waiting', async () => {
    const queue = new BoundedQueue<object>({ units: 10, bytes: 10, blockOnOverflow: true });
    await queue.reserve({ units: 8, bytes: 0 }, never());
    const impatient = new AbortController();
    const large = queue.reserve({ units: 5, bytes: 0 }, impatient.signal);
    const small = queue.reserve({ units: 2, bytes: 0 }, never()).then(() => 'has room');
    impatient.abort();
    await assert.rejects(large, /gave up waiting/);
    assert.equal(await Promise.race([small, new Promise((r) => setImmediate(r, 'waits'))]), 'has room');
    assert.equal(queue.units, 10);
  });
});
