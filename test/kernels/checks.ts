// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { loadAddon, type ProfilerAddon } from '../../src/native/addon.ts';
import { runDoctor } from '../../src/native/doctor.ts';
import { valueToText } from '../../src/pdata/any-value.ts';
import { getText } from '../../src/pdata/attributes.ts';
import { stackNames } from '../../src/pdata/folded.ts';
import type { ProfilesBatch } from '../../src/pdata/profiles-batch.ts';
import { listAt } from '../../src/pdata/tables.ts';
import type { ProfileSource } from '../../src/profiler/source.ts';
import {
  type Recorded,
  assertAddsUp,
  attributesOf,
  profilesOf,
  record,
  startProfiler,
  stacksOf,
  typeOf,
} from '../e2e/recording.ts';
import { withoutTypedTracepoints } from '../e2e/raw-tracepoint.ts';

const BIN = '/usr/bin';
const HAS_PYTHON = existsSync(join(BIN, 'python3'));
/** An emulated CPU on a busy host is a hundred times slower than the host's. */
const SETTLE_MS = 150_000;
/** A stack of 1000 frames costs an emulated CPU 10 ms. */
const RATE = { samples_per_second: 49 };
const COMPLETE = 0.97;
/** Samples of one program that a judgement needs. */
const ENOUGH = 10;

/** Runs one check and tells how it went: with what it gives, or with what it throws. */
export type Report = (name: string, check: () => Promise<string> | string) => Promise<void>;

function start(program: string, ...args: string[]): ChildProcess {
  return spawn(join(BIN, program), args, { stdio: ['ignore', 'ignore', 'inherit'] });
}

const ended = (child: ChildProcess): Promise<unknown> =>
  new Promise((resolve) => child.once('close', resolve));

interface Stack {
  /** Root first. */
  readonly names: readonly string[];
  readonly truncated: boolean;
  readonly events: number;
}

function stacks(batch: ProfilesBatch | undefined, pid: number | undefined): Stack[] {
  if (batch === undefined) return [];
  return profilesOf(batch, pid).flatMap(({ samples }) =>
    [...samples.stack].map((stack, i) => ({
      names: stackNames(batch.dictionary, stack),
      truncated: [...listAt(samples.attributes, i)].some(
        (row) =>
          batch.dictionary.attributeKey(row) === 'otelcol.profiles.stack.truncated' &&
          valueToText(batch.dictionary.attributeValue(row)) === 'true',
      ),
      events: (samples.timestampStart[i + 1] ?? 0) - (samples.timestampStart[i] ?? 0),
    })),
  );
}

const eventsOf = (of: readonly Stack[]): number => of.reduce((n, s) => n + s.events, 0);

/** Share of the events whose stack holds what is asked. */
function share(of: readonly Stack[], holds: (stack: Stack) => boolean): number {
  return eventsOf(of.filter(holds)) / Math.max(eventsOf(of), 1);
}

/** What a batch shows: a text for the report, and whether it is as it must be. */
interface Judgement {
  readonly seen: string;
  readonly ok: boolean;
}
type Judge = (batch: ProfilesBatch | undefined) => Judgement;

/** Collects until each judge was content once, for tables load beside the sampling. What each of them saw last. */
async function settle(
  source: ProfileSource,
  judges: Readonly<Record<string, Judge>>,
): Promise<Map<string, Judgement>> {
  const until = performance.now() + SETTLE_MS;
  const last = new Map<string, Judgement>();
  do {
    await delay(1500);
    const batch = await source.collect();
    for (const [name, judge] of Object.entries(judges))
      if (last.get(name)?.ok !== true) last.set(name, judge(batch));
  } while ([...last.values()].some((j) => !j.ok) && performance.now() < until);
  return last;
}

const holdsFor = (judgement: Judgement | undefined): string => {
  assert.ok(judgement?.ok === true, judgement?.seen);
  return judgement.seen;
};

/** The user part of a stack of deep.c: what starts it, the calls, what they end in. */
function isChain(names: readonly string[], depth: number, leaf: readonly string[]): boolean {
  const first = names.indexOf('descend');
  const above = names.slice(first + depth, first + depth + leaf.length);
  return (
    names[0] === '_start' &&
    names[first - 1] === 'main' &&
    names.slice(first, first + depth).every((name) => name === 'descend') &&
    leaf.every((name, i) => above[i] === name)
  );
}

