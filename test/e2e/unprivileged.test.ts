// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { packageRoot } from '../../src/internal/package-root.ts';
import { WITHOUT_ROOT } from '../left-out.ts';
import { WORKLOADS } from './workloads.ts';

const NOBODY = { uid: 65_534, gid: 65_534 };
const paranoid = Number(readFileSync('/proc/sys/kernel/perf_event_paranoid', 'utf8'));

describe('the built program without privileges', { timeout: 120_000, skip: WITHOUT_ROOT }, () => {
  // The checkout may lie where only root can look.
  const dir = mkdtempSync(join(tmpdir(), 'otelcol-profiles-unprivileged-'));
  const children: ChildProcess[] = [];
  let url = '';
  let log = '';

  before(async () => {
    chmodSync(dir, 0o755);
    for (const part of ['package.json', 'bin', 'proto', 'build/bpf', 'build/web']) {
      cpSync(join(packageRoot(), part), join(dir, 'app', part), { recursive: true });
    }
    for (const file of [
      'otelcol-profiles.cjs',
      'otelcol-profiles.cjs.cache',
      'otelcol_profiles.node',
      'otelcol_codecs.node',
    ]) {
      cpSync(join(packageRoot(), 'build', file), join(dir, 'app', 'build', file));
    }
    mkdirSync(join(dir, 'bin'));
    const c = WORKLOADS.find((w) => w.name === 'c');
    assert.ok(c !== undefined);
    const [burn] = c.command(join(dir, 'bin'));
    children.push(spawn(burn, { stdio: 'ignore', ...NOBODY }));
    const ports = [
      'exporters.viewer',
      'extensions.health_check',
      'receivers.otlp.protocols.grpc',
      'receivers.otlp.protocols.http',
    ];
    const sets = [
      ...ports.map((port) => `${port}.endpoint=localhost:0`),
      'service.telemetry.metrics.level=none',
    ];
    const child = spawn(
      process.execPath,
      [join(dir, 'app', 'bin', 'otelcol-profiles'), ...sets.flatMap((set) => ['--set', set])],
      { stdio: ['ignore', 'ignore', 'pipe'], cwd: dir, ...NOBODY },
    );
    children.push(child);
    child.stderr.setEncoding('utf8').on('data', (chunk: string) => {
      log += chunk;
      url = /live page at (http:\S+)/.exec(log)?.[1] ?? url;
    });
    while (!log.includes('Everything is ready') && child.exitCode === null) await delay(20);
  });

  after(async () => {
    for (const child of children) child.kill('SIGKILL');
    rmSync(dir, { recursive: true, force: true });
  });

  async function until(path: string, holds: (text: string) => boolean): Promise<string> {
    for (let i = 0; i < 400; i++) {
      const text = await (await fetch(`${url}${path}`)).text();
      if (holds(text)) return text;
      await delay(50);
    }
    throw new Error(`${path} never held; log: ${log}`);
  }

  it('says on the page and in the log what is missing and what would help', async () => {
    const status = await until('/api/status', (text) => text.includes('"profiling"'));
    assert.match(status, /EPERM/);
    assert.match(status, /run as root/);
    assert.match(log, /warn\tebpf profiling is not possible/);
  });

  it("profiles this user's own processes where the kernel lets it, and itself where not", async () => {
    const expected = paranoid <= 2 ? 'burn-c' : 'otelcol-profiles';
    await until('/api/services', (text) => text.includes(`"${expected}"`));
    const flame =
      paranoid <= 2 ? await until('/api/flame?service=burn-c', (text) => text.includes('compare_work')) : '';
    if (paranoid <= 2) assert.match(flame, /outer_work/);
  });

  it('ends on SIGTERM with exit code 0', async () => {
    const collector = children[1];
    assert.ok(collector !== undefined);
    collector.kill('SIGTERM');
    const [code] = (await once(collector, 'exit')) as [number | null];
    assert.equal(code, 0, log);
  });
});
