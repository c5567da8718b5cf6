// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { repeat, sleep, systemClock } from './clock.ts';
import { FakeClock } from './testing/fake-clock.ts';

describe('clock', () => {
  it('sleeps until the time is over', async () => {
    const clock = new FakeClock();
    let awake = false;
    const slept = sleep(clock, 100, new AbortController().signal).then(() => (awake = true));
    await clock.advance(99);
    assert.equal(awake, false);
    await clock.advance(1);
    await slept;
  });

  it('stops sleeping when the signal aborts and leaves no timer', async () => {
    const clock = new FakeClock();
    const abort = new AbortController();
    const slept = sleep(clock, 100, abort.signal);
    abort.abort(new Error('enough'));
    await assert.rejects(slept, { message: 'enough' });
    await assert.rejects(sleep(clock, 100, abort.signal), { message: 'enough' });
    assert.deepEqual(clock.pending, []);
  });

  it('repeats until it is cancelled', async () => {
    const clock = new FakeClock();
    let runs = 0;
    const timer = repeat(clock, 10, () => runs++);
    await clock.advance(35);
    timer.cancel();
    await clock.advance(100);
    assert.equal(runs, 3);
    assert.deepEqual(clock.pending, []);
  });

  it('runs on system time', async () => {
    await new Promise<void>((resolve) => systemClock.setTimeout(resolve, 1));
    assert.ok(Math.abs(systemClock.now() - Date.now()) < 60_000);
  });
});
