// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { FakeClock } from '../../internal/testing/fake-clock.ts';
import { StopLimit } from './stop-limit.ts';

describe('a shutdown', () => {
  it('goes on while profiles are taken, and ends 4 s after the last', async () => {
    const clock = new FakeClock();
    const limit = new StopLimit(clock);
    const signal = limit.begin(new AbortController().signal);
    await clock.advance(3_000);
    limit.succeeded();
    await clock.advance(3_999);
    assert.equal(signal.aborted, false);
    await clock.advance(1);
    assert.equal(signal.aborted, true);
  });

  it('ends at its deadline', () => {
    const clock = new FakeClock();
    const deadline = new AbortController();
    const limit = new StopLimit(clock);
    const signal = limit.begin(deadline.signal);
    deadline.abort();
    limit.end();
    assert.equal(signal.aborted, true);
    assert.deepEqual(clock.pending, []);
  });
});
