// SPDX-License-Identifier: Apache-2.0
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { packageRoot } from '../../src/internal/package-root.ts';

const SOURCES = join(packageRoot(), 'test', 'truth', 'programs');
const RUNGS = 100;

/** What a program does for half a second. */
interface Phase {
  /** Its own functions, root first, by their plain names in snake case; a call chain may stop at any of them. */
  readonly chain: readonly string[];
  /** Functions of others that stand somewhere below the last. */
  readonly through?: RegExp;
}

/** A program whose stacks are known at every moment. */
export interface TruthProgram {
  readonly name: string;
  /** By half seconds since the epoch, modulo their number; none: only completeness and names are judged. */
  readonly phases: readonly Phase[];
  /** What the outermost frame of a complete stack may be called, where it is not the entry point of a file. */
  readonly root?: RegExp;
  /** Mappings whose frames must have names: files with symbols, '' for generated code; none: not judged. */
  readonly named?: RegExp;
  /** Its own code has lines to compare. */
  readonly lines?: boolean;
  /** Builds it and returns the command that runs it until it is killed. */
  command(dir: string): readonly [string, ...string[]];
  /** Where the events are of other processes than the one started: the name of their executable. */
  readonly executable?: RegExp;
}

const chain = (...names: string[]): Phase => ({ chain: names });
const even = chain('even_outer', 'even_middle', 'even_leaf');
const odd = chain('odd_outer', 'odd_middle', 'odd_leaf');
const ladder = chain('ladder_outer', ...Array.from({ length: RUNGS }, () => 'ladder_rung'), 'ladder_leaf');
/** Threads start here in libc, whose debug symbols the set-up installs. */
const THREAD_ROOT = /^_{0,2}clone3?$/;

function build(command: string, args: readonly string[], env: Readonly<Record<string, string>> = {}): void {
  execFileSync(command, args, { stdio: ['ignore', 'ignore', 'pipe'], env: { ...process.env, ...env } });
}

/** The set-up installs libc's debug symbols. */
const NAMED = /^(truth[-_].*|node|lib[cm]\.so\.6|linux-vdso\.so\.1|\[vdso\]|)$/;
const C_FLAGS = ['-O2', '-fomit-frame-pointer', '-pthread'];
/** GCC would make one function of even_leaf and odd_leaf, whose code is the same. */
const GCC_FLAGS = ['-g', '-fno-ipa-icf'];

function c(
  name: string,
  compiler: string,
  source: string,
  flags: readonly string[],
): TruthProgram['command'] {
  return (dir) => {
    const out = join(dir, name);
    build(compiler, [...C_FLAGS, ...flags, '-o', out, join(SOURCES, source)]);
    return [out];
  };
}

const C_PHASES: readonly Phase[] = [
  even,
  odd,
  ladder,
  { chain: ['sandwich_outer', 'sandwich_compare'], through: /qsort|msort/ },
  { chain: ['signal_outer', 'signal_handler', 'signal_leaf'], through: /restore_rt|raise|pthread_kill/ },
  chain('vdso_outer'),
];

/** A file whose compilation keeps libLLVM busy for seconds. */
function largeSource(): string {
  const functions = Array.from(
    { length: 400 },
    (_, i) =>
      `int f${i}(int n) { std::map<int, std::string> m; for (int i = 0; i < n; i++) m[i * ${i + 1}] += "x"; return (int)m.size(); }`,
  );
  return `#include <map>\n#include <string>\n${functions.join('\n')}\n`;
}

