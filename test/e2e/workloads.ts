// SPDX-License-Identifier: Apache-2.0
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { packageRoot } from '../../src/internal/package-root.ts';

const SOURCES = join(packageRoot(), 'test', 'e2e', 'workloads');

/** A program that burns CPU below a chain of functions that its source names. */
export interface Workload {
  readonly name: string;
  /** Names of functions that stand one below the other, root first, most of the time; others may be between. */
  readonly chain: readonly string[];
  /** What the outermost function of a whole stack may be called. */
  readonly root: RegExp;
  command(dir: string): readonly [string, ...string[]];
}

function build(command: string, args: readonly string[], env: Readonly<Record<string, string>> = {}): void {
  execFileSync(command, args, { stdio: ['ignore', 'ignore', 'pipe'], env: { ...process.env, ...env } });
}

const MAIN_ROOT = /^_start$/;
/** Threads start here in libc. */
const THREAD_ROOT = /^_{0,2}clone3?$/;

export const WORKLOADS: readonly Workload[] = [
  {
    name: 'c',
    chain: ['main', 'outer_work', 'compare_work'],
    root: MAIN_ROOT,
    command(dir) {
      const out = join(dir, 'burn-c');
      build('gcc', ['-O2', '-fomit-frame-pointer', '-o', out, join(SOURCES, 'burn.c')]);
      return [out];
    },
  },
  {
    name: 'cpp',
    chain: ['shop::Counter<int>::run(int)', 'shop::Counter<int>::leaf(int)'],
    root: THREAD_ROOT,
    command(dir) {
      const out = join(dir, 'burn-cpp');
      build('g++', [
        '-O2',
        '-fomit-frame-pointer',
        '-std=c++17',
        '-pthread',
        '-o',
        out,
        join(SOURCES, 'burn.cc'),
      ]);
      return [out];
    },
  },
  {
    name: 'inlined',
    chain: ['main', 'shop::spin(unsigned long)', 'shop::mix(unsigned long)'],
    root: MAIN_ROOT,
    command(dir) {
      const out = join(dir, 'burn-inlined');
      build('g++', ['-O2', '-g', '-fomit-frame-pointer', '-o', out, join(SOURCES, 'inlined.cc')]);
      return [out];
    },
  },
  {
    name: 'rust',
    chain: ['burn_rust::main', 'burn_rust::outer_work', 'burn_rust::inner_work'],
    root: MAIN_ROOT,
    command(dir) {
      const out = join(dir, 'burn_rust');
      build('rustc', ['-O', '--crate-name', 'burn_rust', '-o', out, join(SOURCES, 'burn.rs')]);
      return [out];
    },
  },
  {
    name: 'go',
    chain: ['main.outerWork', 'main.innerWork'],
    root: /^runtime\.(goexit|mstart|mcall|morestack|systemstack|rt0_go)/,
    command(dir) {
      const out = join(dir, 'burn-go');
      build('go', ['build', '-o', out, join(SOURCES, 'burn.go')], {
        GOCACHE: join(dir, 'gocache'),
        GO111MODULE: 'off',
      });
      return [out];
    },
  },
  {
    name: 'node',
    chain: ['outerWork', 'innerWork'],
    // V8 compiles in threads of its own.
    root: /^(_start|_{0,2}clone3?)$/,
    command: () => [process.execPath, '--perf-basic-prof', '--no-turbo-inlining', join(SOURCES, 'burn.mjs')],
  },
  {
    name: 'python',
    chain: ['<module>', 'outer_work', 'inner_work'],
    root: MAIN_ROOT,
    command: () => ['python3', join(SOURCES, 'burn.py')],
  },
];

/** Running workloads by pid; `stop` ends them and removes what was built. */
export interface Running {
  readonly byPid: ReadonlyMap<number, Workload>;
  stop(): void;
}

/** Builds the programs, starts each as service `burn-NAME` and returns when all run. */
export async function startWorkloads(workloads: readonly Workload[] = WORKLOADS): Promise<Running> {
  const dir = mkdtempSync(join(tmpdir(), 'otelcol-profiles-e2e-'));
  mkdirSync(join(dir, 'cwd'));
  const children: ChildProcess[] = [];
  const stop = (): void => {
    for (const child of children) child.kill('SIGKILL');
    rmSync(dir, { recursive: true, force: true });
  };
  const byPid = new Map<number, Workload>();
  try {
    const commands = workloads.map((workload) => ({ workload, command: workload.command(dir) }));
    for (const { workload, command } of commands) {
      const [program, ...args] = command;
      const env = { ...process.env, OTEL_SERVICE_NAME: `burn-${workload.name}` };
      const child = spawn(program, args, { stdio: 'ignore', cwd: join(dir, 'cwd'), env });
      children.push(child);
      await new Promise<void>((resolve, reject) => {
        child.once('spawn', resolve);
        child.once('error', reject);
      });
      byPid.set(child.pid ?? 0, workload);
    }
  } catch (error) {
    // A child left behind would keep the test from ending.
    stop();
    throw error;
  }
  return { byPid, stop };
}
