// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readlinkSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { packageRoot } from '../../src/internal/package-root.ts';
import { WITHOUT_ROOT } from '../left-out.ts';

const ATTACHED = /profiling every process/g;
const WAIT_MS = 60_000;

describe('a profiler whose configuration is loaded again', { timeout: 300_000, skip: WITHOUT_ROOT }, () => {
  const dir = mkdtempSync(join(tmpdir(), 'otelcol-profiles-reload-'));
  const file = join(dir, 'config.yaml');
  let child: ChildProcess;
  let log = '';

  /** `receiver` in a pipeline that tells of every batch. */
  const configure = (receiver: string, verbosity = 'basic'): void =>
    writeFileSync(
      file,
      `
receivers: { ${receiver} }
exporters: { debug: { verbosity: ${verbosity} } }
service:
  telemetry: { metrics: { level: none } }
  pipelines: { profiles: { receivers: [${receiver.split(':')[0]}], exporters: [debug] } }
`,
    );

  async function until(what: string, holds: () => boolean): Promise<void> {
    const end = performance.now() + WAIT_MS;
    while (!holds()) {
      assert.ok(performance.now() < end && child.exitCode === null, `${what}: ${log.slice(-3000)}`);
      await delay(20);
    }
  }
  const attached = (): number => [...log.matchAll(ATTACHED)].length;
  async function reload(): Promise<void> {
    const from = log.length;
    child.kill('SIGHUP');
    await until('reload', () => /Config updated/.test(log.slice(from)));
  }
  /** Waits for samples that come from now on. */
  async function delivers(): Promise<void> {
    const from = log.length;
    await until('samples', () => /"sample records":[1-9]/.test(log.slice(from)));
  }
  /** Files of the kernel's profiling that the collector has open. */
  const kernelFiles = (): string[] =>
    readdirSync(`/proc/${child.pid}/fd`).flatMap((fd) => {
      try {
        const target = readlinkSync(`/proc/${child.pid}/fd/${fd}`);
        return /perf_event|bpf/.test(target) ? [target] : [];
      } catch {
        return []; // closed meanwhile
      }
    });

  before(async () => {
    configure('profiling: { samples_per_second: 97, reporter_interval: 500ms }');
    child = spawn(join(packageRoot(), 'bin', 'otelcol-profiles'), ['--config', file], {
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      log += text;
    });
    await until('start', () => attached() === 1);
    await delivers();
  });
  after(async () => {
    if (child.exitCode === null) {
      child.kill('SIGTERM');
      await once(child, 'exit');
    }
    rmSync(dir, { recursive: true, force: true });
  });

  it('runs on where its section is the same', async () => {
    configure('profiling: { samples_per_second: 97, reporter_interval: 500ms }', 'normal');
    await reload();
    await delivers();
    assert.equal(attached(), 1);
  });

  it('begins anew where its section changed', async () => {
    configure('profiling: { samples_per_second: 49, reporter_interval: 500ms }');
    await reload();
    await until('attached again', () => attached() === 2);
    await delivers();
  });

  it('leaves nothing in the kernel where it is no longer configured, and comes back', async () => {
    assert.ok(kernelFiles().length > 0);
    configure('nop: {}');
    await reload();
    await until('nothing left', () => kernelFiles().length === 0);
    configure('profiling: { samples_per_second: 97, reporter_interval: 500ms }');
    await reload();
    await until('attached once more', () => attached() === 3);
    await delivers();
  });
});
