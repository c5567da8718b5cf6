// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { describe, it } from 'node:test';

const LEAVE = join(import.meta.dirname, 'leave.ts');
const KEEPS_ALIVE = 'setInterval(() => {}, 3_600_000);';

describe('the process', () => {
  for (const [what, before] of [
    ['ends by itself', ''],
    ['ends where something is left that would keep it', KEEPS_ALIVE],
  ] as const)
    it(what, () => {
      const code = `import { leave } from ${JSON.stringify(LEAVE)}; ${before} leave(3); console.log('last words');`;
      const child = spawnSync(process.execPath, ['--import', 'tsx', '--input-type=module', '--eval', code], {
        encoding: 'utf8',
        timeout: 60_000,
      });
      assert.deepEqual([child.status, child.stdout], [3, 'last words\n'], child.stderr);
    });
});