function judgeDeep(child: ChildProcess, depth: number): Judge {
  return (batch) => {
    const of = stacks(batch, child.pid);
    const isWhole = (s: Stack): boolean => isChain(s.names, depth, ['compute']) && !s.truncated;
    const whole = share(of, isWhole);
    const other = of.find((s) => !isWhole(s))?.names;
    const example =
      other === undefined ? '' : `; ${other.length} frames: ${other.slice(0, 4).join(';')} … ${other.at(-1)}`;
    const seen = `${eventsOf(of)} samples, ${(whole * 100).toFixed(1)} % whole${example}`;
    return { seen, ok: eventsOf(of) >= ENOUGH && whole >= COMPLETE };
  };
}

function judgeCut(child: ChildProcess): Judge {
  return (batch) => {
    const of = stacks(batch, child.pid);
    const cut = share(of, (s) => s.truncated && s.names.includes('compute') && s.names.length >= 900);
    const seen = `${eventsOf(of)} samples of ${of[0]?.names.length} frames, ${(cut * 100).toFixed(1)} % marked`;
    return { seen, ok: eventsOf(of) >= ENOUGH && cut >= COMPLETE };
  };
}

/** In the kernel the user's registers come from the task, which kernels differ in. */
function judgeKernel(child: ChildProcess): Judge {
  return (batch) => {
    const of = stacks(batch, child.pid).filter((s) => s.names.some((n) => /read_zero|iov_iter_zero/.test(n)));
    const whole = share(
      of,
      ({ names }) =>
        isChain(names, 20, ['read_zeroes']) && names.indexOf('read_zeroes') < names.indexOf('vfs_read'),
    );
    const seen = `${eventsOf(of)} samples in the kernel, ${(whole * 100).toFixed(1)} % whole; ${of[0]?.names.slice(-8).join(';')}`;
    return { seen, ok: eventsOf(of) >= ENOUGH && whole >= COMPLETE };
  };
}

function judgePython(child: ChildProcess): Judge {
  const mine = ['<module>', 'ladder', 'rung', 'spin'];
  const wanted = ['<module>', 'ladder', ...Array<string>(120).fill('rung'), 'spin'].join(';');
  return (batch) => {
    const of = stacks(batch, child.pid);
    const right = share(
      of,
      ({ names }) => names[0] === '_start' && names.filter((n) => mine.includes(n)).join(';') === wanted,
    );
    const seen = `${eventsOf(of)} samples, ${(right * 100).toFixed(1)} % right`;
    return { seen, ok: eventsOf(of) >= ENOUGH && right >= 0.9 };
  };
}

/** Where the unwind tables of sleeper are known, its naps are complete. */
function judgeNaps(child: ChildProcess): Judge {
  return (batch) => ({
    seen: 'no complete stack of a nap',
    ok: stacks(batch, child.pid).some((s) => s.names[0] === '_start' && s.names.includes('take_a_nap')),
  });
}

/** Runs programs under one profiler, and ends both. */
async function profiling(
  options: Record<string, unknown>,
  programs: readonly (readonly [string, ...string[]])[],
  during: (source: ProfileSource, children: readonly ChildProcess[], startMs: number) => Promise<void>,
): Promise<void> {
  const started = performance.now();
  const source = await startProfiler(options);
  const startMs = performance.now() - started;
  const children = programs.map(([program, ...args]) => start(program, ...args));
  try {
    await during(source, children, startMs);
  } finally {
    for (const child of children) child.kill('SIGKILL');
    await source.stop();
  }
}

async function checkHost(report: Report): Promise<void> {
  await report('doctor', async () => {
    const { ok, text } = await runDoctor();
    assert.ok(ok, text);
    const { bpfLoop, taskPtRegs } = loadAddon().probe();
    return `bpf_loop ${bpfLoop === true ? 'yes' : 'no'}, bpf_task_pt_regs ${taskPtRegs === true ? 'yes' : 'no'}`;
  });
}

async function checkOnCpu(report: Report): Promise<void> {
  await profiling(
    RATE,
    [
      ['deep', '128'],
      ['deep', '980'],
      ['deep', '5000'],
      ['deep', '20', '/dev/zero'],
      ...(HAS_PYTHON ? [['python3', '-I', '-S', '/app/truth.py', 'ladder'] as const] : []),
    ],
    async (source, [shallow, deep, deeper, inKernel, python], startMs) => {
      assert.ok(shallow && deep && deeper && inKernel);
      await report('load and attach', () => `${startMs.toFixed(0)} ms`);
      const judges = {
        'unwind 128 frames': judgeDeep(shallow, 128),
        'unwind 980 frames': judgeDeep(deep, 980),
        'cut stacks say so': judgeCut(deeper),
        'samples in the kernel': judgeKernel(inKernel),
        ...(python === undefined ? {} : { Python: judgePython(python) }),
      };
      const found = await settle(source, judges);
      for (const name of Object.keys(judges)) await report(name, () => holdsFor(found.get(name)));
      assert.ok((source.stats()['unwind_error_depth_limit'] ?? 0) > 0, 'cut stacks are not counted');
    },
  );
}

