// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { Debuginfod } from './debuginfod.ts';

const BUILD_ID = 'abcdef0123456789';
const HOUR_MS = 3600_000;

describe('the directory of downloaded debug files', () => {
  /** Starts a client there and waits until it has looked around; gives what it complained of. */
  async function start(directory: string): Promise<unknown[]> {
    const errors: unknown[] = [];
    const outcomes: string[] = [];
    const client = new Debuginfod({
      urls: [],
      directory,
      maxCacheBytes: 1,
      maxFileBytes: 1,
      timeoutMs: 1000,
      signal: new AbortController().signal,
      onDownload: (outcome) => outcomes.push(outcome),
      onError: (error) => errors.push(error),
    });
    assert.equal(await client.download('0123456789abcdef'), undefined);
    assert.deepEqual(outcomes, ['not_found']);
    return errors;
  }

  it('is rid of what a process left that died over a download a day ago, and of nothing else', async (t) => {
    const directory = mkdtempSync(join(tmpdir(), 'otelcol-profiles-debuginfod-'));
    t.after(() => rmSync(directory, { recursive: true, force: true }));
    const put = (name: string, ageMs: number): void => {
      const path = join(directory, name);
      writeFileSync(path, 'x');
      const then = new Date(Date.now() - ageMs);
      utimesSync(path, then, then);
    };
    mkdirSync(join(directory, BUILD_ID));
    mkdirSync(join(directory, 'notes'));
    mkdirSync(join(directory, BUILD_ID, 'debuginfo.3-0.part'));
    put(`${BUILD_ID}/debuginfo.1-0.part`, 25 * HOUR_MS);
    put(`${BUILD_ID}/executable.7-12.part`, 240 * HOUR_MS);
    put(`${BUILD_ID}/debuginfo.2-0.part`, 23 * HOUR_MS);
    put(`${BUILD_ID}/debuginfo`, 240 * HOUR_MS);
    put(`${BUILD_ID}/a.part`, 240 * HOUR_MS);
    put('notes/debuginfo.1-0.part', 240 * HOUR_MS);
    put('README', 240 * HOUR_MS);
    assert.deepEqual(await start(directory), []);
    assert.deepEqual(readdirSync(directory, { recursive: true, encoding: 'utf8' }).toSorted(), [
      'README',
      BUILD_ID,
      `${BUILD_ID}/a.part`,
      `${BUILD_ID}/debuginfo`,
      `${BUILD_ID}/debuginfo.2-0.part`,
      `${BUILD_ID}/debuginfo.3-0.part`,
      'notes',
      'notes/debuginfo.1-0.part',
    ]);
  });

  it('need not be there', async () => {
    assert.deepEqual(await start(join(tmpdir(), 'otelcol-profiles-no-such-directory')), []);
  });
});
