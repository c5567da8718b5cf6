// SPDX-License-Identifier: Apache-2.0
// The program as it is installed: one file, and what V8 compiled of it when it was built.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { cpSync, mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { packageRoot } from '../../src/internal/package-root.ts';

const ACCEPTED = `process.argv = ['node', 'program', '--version'];
import('./bin/program.mjs').then(({ runProgram }) => console.error(runProgram().cachedDataRejected));`;

describe('the installed program', () => {
  const dir = mkdtempSync(join(tmpdir(), 'otelcol-profiles-installed-'));
  const cache = join(dir, 'build', 'otelcol-profiles.cjs.cache');

  before(() => {
    for (const part of [
      'package.json',
      'bin',
      'build/otelcol-profiles.cjs',
      'build/otelcol-profiles.cjs.cache',
    ])
      cpSync(join(packageRoot(), part), join(dir, part), { recursive: true });
  });
  after(() => rmSync(dir, { recursive: true, force: true }));

  const version = (): string => {
    const program = join(dir, 'bin', 'otelcol-profiles');
    return spawnSync(process.execPath, [program, '--version'], { encoding: 'utf8', cwd: dir }).stdout;
  };
  /** What V8 says of the cache; "undefined" where it was not shown any. */
  const rejected = (): string =>
    spawnSync(process.execPath, ['--eval', ACCEPTED], {
      encoding: 'utf8',
      cwd: dir,
    }).stderr.trim();

  it('runs from what V8 compiled when it was built', () => {
    assert.equal(rejected(), 'false');
    assert.match(version(), /^otelcol-profiles version \d/);
  });

  it('compiles itself where that is of another program, damaged or missing', () => {
    const sound = `${cache}.sound`;
    cpSync(cache, sound);
    truncateSync(cache, 100_000);
    assert.equal(rejected(), 'true');
    assert.match(version(), /^otelcol-profiles version \d/);
    writeFileSync(cache, Buffer.alloc(1_000));
    assert.equal(rejected(), 'undefined');
    rmSync(cache);
    assert.match(version(), /^otelcol-profiles version \d/);
    cpSync(sound, cache);
    assert.equal(rejected(), 'false');
  });
});
