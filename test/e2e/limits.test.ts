// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { packageRoot } from '../../src/internal/package-root.ts';
import { valueToText } from '../../src/pdata/any-value.ts';
import { getText } from '../../src/pdata/attributes.ts';
import type { ProfilesBatch, ResourceProfiles } from '../../src/pdata/profiles-batch.ts';
import { listAt } from '../../src/pdata/tables.ts';
import { WITHOUT_ROOT } from '../left-out.ts';
import {
  assertAddsUp,
  attributesOf,
  eventsOf,
  profilesOf,
  record,
  seenProcesses,
  tablesLoaded,
} from './recording.ts';
import { buildTrouble, type Trouble } from './trouble.ts';

const SOURCES = join(packageRoot(), 'test', 'e2e', 'workloads');

describe('what the profiler keeps, merges and may cost', { timeout: 240_000, skip: WITHOUT_ROOT }, () => {
  const dir = mkdtempSync(join(tmpdir(), 'otelcol-profiles-limits-'));
  const children: ChildProcess[] = [];
  let trouble: Trouble;
  let publisher = '';

  const start = (
    command: string,
    args: readonly string[] = [],
    env: Record<string, string> = {},
  ): ChildProcess => {
    const child = spawn(command, args, {
      stdio: ['pipe', 'pipe', 'ignore'],
      env: { ...process.env, ...env },
    });
    children.push(child);
    return child;
  };

  before(() => {
    trouble = buildTrouble(dir);
    publisher = join(dir, 'publish');
    execFileSync('gcc', ['-O1', '-pthread', '-o', publisher, join(SOURCES, 'publish.c')]);
  });
  after(() => {
    for (const child of children) child.kill('SIGKILL');
    rmSync(dir, { recursive: true, force: true });
  });

  it('keeps the frames of the types that are asked for, and counts stacks of which nothing is left', async () => {
    const child = start('dd', ['if=/dev/zero', 'of=/dev/null', 'bs=512']);
    const types = async (frame_types: Record<string, unknown>): Promise<[string[], number, number]> => {
      const recorded = await record({ frame_types }, () => delay(800));
      assertAddsUp(recorded);
      const { batch } = recorded;
      const found = new Set<string>();
      let empty = 0;
      let events = 0;
      for (const { samples } of profilesOf(batch, child.pid)) {
        const tables = batch?.dictionary.tables;
        if (tables === undefined || batch === undefined) continue;
        samples.stack.forEach((stack, i) => {
          const times = (samples.timestampStart[i + 1] ?? 0) - (samples.timestampStart[i] ?? 0);
          const locations = [...listAt(tables.stacks.locations, stack)];
          events += times;
          if (locations.length === 0) empty += times;
          for (const row of locations.flatMap((l) => [...listAt(tables.locations.attributes, l)])) {
            found.add(valueToText(batch.dictionary.attributeValue(row)));
          }
        });
      }
      return [[...found].sort(), empty, events];
    };
    assert.deepEqual((await types({}))[0], ['kernel', 'native']);
    assert.deepEqual((await types({ include: ['native'] }))[0], ['native']);
    assert.deepEqual((await types({ exclude: ['native'] }))[0], ['kernel']);
    const [none, empty, events] = await types({ include: ['cpython'] });
    assert.deepEqual(none, []);
    assert.ok(events > 0 && empty === events, `${empty} of ${events}`);
    child.kill('SIGKILL');
  });

  it('makes one resource of processes that differ in nothing but their pid, when asked', async () => {
    const shops = [0, 1, 2].map(() => start(trouble.burn, [], { OTEL_SERVICE_NAME: 'shop' }));
    const bank = start(trouble.burn, [], { OTEL_SERVICE_NAME: 'bank' });
    const resources = async (merge_processes: boolean): Promise<ResourceProfiles[]> => {
      const { batch } = await record(
        { merge_processes, filter: { include: [{ executable: 'burn-c' }] } },
        () => delay(1500),
      );
      return [...(batch?.resources ?? [])];
    };
    const of = (all: readonly ResourceProfiles[], service: string): ResourceProfiles[] =>
      all.filter((r) => getText(r.resource.attributes, 'service.name') === service);
    const apart = await resources(false);
    assert.equal(of(apart, 'shop').length, 3);
    const merged = await resources(true);
    assert.equal(of(merged, 'shop').length, 1);
    assert.equal(of(merged, 'bank').length, 1);
    const keys = of(merged, 'shop')[0]?.resource.attributes.map((a) => a.key);
    assert.ok(keys?.includes('process.linux.cgroup') && !keys.includes('process.pid'), keys?.join());
    for (const child of [...shops, bank]) child.kill('SIGKILL');
  });

  it('samples a share of the events when told to, and says which', async () => {
    const child = start(trouble.burn);
    const recorded = await record({ samples_per_second: 999 }, async (source) => {
      await delay(300);
      source.setFraction(0.25);
      await source.collect();
      const before = source.stats();
      await delay(1500);
      const after = source.stats();
      const [taken, out] = ['samples', 'samples_thinned_out'].map((k) => (after[k] ?? 0) - (before[k] ?? 0));
      const share = (taken ?? 0) / ((taken ?? 0) + (out ?? 0));
      assert.ok(share > 0.18 && share < 0.32, `${taken} taken, ${out} left out`);
      assert.ok((after['bpf_time_ns'] ?? 0) > (before['bpf_time_ns'] ?? 0));
    });
    const [profile] = profilesOf(recorded.batch, child.pid);
    assert.ok(profile !== undefined);
    assert.deepEqual(attributesOf(recorded.batch, profile), { 'otelcol.profiles.sampling.fraction': '0.25' });
    assertAddsUp(recorded);
    child.kill('SIGKILL');
  });

  it('evicts unwind tables that exceed their share of the memory', async () => {
    const children = [start(trouble.burn), start('python3', ['-c', 'while True: pass'])];
    const stats = async (limits: Record<string, unknown>): Promise<Readonly<Record<string, number>>> => {
      const recorded = await record({ limits }, async (source) => {
        await tablesLoaded(source);
        await delay(300);
      });
      assertAddsUp(recorded);
      return recorded.stats;
    };
    const [free, bound] = [await stats({}), await stats({ memory_mib: 8 })];
    const budget = (8 << 20) * (64 / 176);
    assert.ok((free['table_bytes'] ?? 0) > budget, `${free['table_bytes']} bytes without a limit`);
    assert.ok((bound['table_bytes'] ?? 0) <= budget, `${bound['table_bytes']} bytes of ${budget}`);
    assert.ok((bound['tables_evicted'] ?? 0) > 0 && (free['tables_evicted'] ?? 0) === 0);
    for (const child of children) child.kill('SIGKILL');
  });

  it('tells what processes publish of themselves, and what they publish later', async () => {
    const modes = ['well', 'wrapped', 'version', 'size', 'pointer', 'busy', 'garbage', 'signature'] as const;
    const running = new Map(
      modes.map((mode) => [mode, start(publisher, [mode], { OTEL_SERVICE_NAME: 'env' })]),
    );
    const well = running.get('well');
    assert.ok(well?.stdin !== null && well?.stdout !== null && well !== undefined);
    const attributes = (
      batch: ProfilesBatch | undefined,
      mode: (typeof modes)[number],
    ): Record<string, unknown> => {
      const pid = String(running.get(mode)?.pid);
      const [found] = (batch?.resources ?? []).filter(
        (r) =>
          getText(r.resource.attributes, 'process.pid') === pid &&
          getText(r.resource.attributes, 'process.executable.name') === 'publish',
      );
      assert.ok(found !== undefined, mode);
      return Object.fromEntries(
        found.resource.attributes
          .filter(({ key }) => key.startsWith('shop.') || key === 'service.name')
          .map(({ key, value }) => [key, 'value' in value ? value.value : undefined]),
      );
    };
    let first: ProfilesBatch | undefined;
    const recorded = await record({ samples_per_second: 499 }, async (source) => {
      await delay(1500);
      first = await source.collect();
      well.stdin?.write('payments\n');
      await once(well.stdout ?? process.stdin, 'data');
      await delay(1500);
    });
    const told = { 'shop.replicas': 42n, 'shop.canary': true };
    assert.deepEqual(attributes(first, 'well'), { 'service.name': 'checkout', ...told });
    assert.deepEqual(attributes(first, 'wrapped'), { 'service.name': 'checkout', ...told });
    assert.deepEqual(attributes(recorded.batch, 'well'), { 'service.name': 'payments', ...told });
    for (const mode of modes.slice(2)) assert.deepEqual(attributes(first, mode), { 'service.name': 'env' });
    assert.ok((recorded.stats['process_contexts_read'] ?? 0) >= 2, JSON.stringify(recorded.stats));
    assert.ok((recorded.stats['process_contexts_malformed'] ?? 0) >= 4, JSON.stringify(recorded.stats));
    assert.ok((recorded.stats['process_contexts_busy'] ?? 0) >= 1);
    const unread = await record({ process_context: false, samples_per_second: 499 }, () => delay(1000));
    assert.deepEqual(attributes(unread.batch, 'well'), { 'service.name': 'env' });
    for (const child of running.values()) child.kill('SIGKILL');
    assert.ok(seenProcesses(unread.batch).some((p) => eventsOf(p) > 0));
  });
});
