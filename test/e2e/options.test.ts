// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, rmdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { packageRoot } from '../../src/internal/package-root.ts';
import { valueToText } from '../../src/pdata/any-value.ts';
import { getText } from '../../src/pdata/attributes.ts';
import { stackNames } from '../../src/pdata/folded.ts';
import type { ProfilesBatch, ResourceProfiles } from '../../src/pdata/profiles-batch.ts';
import { listAt } from '../../src/pdata/tables.ts';
import { configSchema } from '../../src/profiler/config.ts';
import { openSource } from '../../src/profiler/source.ts';
import { WITHOUT_ROOT } from '../left-out.ts';
import { WORKLOADS } from './workloads.ts';

const SOURCES = join(packageRoot(), 'test', 'e2e', 'workloads');
const scope = { name: 'test', version: '1', attributes: [], droppedAttributesCount: 0 };

const IDLE_WITHIN_MS = 60_000;

/** Profiles the host for a while with these options. */
async function record(
  options: Record<string, unknown>,
  milliseconds: number,
  meanwhile?: () => Promise<void>,
): Promise<ProfilesBatch> {
  const { source } = await openSource(
    configSchema.parse({ samples_per_second: 199, ...options }),
    scope,
    false,
  );
  try {
    await Promise.all([delay(milliseconds), meanwhile?.()]);
    const batch = await source.collect();
    assert.ok(batch !== undefined);
    return batch;
  } finally {
    await source.stop();
  }
}

const ofPid = (batch: ProfilesBatch, pid: number | undefined): ResourceProfiles | undefined =>
  batch.resources.find((r) => getText(r.resource.attributes, 'process.pid') === String(pid));

function sampleAttributes(batch: ProfilesBatch, key: string): Set<string> {
  const found = new Set<string>();
  for (const { profile } of batch.profiles()) {
    for (let i = 0; i < profile.samples.length; i++) {
      for (const row of listAt(profile.samples.attributes, i)) {
        if (batch.dictionary.attributeKey(row) === key)
          found.add(valueToText(batch.dictionary.attributeValue(row)));
      }
    }
  }
  return found;
}

function namesOf(batch: ProfilesBatch, rp: ResourceProfiles | undefined): string[][] {
  const samples = rp?.scopes[0]?.profiles[0]?.samples;
  return samples === undefined ? [] : [...samples.stack].map((s) => stackNames(batch.dictionary, s));
}

/** A folder of a cgroup hierarchy that processes can be moved into. */
function cgroupRoot(): string {
  const root = ['/sys/fs/cgroup/unified', '/sys/fs/cgroup', '/sys/fs/cgroup/pids'].find((dir) =>
    existsSync(join(dir, 'cgroup.procs')),
  );
  assert.ok(root !== undefined, 'no cgroup hierarchy is mounted');
  return root;
}

