// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { systemClock } from '../../internal/clock.ts';
import { TimeSlots } from './time-slots.ts';

it('gives no time of a series out twice', () => {
  const slots = new TimeSlots();
  const claimed = [5n, 5n, 6n, 5n, 7n, 5n].map((t) => slots.claim('a', t));
  assert.deepEqual(claimed, [5n, 6n, 7n, 8n, 9n, 10n]);
  assert.equal(new Set(claimed).size, claimed.length);
});

it('takes no time for now, which no other profile of the series has', () => {
  const slots = new TimeSlots({ ...systemClock, now: () => 7 });
  assert.deepEqual([slots.claim('a', 0n), slots.claim('a', 0n)], [7_000_000n, 7_000_001n]);
});

it('keeps the series apart', () => {
  const slots = new TimeSlots();
  assert.equal(slots.claim('a', 5n), 5n);
  assert.equal(slots.claim('b', 5n), 5n);
});
