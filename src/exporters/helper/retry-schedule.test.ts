// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { RetryOnFailureConfig } from '../../config/sections/retry.ts';
import type { Clock } from '../../internal/clock.ts';
import { RetrySchedule } from './retry-schedule.ts';

const CONFIG: RetryOnFailureConfig = {
  enabled: true,
  initial_interval: 5_000,
  randomization_factor: 0,
  multiplier: 1.5,
  max_interval: 30_000,
  max_elapsed_time: 300_000,
};

describe('a retry schedule', () => {
  it('gives up by the time that has passed, not by a jump of the wall clock', () => {
    let [wallMs, elapsedMs] = [1_700_000_000_000, 40];
    const clock: Clock = {
      now: () => wallMs,
      elapsed: () => elapsedMs,
      setTimeout: () => ({ cancel: () => undefined }),
    };
    const schedule = new RetrySchedule(CONFIG, clock, Math.random);
    wallMs += 3_600_000;
    assert.equal(schedule.nextDelayMs(new Error()), 5_000);
    wallMs -= 7_200_000;
    elapsedMs += 299_000;
    assert.equal(schedule.nextDelayMs(new Error()), undefined);
  });
});
