// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import {
  accessSync,
  constants,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { never } from '../../src/internal/testing/settings.ts';
import { packageRoot } from '../../src/internal/package-root.ts';
import { leftOutUnless, WITHOUT_ROOT } from '../left-out.ts';
import { started, until } from './heard.ts';
import { WORKLOADS } from './workloads.ts';

const SOURCES = join(packageRoot(), 'test', 'e2e', 'workloads');
const OPTION = '__meta_pyroscope_ebpf_options_';

/** A folder of control groups that tells of processes, where one can be written. */
const CGROUPS = ['/sys/fs/cgroup/systemd', '/sys/fs/cgroup'].find((folder) => {
  try {
    accessSync(join(folder, 'cgroup.procs'), constants.W_OK);
    return true;
  } catch {
    return false;
  }
});
const WITHOUT_CGROUPS = leftOutUnless(
  CGROUPS !== undefined,
  'needs a folder of control groups that can be written',
);

describe('eBPF profiles of targets', { timeout: 180_000, skip: WITHOUT_ROOT }, () => {
  const dir = mkdtempSync(join(tmpdir(), 'otelcol-profiles-targets-'));
  const children: ChildProcess[] = [];
  let burn = '';
  let burnCpp = '';
  let sleeper = '';

  const start = (command: string, args: readonly string[] = []): string => {
    const child = spawn(command, args, { stdio: 'ignore' });
    children.push(child);
    return String(child.pid);
  };
  const target = (
    pid: string,
    service_name: string,
    more: Record<string, string> = {},
  ): Record<string, string> => ({
    __process_pid__: pid,
    service_name,
    ...more,
  });
  const ended = (): void => {
    for (const child of children.splice(0)) child.kill('SIGKILL');
  };

  before(() => {
    const compiled = (name: string): string => WORKLOADS.find((w) => w.name === name)?.command(dir)[0] ?? '';
    burn = compiled('c');
    burnCpp = compiled('cpp');
    sleeper = join(dir, 'sleeper');
    execFileSync('gcc', ['-O1', '-o', sleeper, join(SOURCES, 'sleeper.c')]);
  });
  after(() => {
    ended();
    rmSync(dir, { recursive: true, force: true });
  });

  it('are of the targets alone, each under its labels and in its own manner', async (t) => {
    const python = [
      '-c',
      'exec(compile("def spin():\\n  while True: pass\\nspin()", "/opt/shop/app.py", "exec"))',
    ];
    const copy = ['if=/dev/zero', 'of=/dev/null', 'bs=512'];
    const { heard, settings, receiver } = await started(t, {
      off_cpu_threshold: 1,
      probe_links: [`uprobe:${sleeper}:take_a_nap`],
      targets: [
        target(start(burn), 'shop', { team: 'core' }),
        target(start('dd', copy), 'kernel'),
        target(start('dd', copy), 'user', { [`${OPTION}collect_kernel`]: 'false' }),
        target(start('/usr/bin/python3', python), 'python', { [`${OPTION}python_full_file_path`]: 'false' }),
        target(start('/usr/bin/python3', python), 'no python', { [`${OPTION}python_enabled`]: 'false' }),
        target(start(burnCpp), 'names', { [`${OPTION}demangle`]: 'simplified' }),
        target(start(sleeper, ['1000000', '20']), 'sleeper'),
      ],
    });
    const seen =
      (service: string, stack: RegExp, name?: string): (() => boolean) =>
      () =>
        heard.stacks(service, name).some((text) => stack.test(text));
    await until('whole stacks', seen('shop', /^_start;.*;main;outer_work;.*compare_work/));
    await until('kernel frames', () => heard.frameTypes('kernel').has('kernel'));
    await until('user frames', () => heard.frameTypes('user').has('native'));
    await until('Python frames', seen('python', /;spin(;|$)/));
    await until('frames of the interpreter', seen('no python', /_PyEval_EvalFrameDefault/));
    await until('clear names', seen('names', /shop::Counter::leaf/));
    await until('time off the CPU', seen('sleeper', /main;take_a_nap;/, 'offcpu'));
    await until('probe hits', seen('sleeper', /take_a_nap$/, 'uprobe'));
    await receiver.shutdown(never());
    ended();
    assert.ok(!heard.frameTypes('user').has('kernel'));
    assert.ok(heard.files('python').has('app.py') && !heard.files('python').has('/opt/shop/app.py'));
    assert.ok(!heard.frameTypes('no python').has('cpython'));
    assert.deepEqual(heard.services(), ['kernel', 'names', 'no python', 'python', 'shop', 'sleeper', 'user']);
    // At least the test itself runs beside them.
    const dropped = settings.meter.value('receiver_profiling_samples_dropped', { reason: 'filtered_rule' });
    assert.ok((dropped ?? 0) > 0);
    for (const { batch, profile } of heard.profiles('sleeper')) {
      assert.ok(profile.durationNano > 0n && profile.period > 0n);
      assert.notEqual(batch.dictionary.text(profile.periodType.type), '');
      assert.equal(
        new Set(profile.samples.stack).size,
        profile.samples.length,
        'equal stacks are one sample',
      );
    }
  });

  it('are of a container by its id', { skip: WITHOUT_CGROUPS }, async (t) => {
    const id = 'c0ffee'.padEnd(64, '0');
    const group = join(CGROUPS ?? '', `docker-${id}.scope`);
    mkdirSync(group);
    try {
      const pid = start(burn);
      writeFileSync(join(group, 'cgroup.procs'), pid);
      const { heard, receiver } = await started(t, {
        private_labels: 'keep',
        targets: [
          { __meta_docker_container_id: id, __meta_docker_container_name: '/shop', __address__: 'x' },
        ],
      });
      await until('the container', () => heard.services().length > 0);
      await receiver.shutdown(never());
      assert.deepEqual(heard.services(), ['/shop']);
    } finally {
      ended();
      await until('an empty control group', () => readFileSync(join(group, 'cgroup.procs'), 'utf8') === '');
      rmdirSync(group);
    }
  });

  it('show threads, pids and no kernel frames as is asked, the rest under the default target', async (t) => {
    const pid = start('dd', ['if=/dev/zero', 'of=/dev/null', 'bs=512']);
    const { heard, receiver } = await started(t, {
      targets_only: false,
      default_target: { service_name: 'rest' },
      targets: [target(pid, 'copy')],
      comm: 'both',
      pid_label: true,
      kernel_frames: false,
      demangle: 'full',
    });
    const rest = start(burn);
    await until('the target', () => heard.stacks('copy').some((text) => /^dd;./.test(text)));
    await until('the rest', () => heard.sampleLabels('rest').has(`pid=${rest}`));
    await receiver.shutdown(never());
    ended();
    assert.deepEqual([...heard.sampleLabels('copy')].sort(), ['comm=dd', `pid=${pid}`]);
    assert.ok(!heard.frameTypes('copy').has('kernel') && !heard.frameTypes('rest').has('kernel'));
    assert.deepEqual(heard.services(), ['copy', 'rest']);
  });

  it('have the kernel leave out what is no target, until it is one', async (t) => {
    let tell: (targets: readonly ReadonlyMap<string, string>[]) => void = () => undefined;
    const pid = start(burn);
    const { heard, settings, receiver } = await started(
      t,
      { late_binding_timeout: '500ms' },
      {
        discovery: (onTargets) => {
          tell = onTargets;
          return { ready: Promise.resolve(), start: async () => undefined, stop: async () => undefined };
        },
      },
    );
    const given = (labels: Record<string, string>): ReadonlyMap<string, string> =>
      new Map(Object.entries(labels));
    const events = (outcome: string): number =>
      settings.meter.value('receiver_ebpf_events', { outcome }) ?? 0;
    const reports = (): number => settings.meter.value('pyroscope_ebpf_profiling_sessions_total', {}) ?? 0;
    await until('a decision', () => events('no_target') > 0);
    const decided = reports();
    await until('reports without it', () => reports() > decided + 2);
    assert.deepEqual(heard.services(), []);
    tell([given(target(pid, 'found'))]);
    await until('the target', () => heard.services().includes('found'));
    await receiver.shutdown(never());
    ended();
    const dropped = settings.meter.value('receiver_profiling_samples_dropped', { reason: 'filtered_rule' });
    assert.ok((dropped ?? 0) > 0, 'nothing was left out by the kernel');
  });
});