/** Off-CPU times of one sleeper, of 20 naps of 25 ms, while another one keeps the tables loaded. */
async function checkOffCpu(name: string, report: Report, addon: () => ProfilerAddon): Promise<void> {
  await report(name, async () => {
    let pid: number | undefined;
    let ranMs = 0;
    const recorded = await record(
      { ...RATE, off_cpu_threshold: 1 },
      async (source) => {
        const other = start('sleeper', '1000000', '20');
        holdsFor((await settle(source, { naps: judgeNaps(other) })).get('naps'));
        const started = performance.now();
        const child = start('sleeper', '20', '25');
        pid = child.pid;
        await ended(child);
        ranMs = performance.now() - started;
        other.kill('SIGKILL');
      },
      addon,
    );
    const { batch } = recorded;
    const naps = profilesOf(batch, pid)
      .filter((p) => typeOf(batch, p) === 'off_cpu')
      .flatMap(({ samples }) =>
        [...samples.stack].flatMap((stack, i) => {
          const names = batch === undefined ? [] : stackNames(batch.dictionary, stack);
          const values = samples.values.slice(samples.valueStart[i], samples.valueStart[i + 1]);
          return names.includes('take_a_nap') ? [{ names, values: [...values] }] : [];
        }),
      );
    const values = naps.flatMap((nap) => nap.values);
    const totalMs = values.reduce((ms, value) => ms + Number(value) / 1e6, 0);
    assert.ok(values.length >= 19, `${values.length} of 20 naps`);
    assert.ok(totalMs >= 19 * 25 && totalMs <= ranMs, `${totalMs} ms of ${ranMs} ms`);
    for (const { names } of naps) {
      assert.equal(names.at(-1), '__schedule', names.join(';'));
      assert.ok(names.indexOf('main') < names.indexOf('take_a_nap'), names.join(';'));
    }
    assertAddsUp(recorded);
    return `${values.length} of 20 naps, ${totalMs.toFixed(0)} ms`;
  });
}

const IN_NAP = '^_start;.*;main;take_a_nap;.*;';
const IN_KERNEL = '(do_syscall_64|invoke_syscall);.*;hrtimer_nanosleep$';

/**
 * The probes, and what each one's stacks are. A function whose return is probed returns to a trampoline; before 5.15 the
 * kernel's own stacks end there.
 */
const PROBES = [
  {
    probe: { mode: 'uprobe', target: join(BIN, 'sleeper'), symbol: 'take_a_nap' },
    stack: /^_start;.*;main;take_a_nap$/,
  },
  {
    probe: { mode: 'uretprobe', target: join(BIN, 'sleeper'), symbol: 'take_a_nap' },
    stack: /^_start;.*;main$/,
  },
  {
    probe: { mode: 'kprobe', symbol: 'hrtimer_nanosleep' },
    stack: new RegExp(`${IN_NAP}${IN_KERNEL}`),
  },
  {
    probe: { mode: 'kretprobe', symbol: 'do_nanosleep' },
    stack: new RegExp(`${IN_NAP}(${IN_KERNEL}|kretprobe_trampoline$)`),
  },
] as const;

/** Each probe must see each call of two processes, and the stack it was made on. */
async function checkProbes(report: Report): Promise<void> {
  const naps = [3, 4];
  const pids: (number | undefined)[] = [];
  let recorded: Recorded | undefined;
  await report('set probes', async () => {
    recorded = await record(
      { probes: PROBES.map(({ probe }) => ({ type: 'kprobe', ...probe })) },
      async (source) => {
        const other = start('sleeper', '1000000', '20');
        holdsFor((await settle(source, { naps: judgeNaps(other) })).get('naps'));
        other.kill('SIGKILL');
        for (const count of naps) {
          const child = start('sleeper', String(count), '50');
          pids.push(child.pid);
          await ended(child);
        }
      },
    );
    assertAddsUp(recorded);
    return `${recorded.stats['probe_hits']} hits, ${recorded.stats['drop_probe_nested']} nested`;
  });
  for (const { probe, stack } of PROBES) {
    const { mode } = probe;
    await report(mode, () => {
      const batch = recorded?.batch;
      const found = pids.map((pid) =>
        profilesOf(batch, pid).filter((p) =>
          attributesOf(batch, p)['otelcol.profiles.probe.name']?.startsWith(`${mode}:`),
        ),
      );
      const counts = found.map((of) => of.reduce((n, p) => n + p.samples.timestamps.length, 0));
      assert.deepEqual(counts, naps);
      // A process's first stacks are cut where a busy host hears of its mappings late.
      const whole = found.map((of) => stacksOf(batch, of).find((name) => stack.test(name)));
      assert.ok(
        whole.every((name) => name !== undefined),
        stacksOf(batch, found.flat()).join('\n'),
      );
      return `${counts.join(' + ')} hits; ${whole[0]}`;
    });
  }
}

