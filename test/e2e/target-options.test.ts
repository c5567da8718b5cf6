// SPDX-License-Identifier: Apache-2.0
// What options of pyroscope_ebpf do to all targets; test/e2e/targets.test.ts has those that say who is a target.
import assert from 'node:assert/strict';
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { never } from '../../src/internal/testing/settings.ts';
import { packageRoot } from '../../src/internal/package-root.ts';
import { getText } from '../../src/pdata/attributes.ts';
import { WITHOUT_ROOT } from '../left-out.ts';
import { started, until } from './heard.ts';
import { WORKLOADS } from './workloads.ts';

const SOURCES = join(packageRoot(), 'test', 'e2e', 'workloads');

describe('options of pyroscope_ebpf, on this host', { timeout: 180_000, skip: WITHOUT_ROOT }, () => {
  const dir = mkdtempSync(join(tmpdir(), 'otelcol-profiles-target-options-'));
  const mount = mkdtempSync(join(dir, 'bpf-'));
  const children: ChildProcess[] = [];
  const [stripped, sleeper] = [join(dir, 'stripped'), join(dir, 'sleeper')];
  let burnCpp = '';

  const start = (command: string, args: readonly string[] = []): string => {
    const child = spawn(command, args, { stdio: 'ignore' });
    children.push(child);
    return String(child.pid);
  };
  const copying = (): string => start('dd', ['if=/dev/zero', 'of=/dev/null', 'bs=512']);
  const ended = (): void => {
    for (const child of children.splice(0)) child.kill('SIGKILL');
  };

  before(() => {
    const compiled = (name: string): string => WORKLOADS.find((w) => w.name === name)?.command(dir)[0] ?? '';
    burnCpp = compiled('cpp');
    execFileSync('strip', ['-o', stripped, compiled('c')]);
    execFileSync('gcc', ['-O1', '-o', sleeper, join(SOURCES, 'sleeper.c')]);
    execFileSync('mount', ['-t', 'bpf', 'bpf', mount]);
  });
  after(() => {
    ended();
    execFileSync('umount', [mount]);
    rmSync(dir, { recursive: true, force: true });
  });

  it('leave the user part out, set the rate, and name job and service', async (t) => {
    const { heard, sink, receiver } = await started(t, {
      collect_user_profile: false,
      sample_rate: 83,
      job_name: 'copies',
      service_name: 'copier',
      targets: [{ __process_pid__: copying() }],
    });
    await until('samples', () => heard.frameTypes('copier').has('kernel'));
    await receiver.shutdown(never());
    ended();
    assert.deepEqual([...heard.frameTypes('copier')], ['kernel']);
    for (const { profile } of heard.profiles('copier')) assert.equal(profile.period, 1_000_000_000n / 83n);
    for (const { resources } of sink.batches)
      assert.equal(getText(resources[0]?.resource.attributes ?? [], 'job'), 'copies');
  });

  it('leave out kernel and Python frames, say how names look, and where tables are kept', async (t) => {
    const cache = join(dir, 'cache');
    const python = ['-c', 'def spin():\n  while True: pass\nspin()'];
    const target = (pid: string, service_name: string) => ({ __process_pid__: pid, service_name });
    const { heard, receiver } = await started(t, {
      collect_kernel_profile: false,
      python_enabled: false,
      demangle: 'simplified',
      reporter_unsymbolized_stubs: true,
      symb_cache_path: cache,
      symb_cache_size: 80,
      u_probe_links: [`${sleeper}:take_a_nap`],
      obi_process_context_enabled: true,
      bpf_fs_root: mount,
      targets: [
        target(copying(), 'kernel'),
        target(start('/usr/bin/python3', python), 'python'),
        target(start(burnCpp), 'names'),
        target(start(stripped), 'bare'),
        target(start(sleeper, ['1000000', '20']), 'sleeper'),
      ],
    });
    const seen = (service: string, stack: RegExp, name?: string): boolean =>
      heard.stacks(service, name).some((text) => stack.test(text));
    await until('user frames', () => heard.frameTypes('kernel').has('native'));
    await until('frames of the interpreter', () => seen('python', /_PyEval_EvalFrameDefault/));
    await until('short names', () => seen('names', /shop::Counter::leaf(;|$)/));
    await until('addresses in place of names', () => seen('bare', /\$ stripped \+ 0x[0-9a-f]+/));
    await until('probe hits', () => seen('sleeper', /take_a_nap$/, 'uprobe'));
    assert.ok(existsSync(join(mount, 'otel', 'traces_ctx_v1')), 'the map of spans');
    await receiver.shutdown(never());
    ended();
    assert.ok(!heard.frameTypes('kernel').has('kernel'));
    assert.ok(!heard.frameTypes('python').has('cpython'));
    assert.equal(statSync(cache).mode & 0o777, 0o700);
    assert.ok(readdirSync(cache).length > 1, readdirSync(cache).join());
  });
});
