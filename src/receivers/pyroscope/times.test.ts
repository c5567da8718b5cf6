// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { parseTime } from './times.ts';

const NOW = 1_700_000_000_000_000_000n;

it('times of a query are read in each unit, and from now on', () => {
  const cases: readonly (readonly [text: string, nanos: bigint | undefined])[] = [
    ['1700000000', NOW],
    ['1700000000123', 1_700_000_000_123_000_000n],
    ['1700000000123456', 1_700_000_000_123_456_000n],
    ['1700000000123456789', 1_700_000_000_123_456_789n],
    ['0', 0n],
    ['now', NOW],
    ['now-1h', NOW - 3_600_000_000_000n],
    ['now-1h30m', NOW - 5_400_000_000_000n],
    ['now+5s', NOW + 5_000_000_000n],
    ['now-1d', NOW - 86_400_000_000_000n],
    ['', undefined],
    ['noon', undefined],
    ['now-1x', undefined],
    ['now-1constructor', undefined],
    ['now-', undefined],
    ['now-h', undefined],
    ['-5', undefined],
    ['1.5', undefined],
    ['9999999999999999999', undefined],
    ['99999999999999999', undefined],
    ['now-99999y', undefined],
  ];
  for (const [text, nanos] of cases) assert.equal(parseTime(text, NOW), nanos, text);
});
