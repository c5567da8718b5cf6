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
  /** Names that must stand on nearly every stack, root side first. */
  readonly chain: readonly RegExp[];
  /** What the outermost frame of a complete stack is called. */
  readonly root: RegExp;
  /** Share of frames that must have a name, those of stripped libraries aside. */
  readonly named: number;
  command(dir: string): readonly [string, ...string[]];
}

/** Distributions strip the C library; its thread start and other local functions then have no names. */
export const STRIPPED_LIBRARY =
  /^(libc|libstdc\+\+|libm|libpthread|libgcc_s|ld-linux[^+]*)\.so[^+]*\+0x[0-9a-f]+$/;
const MAIN_ROOT = /^_start$/;
/** Threads start in libc, whose clone3 has a name only where libc is not stripped. */
const THREAD_ROOT = /^(_start|_{0,2}clone3?|start_thread|libc\.so\.6\+0x[0-9a-f]+)$/;

function build(command: string, args: readonly string[], env: Readonly<Record<string, string>> = {}): void {
  execFileSync(command, args, { stdio: ['ignore', 'ignore', 'pipe'], env: { ...process.env, ...env } });
}

export const WORKLOADS: readonly Workload[] = [
  {
    name: 'c',
    chain: [/^main$/, /^outer_work$/, /^(qsort|__qsort_r?|qsort_r|msort_with_tmp.*)$/],
    root: MAIN_ROOT,
    named: 0.98,
    command(dir) {
      const out = join(dir, 'burn-c');
      build('gcc', ['-O2', '-fomit-frame-pointer', '-o', out, join(SOURCES, 'burn.c')]);
      return [out];
    },
  },
  {
    name: 'cpp',
    chain: [/^shop::Counter<int>::run\(int\)$/],
    root: THREAD_ROOT,
    named: 0.98,
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
    chain: [/^main$/, /^shop::spin/, /^shop::mix/],
    root: MAIN_ROOT,
    named: 0.98,
    command(dir) {
      const out = join(dir, 'burn-inlined');
      build('g++', ['-O2', '-g', '-fomit-frame-pointer', '-o', out, join(SOURCES, 'inlined.cc')]);
      return [out];
    },
  },
  {
    name: 'rust',
    chain: [/^burn_rust::main$/, /^burn_rust::outer_work$/, /^burn_rust::inner_work$/],
    root: MAIN_ROOT,
    named: 0.98,
    command(dir) {
      const out = join(dir, 'burn_rust');
      build('rustc', ['-O', '--crate-name', 'burn_rust', '-o', out, join(SOURCES, 'burn.rs')]);
      return [out];
    },
  },
  {
    name: 'go',
    chain: [/^main\.outerWork$/, /^main\.innerWork$/],
    named: 0.98,
    root: /^runtime\.(goexit|mstart|mcall|rt0_go|gcBgMarkWorker)/,
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
    chain: [/^(outerWork|innerWork)$/],
    root: THREAD_ROOT,
    named: 0.98,
    // Inlined functions have no frames of their own; the test asks for the chain as written.
    command: () => [process.execPath, '--perf-basic-prof', '--no-turbo-inlining', join(SOURCES, 'burn.mjs')],
  },
  {
    name: 'python',
    chain: [/^(Py_BytesMain|Py_RunMain|pymain_.*)$/, /PyEval/, /^<module>$/],
    root: MAIN_ROOT,
    // Debian's interpreter exports some of its functions and has no other symbols.
    named: 0.5,
    command: () => ['python3', join(SOURCES, 'burn.py')],
  },
];

/** Running workloads by pid; `stop` ends them and removes what was built. */
export interface Running {
  readonly byPid: ReadonlyMap<number, Workload>;
  stop(): void;
}

/** Builds the programs, starts each and returns when all run. */
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
      const child = spawn(program, args, { stdio: 'ignore', cwd: join(dir, 'cwd') });
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
