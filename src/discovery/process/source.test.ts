// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import * as z from 'zod';
import { section } from '../../config/sections/section.ts';
import { FakeClock } from '../../internal/testing/fake-clock.ts';
import { testSettings } from '../../internal/testing/settings.ts';
import type { LabelSet } from '../../relabel/relabel.ts';
import { discoveryShape } from '../config.ts';
import { DiscoveryManager } from '../manager.ts';
import type { SourceContext } from '../target.ts';
import { processSdSchema } from './config.ts';
import { processSource } from './source.ts';

const noEvents = (): Promise<never> => Promise.reject(new Error('no events here'));

test('intervals must not be nothing', () => {
  const { error } = processSdSchema(z.never()).safeParse({ refresh_interval: '0s', poll_interval: '0s' });
  assert.deepEqual(
    error?.issues.map(({ message }) => message),
    ['refresh_interval must be greater than 0', 'poll_interval must be greater than 0'],
  );
});

test('a list of processes that cannot be had is a failure, and it goes on', async () => {
  const clock = new FakeClock();
  const failures: unknown[] = [];
  const context: SourceContext = {
    settings: testSettings(),
    clock,
    failed: (error) => failures.push(error),
    leftOut: () => undefined,
    learns: () => undefined,
  };
  const stop = new AbortController();
  const config = processSdSchema(z.never()).parse({});
  const host = { folders: { proc: '/nowhere/proc', passwd: '/nowhere/passwd' }, openEvents: noEvents };
  const running = processSource(config, context, undefined, host).run(
    () => assert.fail('no update'),
    stop.signal,
  );
  const seen = async (count: number): Promise<void> => {
    while (failures.length < count || clock.pending.length === 0) await new Promise(setImmediate);
  };
  await seen(1);
  assert.deepEqual(clock.pending, [1_000]);
  await clock.advance(1_000);
  await seen(2);
  stop.abort();
  await running;
});

test('processes are joined with what is discovered beside them', { timeout: 60_000 }, async () => {
  const config = section(discoveryShape).parse({
    process_sd_configs: [
      {
        discover_config: { exe: false, cwd: false, commandline: false },
        join: {
          targets: [{ __container_id__: 'none' }],
          target_groups: [
            {
              static_configs: [{ targets: ['a:1'] }],
              relabel_configs: [{ target_label: '__container_id__', replacement: 'none' }],
            },
          ],
        },
      },
    ],
    relabel_configs: [{ source_labels: ['__process_pid__'], regex: String(process.pid), action: 'keep' }],
  });
  const found: unknown[] = [];
  const manager = new DiscoveryManager(testSettings(), config, (targets) =>
    found.push(targets.map((labels) => labels.get('__process_pid__'))),
  );
  await manager.start();
  await manager.ready;
  await manager.stop();
  // Containers that no process is in are no targets.
  assert.deepEqual(found.at(-1), [String(process.pid)]);
});

test('what has changed of a process is seen after refresh_interval', async (t) => {
  const root = await mkdtemp(join(tmpdir(), 'proc-'));
  t.after(() => rm(root, { recursive: true }));
  const id = (digit: string): string => digit.repeat(64);
  const inContainer = (digit: string): Promise<void> =>
    writeFile(join(root, '7', 'cgroup'), `0::/system.slice/docker-${id(digit)}.scope\n`);
  await mkdir(join(root, '7'));
  await writeFile(join(root, '7', 'stat'), `7 (web) S ${'0 '.repeat(18)}77 0`);
  await inContainer('a');
  const clock = new FakeClock();
  const context: SourceContext = {
    settings: testSettings(),
    clock,
    failed: (error) => assert.fail(String(error)),
    leftOut: () => undefined,
    learns: () => undefined,
  };
  const updates: (string | undefined)[] = [];
  const config = processSdSchema(z.never()).parse({
    refresh_interval: '15s',
    discover_config: { commandline: false },
  });
  const stop = new AbortController();
  const running = processSource(config, context, undefined, {
    folders: { proc: root, passwd: '/nowhere' },
    openEvents: noEvents,
  }).run((groups) => {
    updates.push(groups[0]?.targets[0]?.get('__container_id__'));
  }, stop.signal);
  const looked = async (): Promise<void> => {
    while (clock.pending.length === 0) await new Promise(setImmediate);
  };
  let seconds = 0;
  await looked();
  while (updates.length < 2) {
    seconds++;
    // A young process is looked at again and again; this one is settled by then.
    if (seconds === 12) await inContainer('b');
    await clock.advance(1_000);
    await looked();
  }
  assert.deepEqual([updates, seconds], [[id('a'), id('b')], 15]);
  stop.abort();
  await running;
});

test('a process has the labels of its container as soon as both are known', async (t) => {
  const root = await mkdtemp(join(tmpdir(), 'proc-'));
  t.after(() => rm(root, { recursive: true }));
  const id = '7edda1de1e0d1d366351e478359cf5fa16bb8ab53063a99bb119e56971bfb7e2';
  await mkdir(join(root, '7'));
  await writeFile(join(root, '7', 'stat'), `7 (web) S ${'0 '.repeat(18)}77 0`);
  await writeFile(join(root, '7', 'cgroup'), `0::/system.slice/docker-${id}.scope\n`);
  const updates: (string | undefined)[][] = [];
  let wake: () => void = () => undefined;
  const context: SourceContext = {
    settings: testSettings(),
    clock: new FakeClock(),
    failed: (error) => assert.fail(String(error)),
    leftOut: () => undefined,
    learns: () => undefined,
  };
  let tell: (targets: readonly LabelSet[]) => void = () => undefined;
  let stopped = 0;
  const source = processSource(
    processSdSchema(z.never()).parse({}),
    context,
    (onTargets) => {
      tell = onTargets;
      return { start: () => Promise.resolve(), stop: () => Promise.resolve(void stopped++) };
    },
    { folders: { proc: root, passwd: '/nowhere' }, openEvents: noEvents },
  );
  const stop = new AbortController();
  const running = source.run((groups) => {
    updates.push(groups.flatMap(({ targets }) => targets.map((labels) => labels.get('app'))));
    wake();
  }, stop.signal);
  await new Promise<void>((resolve) => {
    wake = resolve;
  });
  tell([
    new Map([
      ['__meta_docker_container_id', id],
      ['app', 'cart'],
    ]),
  ]);
  tell([]);
  assert.deepEqual(updates, [[undefined], ['cart'], [undefined]]);
  stop.abort();
  await running;
  assert.equal(stopped, 1);
});