/** The links of samples of each kind, by the function of spans.c that they are in. */
function judgeSpans(child: ChildProcess): Judge {
  const wanted = new Map([
    ['first', 'a1'],
    ['second', 'b2'],
    ['none', '00'],
    ['other', '00'],
  ]);
  return (batch) => {
    let wrong = 0;
    const found = new Set<string>();
    for (const profile of batch === undefined ? [] : profilesOf(batch, child.pid)) {
      profile.samples.stack.forEach((stack, i) => {
        const names = batch === undefined ? [] : stackNames(batch.dictionary, stack);
        const [name, byte] = [...wanted].find(([each]) => names.includes(each)) ?? [];
        if (name === undefined) return;
        const link = batch?.dictionary.tables.links.traceIds[(profile.samples.link[i] ?? 0) * 16] ?? 0;
        if (link.toString(16).padStart(2, '0') !== byte) wrong++;
        found.add(`${typeOf(batch, profile)} in ${name}`);
      });
    }
    const seen = `${wrong} wrong; ${[...found].sort().join(', ')}`;
    assert.equal(wrong, 0, seen);
    return { seen, ok: found.size === 3 * wanted.size };
  };
}

/** The map is made by the profiler here, and looked up by all three programs. */
async function checkSpans(report: Report): Promise<void> {
  const probe = { type: 'kprobe', mode: 'uprobe', target: join(BIN, 'spans'), symbol: 'hit' };
  await report('spans of threads', async () => {
    let seen = '';
    await profiling(
      { ...RATE, obi_process_ctx: true, off_cpu_threshold: 1, probes: [probe] },
      [['spans', 'run', '/sys/fs/bpf/otel/traces_ctx_v1']],
      async (source, [child]) => {
        assert.ok(child);
        seen = holdsFor((await settle(source, { spans: judgeSpans(child) })).get('spans'));
      },
    );
    return seen;
  });
}

async function checkFilters(report: Report): Promise<void> {
  await report('filters', async () => {
    const kept = start('deep', '3');
    const other = start('sleeper', '1000000', '1');
    const options = {
      ...RATE,
      filter: { include: [{ comm: 'deep' }], exclude: [{ executable: 'sleeper' }] },
      filter_min_process_age: '1ms',
      pid_namespace_translation: true,
    };
    const pids = new Set<string>();
    const note = (batch: ProfilesBatch | undefined): void => {
      for (const { resource } of batch?.resources ?? [])
        pids.add(getText(resource.attributes, 'process.pid') ?? '');
    };
    const recorded = await record(options, async (source) => {
      const judge: Judge = (batch) => {
        note(batch);
        const leftOut = source.stats()['drop_filtered_rule'] ?? 0;
        return {
          seen: `pids ${[...pids].join(', ')}, ${leftOut} left out`,
          ok: pids.size > 0 && leftOut > 0,
        };
      };
      holdsFor((await settle(source, { filters: judge })).get('filters'));
    }).finally(() => {
      kept.kill('SIGKILL');
      other.kill('SIGKILL');
    });
    note(recorded.batch);
    assert.deepEqual([...pids], [String(kept.pid)]);
    assertAddsUp(recorded);
    return `${recorded.stats['drop_filtered_rule']} left out, ${recorded.delivered} kept`;
  });
}

/** Where eBPF is refused, perf events are what is left. */
async function checkPerfEvents(report: Report): Promise<void> {
  await report('perf events', async () => {
    const addon = loadAddon();
    const source = await startProfiler(RATE, () => ({
      probe: () => addon.probe(),
      Profiler: class extends addon.Profiler {
        constructor(options: ConstructorParameters<ProfilerAddon['Profiler']>[0]) {
          super({ ...options, mode: 'perf' });
        }
      },
    }));
    const child = start('deep', '30');
    try {
      return holdsFor((await settle(source, { deep: judgeDeep(child, 30) })).get('deep'));
    } finally {
      child.kill('SIGKILL');
      await source.stop();
    }
  });
}

/** What is asked of every kernel. */
export async function checkKernel(report: Report): Promise<void> {
  await checkHost(report);
  await checkOnCpu(report);
  await checkOffCpu('off-CPU, typed tracepoint', report, loadAddon);
  await checkOffCpu('off-CPU, raw tracepoint', report, withoutTypedTracepoints);
  await checkProbes(report);
  await checkSpans(report);
  await checkFilters(report);
  await checkPerfEvents(report);
}
