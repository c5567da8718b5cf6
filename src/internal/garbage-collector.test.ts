// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { test } from 'node:test';

const SCRIPT = `
  import { getHeapSpaceStatistics } from 'node:v8';
  const { keepGarbageSmall } = await import('./garbage-collector.ts');
  if (process.argv.includes('small')) keepGarbageSmall();
  let kept;
  for (let i = 0; i < 1_000_000; i++) kept = { kept, i };
  const young = getHeapSpaceStatistics().find(({ space_name }) => space_name === 'new_space');
  console.log(young.space_size);
`;

test('keeping garbage small leaves the young generation as it is, whatever survives in it', () => {
  const youngBytes = (...args: readonly string[]): number =>
    Number(
      execFileSync(
        process.execPath,
        ['--import', 'tsx', '--input-type=module', '--eval', SCRIPT, '--', ...args],
        {
          cwd: import.meta.dirname,
          encoding: 'utf8',
        },
      ),
    );
  const [small, usual] = [youngBytes('small'), youngBytes()];
  assert.ok(small * 2 <= usual, `${small} of ${usual} bytes`);
});
