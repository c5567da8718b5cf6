// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { promisify } from 'node:util';
import { setFlagsFromString } from 'node:v8';
import { pprofExtensionFactory } from '../../src/extensions/pprof/factory.ts';
import { PprofExtension } from '../../src/extensions/pprof/extension.ts';
import { never, testHost, testSettings } from '../../src/internal/testing/settings.ts';
import { needGo } from '../go.ts';

const run = promisify(execFile);
// The function that is looked for shall stay one.
setFlagsFromString('--no-turbo-inlining');

test('go tool pprof fetches and reads the CPU and heap profiles of this process', async (t) => {
  const config = pprofExtensionFactory.schema.parse({ endpoint: '127.0.0.1:0' });
  const extension = pprofExtensionFactory.create(testSettings('pprof'), config);
  assert.ok(extension instanceof PprofExtension);
  await extension.start(testHost(), never());
  t.after(() => extension.shutdown(AbortSignal.abort()));
  const home = mkdtempSync(join(tmpdir(), 'pprof-extension-'));
  t.after(() => rmSync(home, { recursive: true, force: true }));
  const env = { ...process.env, PPROF_TMPDIR: home };
  const kept: unknown[] = [];
  let isOver = false;
  const top = async (path: string, ...flags: string[]): Promise<string> => {
    const args = [
      'tool',
      'pprof',
      '-symbolize=none',
      '-top',
      ...flags,
      `${extension.url}/debug/pprof/${path}`,
    ];
    try {
      return (await run(needGo(), args, { env })).stdout;
    } finally {
      isOver = true;
    }
  };
  const cpu = top('profile?seconds=1', '-sample_index=cpu');
  while (!isOver) {
    kept.push(burnForPprof());
    await nextTurn();
  }
  assert.match(await cpu, /^Type: cpu$/m);
  assert.match(await cpu, /^Duration: 1(\.\d+)?s/m);
  assert.match(await cpu, /burnForPprof/);
  const heap = await top('heap');
  assert.match(heap, /^Type: inuse_space$/m);
  assert.match(heap, /burnForPprof/);
  assert.ok(kept.length > 0);
});

/** Takes some milliseconds of CPU and gives back what takes memory. */
function burnForPprof(): unknown {
  const made: Record<string, number>[] = [];
  for (let i = 0; i < 20_000; i++) made.push({ i, square: Math.sqrt(i) });
  return made.slice(0, 100).concat(made.slice(-100));
}
