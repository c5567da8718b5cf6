// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FakeClock } from '../../internal/testing/fake-clock.ts';
import { never } from '../../internal/testing/settings.ts';
import { RateLimiter } from './rate-limiter.ts';

test('a burst goes at once, then the rate holds, and rest fills the bucket again', async () => {
  const clock = new FakeClock();
  const limiter = new RateLimiter(5, 2, clock);
  let through = 0;
  for (let i = 0; i < 5; i++) void limiter.take(never()).then(() => through++);
  const seen: number[] = [];
  for (const ms of [0, 199, 1, 200, 200]) {
    await clock.advance(ms);
    seen.push(through);
  }
  assert.deepEqual(seen, [2, 2, 3, 4, 5]);
  await clock.advance(10_000);
  for (let i = 0; i < 3; i++) void limiter.take(never()).then(() => through++);
  await clock.advance(0);
  assert.equal(through, 7);
  await clock.advance(200);
  assert.equal(through, 8);
});

test('an abort ends the wait', async () => {
  const limiter = new RateLimiter(1, 1, new FakeClock());
  await limiter.take(never());
  const stop = new AbortController();
  const waiting = limiter.take(stop.signal);
  stop.abort(new Error('enough'));
  await assert.rejects(waiting, { message: 'enough' });
});