export const PROGRAMS: readonly TruthProgram[] = [
  {
    name: 'C',
    phases: C_PHASES,
    named: NAMED,
    lines: true,
    command: c('truth-c', 'gcc', 'truth.c', GCC_FLAGS),
  },
  {
    name: 'C, stripped',
    // Its own functions have no names: what is left to judge is where stacks end.
    phases: [],
    command: c('truth-stripped', 'gcc', 'truth.c', [...GCC_FLAGS, '-s']),
  },
  {
    name: 'C, static, not PIE',
    phases: C_PHASES,
    named: NAMED,
    lines: true,
    command: c('truth-static', 'gcc', 'truth.c', [...GCC_FLAGS, '-static', '-no-pie']),
  },
  {
    name: 'C, clang, frame pointers',
    phases: C_PHASES,
    named: NAMED,
    lines: true,
    command: c('truth-clang', 'clang', 'truth.c', ['-g', '-fno-omit-frame-pointer']),
  },
  {
    name: 'C++ thread',
    phases: [
      even,
      odd,
      ladder,
      { chain: ['sandwich_outer', 'sandwich_compare'], through: /sort/ },
      chain('exception_outer', 'exception_leaf'),
    ],
    root: THREAD_ROOT,
    named: NAMED,
    lines: true,
    command: c('truth-cpp', 'g++', 'truth.cc', [...GCC_FLAGS, '-std=c++17']),
  },
  {
    name: 'Rust thread',
    phases: [even, odd, ladder, { chain: ['sandwich_outer', 'sandwich_leaf'], through: /sort/ }],
    root: THREAD_ROOT,
    named: NAMED,
    lines: true,
    command(dir) {
      const out = join(dir, 'truth_rust');
      build('rustc', ['-O', '-g', '--crate-name', 'truth_rust', '-o', out, join(SOURCES, 'truth.rs')]);
      return [out];
    },
  },
  {
    name: 'Go',
    phases: [even, odd, ladder, { chain: ['sandwich_outer', 'sandwich_leaf'], through: /sort\.Slice/ }],
    // Goroutines, threads, and the scheduler's stacks, which begin where it was switched to.
    root: /^runtime\.(goexit|mstart|mcall|morestack|systemstack|rt0_go)/,
    named: NAMED,
    command(dir) {
      const out = join(dir, 'truth-go');
      build('go', ['build', '-o', out, join(SOURCES, 'truth.go')], {
        GOCACHE: join(dir, 'gocache'),
        GO111MODULE: 'off',
      });
      return [out];
    },
  },
  {
    name: 'Node',
    phases: [
      even,
      odd,
      ladder,
      { chain: ['sandwich_outer', 'sandwich_compare'], through: /ArrayPrototypeSort|ArraySort/ },
    ],
    root: THREAD_ROOT,
    named: NAMED,
    // Inlined functions have no frames of their own; the chain is judged as written.
    command: () => [
      process.execPath,
      '--perf-basic-prof',
      '--interpreted-frames-native-stack',
      '--no-turbo-inlining',
      join(SOURCES, 'truth.mjs'),
    ],
  },
  {
    name: 'CPython',
    phases: [even, odd, ladder, { chain: ['sandwich_outer', 'sandwich_leaf'], through: /sort/ }],
    command: () => ['python3', join(SOURCES, 'truth.py')],
  },
  { name: 'Perl', phases: [], command: () => ['perl', join(SOURCES, 'truth.pl')] },
  {
    name: 'libLLVM (clang)',
    phases: [],
    root: THREAD_ROOT,
    executable: /^clang/,
    command(dir) {
      const source = join(dir, 'large.cc');
      writeFileSync(source, largeSource());
      return ['sh', '-c', `while :; do clang++ -O2 -c -o ${join(dir, 'large.o')} ${source}; done`];
    },
  },
  {
    name: 'libcrypto (openssl)',
    phases: [],
    command: () => ['openssl', 'speed', '-seconds', '1000', '-evp', 'aes-128-gcm'],
  },
];

/** Running programs by pid; `stop` ends them and removes what was built. */
export interface RunningPrograms {
  readonly byPid: ReadonlyMap<number, TruthProgram>;
  stop(): void;
}

/** Builds the programs, starts each in a group of its own and returns when all run. */
export async function startPrograms(programs: readonly TruthProgram[]): Promise<RunningPrograms> {
  const dir = mkdtempSync(join(tmpdir(), 'otelcol-profiles-truth-'));
  mkdirSync(join(dir, 'cwd'));
  const children: ChildProcess[] = [];
  const stop = (): void => {
    for (const child of children) {
      // A group that ended by itself is no failure of the stop.
      try {
        process.kill(-(child.pid ?? 0), 'SIGKILL');
      } catch (error) {
        if (!(error instanceof Error && 'code' in error && error.code === 'ESRCH')) throw error;
      }
    }
    rmSync(dir, { recursive: true, force: true });
  };
  const byPid = new Map<number, TruthProgram>();
  try {
    const commands = programs.map((program) => ({ program, command: program.command(dir) }));
    for (const { program, command } of commands) {
      const [file, ...args] = command;
      const child = spawn(file, args, { stdio: 'ignore', cwd: join(dir, 'cwd'), detached: true });
      await new Promise<void>((resolve, reject) => {
        child.once('spawn', resolve);
        child.once('error', reject);
      });
      children.push(child);
      byPid.set(child.pid ?? 0, program);
    }
  } catch (error) {
    stop();
    throw error;
  }
  return { byPid, stop };
}
