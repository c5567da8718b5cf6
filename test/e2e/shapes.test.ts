// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, readlinkSync, renameSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { WITHOUT_ROOT } from '../left-out.ts';
import { buildTrouble, leastComplete, type Trouble } from './trouble.ts';
import { eventsOf, record, type SeenProcess, seenProcesses, tablesLoaded } from './recording.ts';

/** Complete stacks of the program in workloads/burn.c, and of a thread in trouble.c. */
const BURN = /^_start;.*;main;outer_work/;
const SPIN = /^_start;.*;main;left_behind/;
const THREAD = /;left_behind/;

describe('programs that are not simply a file at a path', { timeout: 120_000, skip: WITHOUT_ROOT }, () => {
  const dir = mkdtempSync(join(tmpdir(), 'otelcol-profiles-shapes-'));
  const children = new Map<string, ChildProcess>();
  let trouble: Trouble;
  const seen: SeenProcess[] = [];

  const start = (name: string, command: string, ...args: string[]): Promise<unknown> => {
    // Twelve of them must leave the profiler and the test some time.
    const child = spawn('nice', ['-n', '10', command, ...args], { stdio: 'ignore' });
    children.set(name, child);
    return new Promise((resolve) => child.once('spawn', resolve));
  };

  /** Starts one of each; `when` is "early" for those that run before the profiler does. */
  async function startAll(when: 'early' | 'late'): Promise<void> {
    const { burn, program } = trouble;
    await start(`orphan ${when}`, program, 'orphan');
    await start(`memory ${when}`, program, 'memory', burn);
    await start(`become ${when}`, program, 'become', burn);
    const place = join(dir, `replaced-${when}`);
    copyFileSync(burn, place);
    await start(`replaced ${when}`, place);
    const link = `/proc/${children.get(`replaced ${when}`)?.pid}/exe`;
    while (readlinkSync(link) !== place) await delay(5);
    copyFileSync(program, `${place}.new`);
    renameSync(`${place}.new`, place);
    await start(`replacing ${when}`, place, 'spin');
    const mount = join(dir, when);
    for (const part of ['', 'lower', 'upper']) mkdirSync(join(mount, part));
    copyFileSync(burn, join(mount, 'lower', 'inner'));
    const script =
      'cd "$0" && mount -t tmpfs none upper && mkdir upper/data upper/work upper/root && ' +
      'mount -t overlay -o lowerdir=lower,upperdir=upper/data,workdir=upper/work overlay upper/root && ' +
      'cd upper/root && mv inner moved && cp moved inner && rm moved && exec ./inner';
    await start(`overlay ${when}`, 'unshare', '--mount', 'sh', '-c', script, mount);
  }

  before(async () => {
    trouble = buildTrouble(dir);
    await startAll('early');
    await delay(300);
    await record({ samples_per_second: 199 }, async (source) => {
      await delay(500);
      await startAll('late');
      await delay(500);
      await tablesLoaded(source);
      await source.collect();
      // On a busy host some of them get little time.
      const pids = [...children.values()].map((child) => String(child.pid));
      const isSeen = (pid: string): boolean =>
        seen.filter((p) => p.pid === pid).reduce((n, p) => n + eventsOf(p), 0) >= 10;
      for (let i = 0; i < 30 && !pids.every(isSeen); i++) {
        await delay(1000);
        seen.push(...seenProcesses(await source.collect()));
      }
    });
  });

  after(() => {
    for (const child of children.values()) child.kill('SIGKILL');
    rmSync(dir, { recursive: true, force: true });
  });

  const cases: readonly (readonly [name: string, what: string, executable: string, stack: RegExp])[] = [
    ['orphan', 'whose main thread has ended', 'trouble', THREAD],
    ['memory', 'that was executed from memory', 'memfd:in_memory', BURN],
    ['become', 'that a thread executed in place of another', 'burn-c', BURN],
    ['replaced', 'whose file was replaced', 'replaced', BURN],
    ['replacing', 'that took the place of another file', 'replaced', SPIN],
    ['overlay', 'in an overlay of another mount namespace', 'inner', BURN],
  ];
  for (const [name, what, executable, stack] of cases) {
    for (const when of ['early', 'late']) {
      it(`names and unwinds a program ${what}, started ${when}`, () => {
        const pid = String(children.get(`${name} ${when}`)?.pid);
        const found = seen.filter((p) => p.pid === pid);
        const executables = new Set(found.map((p) => p.executable));
        assert.deepEqual(
          [...executables].map((name) => name.replace(/-(early|late)$/, '')),
          [executable],
        );
        for (const process of found) leastComplete(process, stack, 0.9);
      });
    }
  }
});
