// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { lockDirectory } from './directory-lock.ts';

describe('the lock of a directory', () => {
  let directory = '';
  let lock = '';
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'otelcol-profiles-lock-'));
    lock = join(directory, 'lock');
  });
  afterEach(() => rmSync(directory, { recursive: true, force: true }));

  it('is held until it is given back', () => {
    const giveBack = lockDirectory(directory);
    assert.equal(typeof giveBack, 'function');
    assert.equal(lockDirectory(directory), undefined);
    giveBack?.();
    assert.equal(existsSync(lock), false);
    lockDirectory(directory)?.();
  });

  it('is not held by a process that ended, or is another one now', () => {
    for (const holder of ['1 1 another-boot', `${process.pid} 1 another-boot`, 'no pid']) {
      writeFileSync(lock, holder);
      const giveBack = lockDirectory(directory);
      assert.equal(typeof giveBack, 'function', holder);
      giveBack?.();
    }
  });

  it('is held while it is being written, and not for good by who never wrote it', () => {
    writeFileSync(lock, '');
    assert.equal(lockDirectory(directory), undefined);
    utimesSync(lock, new Date(0), new Date(0));
    const giveBack = lockDirectory(directory);
    assert.equal(typeof giveBack, 'function');
    giveBack?.();
  });
});
