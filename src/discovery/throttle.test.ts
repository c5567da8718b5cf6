// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { FakeClock } from '../internal/testing/fake-clock.ts';
import { Throttle } from './throttle.ts';

it('a throttle runs the first request at once and those after it together', async () => {
  const clock = new FakeClock(0);
  const ran: number[] = [];
  const throttle = new Throttle(clock, 5_000, () => ran.push(clock.now()));
  throttle.request();
  throttle.request();
  await clock.advance(1_000);
  throttle.request();
  assert.deepEqual(ran, [0]);
  await clock.advance(4_000);
  assert.deepEqual(ran, [0, 5_000]);
  await clock.advance(5_000);
  assert.deepEqual(ran, [0, 5_000]);
  throttle.request();
  throttle.runNow();
  throttle.request();
  throttle.stop();
  throttle.runNow();
  await clock.advance(60_000);
  assert.deepEqual([ran, clock.pending], [[0, 5_000, 10_000, 10_000], []]);
});

it('what hurries is run sooner, unless a run takes long', async () => {
  const clock = new FakeClock(0);
  const ran: number[] = [];
  let takesMs = 0;
  let begunMs = 0;
  const slow = {
    now: () => clock.now(),
    // The second time that a run is timed it is over.
    elapsed: () => clock.now() + begunMs,
    setTimeout: (run: () => void, ms: number) => clock.setTimeout(run, ms),
  };
  const throttle = new Throttle(slow, 5_000, () => {
    ran.push(clock.now());
    begunMs += takesMs;
  });
  throttle.request();
  throttle.request();
  // It goes before what waits, and what waits is run with it.
  throttle.request(50);
  assert.deepEqual(clock.pending, [50]);
  throttle.request();
  await clock.advance(50);
  assert.deepEqual([ran, clock.pending], [[0, 50], []]);
  takesMs = 10;
  await clock.advance(50);
  throttle.request(50);
  throttle.request(50);
  assert.deepEqual([ran, clock.pending], [[0, 50, 100], [180]]);
  await clock.advance(180);
  takesMs = 1_000;
  await clock.advance(5_000);
  throttle.request(50);
  throttle.request(50);
  // Never later than without hurry: 1 s of the span is over.
  assert.deepEqual([ran.length, clock.pending], [5, [4_000]]);
});