describe('the options of the profiler, on this host', { timeout: 300_000, skip: WITHOUT_ROOT }, () => {
  const dir = mkdtempSync(join(tmpdir(), 'otelcol-profiles-options-'));
  const children: ChildProcess[] = [];
  let burn = '';

  const start = (
    command: string,
    args: readonly string[] = [],
    env: Record<string, string> = {},
  ): ChildProcess => {
    const child = spawn(command, args, { stdio: 'ignore', env: { ...process.env, ...env } });
    children.push(child);
    return child;
  };
  const stop = (child: ChildProcess): void => void child.kill('SIGKILL');

  before(() => {
    const c = WORKLOADS.find((w) => w.name === 'c');
    assert.ok(c !== undefined);
    [burn] = c.command(dir);
  });
  after(() => {
    children.forEach(stop);
    rmSync(dir, { recursive: true, force: true });
  });

  it('copies the environment variables that are asked for, and no other', async () => {
    const child = start(burn, [], { OTEL_SERVICE_NAME: 'shop', SECRET: 'x' });
    const batch = await record({ include_env_vars: 'OTEL_SERVICE_NAME, NOT_SET' }, 1000);
    stop(child);
    const attributes = ofPid(batch, child.pid)?.resource.attributes ?? [];
    assert.equal(getText(attributes, 'process.environment_variable.OTEL_SERVICE_NAME'), 'shop');
    assert.deepEqual(
      attributes.map((a) => a.key).filter((k) => k.startsWith('process.environment_variable')),
      ['process.environment_variable.OTEL_SERVICE_NAME'],
    );
  });

  it('samples only the pinned CPUs', async () => {
    const busy = [start(burn), start(burn), start(burn)];
    const batch = await record({ pin_cpu_ids: '0' }, 800);
    busy.forEach(stop);
    assert.deepEqual([...sampleAttributes(batch, 'cpu.logical_number')], ['0']);
  });

  it('samples the idle task only when asked', async () => {
    const idle = (batch: ProfilesBatch): boolean => ofPid(batch, 0) !== undefined;
    assert.equal(idle(await record({}, 1000)), false);
    const config = configSchema.parse({ samples_per_second: 199, send_idle_frames: true });
    const { source } = await openSource(config, scope, false);
    try {
      // A CPU must be idle for a moment; what else runs here may keep them all busy for a while.
      let seen = false;
      for (const end = performance.now() + IDLE_WITHIN_MS; !seen && performance.now() < end; ) {
        await delay(200);
        const batch = await source.collect();
        seen = batch !== undefined && idle(batch);
      }
      assert.ok(seen);
    } finally {
      await source.stop();
    }
  });

  it('ends a stack that it cannot unwind with an abort marker, when asked', async () => {
    const astray = join(dir, 'astray');
    execFileSync('gcc', [
      '-O1',
      '-fno-asynchronous-unwind-tables',
      '-fno-unwind-tables',
      '-o',
      astray,
      join(SOURCES, 'astray.c'),
    ]);
    const child = start(astray);
    const types = (batch: ProfilesBatch): Set<string> => {
      const samples = ofPid(batch, child.pid)?.scopes[0]?.profiles[0]?.samples;
      assert.ok(samples !== undefined);
      const { locations, stacks } = batch.dictionary.tables;
      const found = new Set<string>();
      for (const stack of samples.stack) {
        for (const location of listAt(stacks.locations, stack)) {
          for (const row of listAt(locations.attributes, location))
            found.add(valueToText(batch.dictionary.attributeValue(row)));
        }
      }
      return found;
    };
    const plain = types(await record({}, 1500));
    const marked = types(await record({ send_error_frames: true }, 1500));
    stop(child);
    assert.ok(!plain.has('abort-marker'), [...plain].join());
    assert.ok(marked.has('abort-marker'), [...marked].join());
  });

  it('tells the container of a process by its cgroup', async () => {
    const id = 'c0ffee'.repeat(11).slice(0, 64);
    const parent = join(cgroupRoot(), 'otelcol-profiles-test');
    const group = join(parent, id);
    mkdirSync(group, { recursive: true });
    const child = start(burn);
    try {
      writeFileSync(join(group, 'cgroup.procs'), String(child.pid));
      const batch = await record({}, 1000);
      assert.equal(getText(ofPid(batch, child.pid)?.resource.attributes ?? [], 'container.id'), id);
    } finally {
      const ended = new Promise((resolve) => child.once('exit', resolve));
      stop(child);
      await ended;
      rmdirSync(group);
      rmdirSync(parent);
    }
  });

  it('samples a process that a filter leaves out once it is moved into the container that it names', async () => {
    const id = 'beef00'.repeat(11).slice(0, 64);
    const group = join(cgroupRoot(), `otelcol-profiles-${id}`);
    mkdirSync(group);
    const child = start(burn);
    const ended = new Promise((resolve) => child.once('exit', resolve));
    const { source } = await openSource(
      configSchema.parse({ samples_per_second: 199, filter: { include: [{ container_id: 'beef00*' }] } }),
      scope,
      false,
    );
    try {
      await delay(500);
      assert.equal((await source.collect())?.resources.length ?? 0, 0);
      writeFileSync(join(group, 'cgroup.procs'), String(child.pid));
      let found: ResourceProfiles | undefined;
      for (let i = 0; i < 60 && found === undefined; i++) {
        await delay(500);
        const batch = await source.collect();
        found = batch === undefined ? undefined : ofPid(batch, child.pid);
      }
      assert.equal(getText(found?.resource.attributes ?? [], 'container.id'), id);
      assert.ok((source.stats()['cgroup_changes'] ?? 0) > 0);
    } finally {
      await source.stop();
      stop(child);
      await ended;
      rmdirSync(group);
    }
  });

  it('names the functions of a program whose file is gone', async () => {
    const copy = join(dir, 'gone');
    copyFileSync(burn, copy);
    const child = start(copy);
    await new Promise((resolve) => child.once('spawn', resolve));
    await delay(50);
    rmSync(copy);
    const batch = await record({}, 1500);
    stop(child);
    const rp = ofPid(batch, child.pid);
    assert.equal(getText(rp?.resource.attributes ?? [], 'process.executable.name'), 'gone');
    assert.ok(namesOf(batch, rp).some((names) => names.includes('outer_work')));
  });

  it('sees processes that start and end while it watches, complete and named', async () => {
    const pids = new Set<number>();
    const script = `import sys,time\nend=time.process_time()+0.05\nwhile time.process_time()<end: pass\n`;
    // Tables of python and libc are loaded by then; each process lives for 50 ms of CPU.
    const batch = await record({ samples_per_second: 499 }, 6000, async () => {
      await delay(2000);
      for (let i = 0; i < 20; i++) {
        const child = start('python3', ['-S', '-c', script]);
        pids.add(child.pid ?? 0);
        await new Promise((resolve) => child.once('exit', resolve));
      }
    });
    const seen = [...pids].filter((pid) => ofPid(batch, pid) !== undefined);
    assert.ok(seen.length >= 19, `${seen.length} of 20 processes seen`);
    // Before exec the same pid is another program, and a resource of its own.
    const stacks = batch.resources
      .filter((r) => pids.has(Number(getText(r.resource.attributes, 'process.pid'))))
      .flatMap((r) => namesOf(batch, r));
    const complete = stacks.filter((names) => /^_start$/.test(names[0] ?? '')).length;
    assert.ok(complete / stacks.length >= 0.8, `${complete} of ${stacks.length} stacks complete`);
  });

  it('follows exec over a live pid', async () => {
    const batch = await record({}, 2500, async () => {
      await delay(300);
      const child = start('sh', ['-c', `i=0; while [ $i -lt 60000 ]; do i=$((i+1)); done; exec ${burn}`]);
      children.push(child);
    });
    const child = children.at(-1);
    const names = batch.resources
      .filter((r) => getText(r.resource.attributes, 'process.pid') === String(child?.pid))
      .map((r) => getText(r.resource.attributes, 'process.executable.name'));
    if (child !== undefined) stop(child);
    assert.ok(names.includes('burn-c'), names.join());
    assert.ok(names.length >= 2, names.join());
  });
});
