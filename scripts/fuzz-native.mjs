// SPDX-License-Identifier: Apache-2.0
// Builds the fuzz targets of native/fuzz with libFuzzer, AddressSanitizer and UndefinedBehaviorSanitizer and runs them.
// Without arguments: every target, a bounded and seeded number of runs over the seeds and over native/fuzz/cases, the
// inputs that once found something. What is found goes to build/fuzz/findings, to be kept in native/fuzz/cases.
//   TARGET…        these only, by the name of their file
//   --seconds=N    for so long, with the corpus kept in build/fuzz/corpus
import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { basename, join, relative } from 'node:path';
import { build, compileAll, firstCommand, link, native, sourcesIn, step } from './compile.mjs';
import { makeSeeds } from './fuzz-seeds.mjs';
import { root } from './steps.mjs';

const SANITIZERS = 'address,undefined';
const SUFFIX = '_fuzz.cc';
const sources = join(native, 'fuzz');
const cases = join(sources, 'cases');
const output = join(build, 'fuzz');

/**
 * Bounded runs, and what one input may have: bytes, memory of one allocation and of all (MiB), seconds. An input that
 * needs more is a finding. The seconds are those of the wall: a busy host must not look like a hang.
 */
const LIMITS = {
  runs: 4000,
  maxInputBytes: 1 << 15,
  allocationMb: 24,
  residentMb: 1024,
  seconds: 30,
};

/** Where a target differs from LIMITS. */
const TARGETS = {
  // .gnu_debugdata may unpack to 64 MiB.
  elf: { runs: 1500, allocationMb: 80 },
  dwarf: { runs: 3000, allocationMb: 40 },
  demangle: { maxInputBytes: 2048, runs: 20_000 },
  perf_map: { maxInputBytes: 4096 },
  kernel_symbols: { maxInputBytes: 4096 },
  records: { maxInputBytes: 4096, runs: 20_000 },
};

function targetNames() {
  return readdirSync(sources)
    .filter((name) => name.endsWith(SUFFIX))
    .map((name) => name.slice(0, -SUFFIX.length));
}

/** Builds the targets; returns the program of each. */
async function buildTargets(names) {
  const clang = firstCommand('clang++', 'clang++-19', 'clang++-16', 'clang++-14');
  const addon = join(native, 'addon');
  const parts = [
    'dwarf',
    'elf',
    'process_events',
    'symbols',
    'unwind',
    'runtimes',
    'runtimes/python',
    'runtimes/go',
  ];
  const tested = [
    ...sourcesIn(...parts.map((part) => join(addon, part))),
    ...['failure', 'perf_ring', 'proc_fs', 'sample_record', 'sideband', 'user_frames'].map((name) =>
      join(addon, `${name}.cc`),
    ),
    join(sources, 'fuzz.cc'),
  ].filter((file) => !['namer.cc', 'names.cc'].includes(basename(file)));
  const flags = [
    '-std=c++20',
    '-O1',
    '-g',
    '-fno-exceptions',
    '-fno-omit-frame-pointer',
    '-Wall',
    '-Wextra',
    '-Werror',
  ];
  flags.push(
    `-fsanitize=fuzzer-no-link,${SANITIZERS}`,
    '-fno-sanitize-recover=all',
    '-I',
    addon,
    '-I',
    sources,
  );
  const programs = new Map();
  let compiled;
  await step('compile', async () => {
    const targets = names.map((name) => join(sources, name + SUFFIX));
    compiled = await compileAll([...tested, ...targets], join(output, 'obj'), clang, flags);
    return `${compiled.total} of ${compiled.objects.length} files for fuzzing`;
  });
  const shared = compiled.objects.slice(0, tested.length);
  for (const [i, name] of names.entries()) {
    const program = join(output, name);
    const libraries = [`-fsanitize=fuzzer,${SANITIZERS}`, '-l:liblzma.a', '-lz', '-l:libzstd.a'];
    await link(clang, program, [compiled.objects[tested.length + i], ...shared], libraries);
    programs.set(name, program);
  }
  return programs;
}

/** Runs a target; resolves to whether nothing was found. Its output is shown when something was. */
function runTarget(name, program, seconds) {
  const limits = { ...LIMITS, ...TARGETS[name] };
  const findings = join(output, 'findings');
  // libFuzzer adds to the first folder: bounded runs must not depend on earlier ones.
  const corpus = seconds === undefined ? mkdtempSync(join(tmpdir(), 'fuzz-')) : join(output, 'corpus', name);
  const known = [join(output, 'seeds', name), join(cases, name)].filter((folder) => existsSync(folder));
  for (const folder of [findings, corpus]) mkdirSync(folder, { recursive: true });
  const args = [
    seconds === undefined ? `-runs=${limits.runs}` : `-max_total_time=${seconds}`,
    '-seed=1',
    `-max_len=${limits.maxInputBytes}`,
    `-malloc_limit_mb=${limits.allocationMb}`,
    `-rss_limit_mb=${limits.residentMb}`,
    `-timeout=${limits.seconds}`,
    `-artifact_prefix=${findings}/${name}-`,
    '-print_final_stats=1',
    corpus,
    ...known,
  ];
  const env = { ...process.env, ASAN_OPTIONS: 'detect_leaks=1', UBSAN_OPTIONS: 'print_stacktrace=1' };
  return new Promise((resolve) => {
    const child = spawn(program, args, { cwd: root, env, stdio: ['ignore', 'ignore', 'pipe'] });
    let text = '';
    child.stderr.on('data', (chunk) => {
      text = (text + chunk).slice(-(1 << 20));
    });
    child.on('close', (code) => {
      if (seconds === undefined) rmSync(corpus, { recursive: true });
      const figure = (key) => text.match(new RegExp(`${key}: *(\\d+)`))?.[1] ?? '?';
      const coverage = [...text.matchAll(/cov: (\d+)/g)].at(-1)?.[1] ?? '?';
      const runs = figure('number_of_executed_units');
      const outcome = code === 0 ? 'nothing found' : `ended with ${code}`;
      console.log(
        `fuzz       ${name.padEnd(16)} ${runs} runs, ${coverage} edges, ${figure('peak_rss_mb')} MiB, ${outcome}`,
      );
      if (code !== 0) console.error(`${text.slice(-6000)}\nkept in ${relative(root, findings)}`);
      resolve(code === 0);
    });
  });
}

async function main() {
  const seconds = process.argv.find((arg) => arg.startsWith('--seconds='))?.slice('--seconds='.length);
  const chosen = process.argv.slice(2).filter((arg) => !arg.startsWith('--'));
  const names = chosen.length > 0 ? chosen : targetNames();
  for (const name of names)
    if (!targetNames().includes(name))
      throw new Error(`no such target: "${name}"; valid: ${targetNames().join(', ')}`);
  mkdirSync(output, { recursive: true });
  const waiting = [...(await buildTargets(names))];
  await step('seeds', () => makeSeeds(join(output, 'seeds')));
  let isClean = true;
  const worker = async () => {
    for (let next = waiting.shift(); next; next = waiting.shift())
      isClean = (await runTarget(next[0], next[1], seconds)) && isClean;
  };
  await Promise.all(Array.from({ length: availableParallelism() }, worker));
  if (!isClean) process.exitCode = 1;
}

try {
  await main();
} catch (error) {
  console.error(error.message);
  process.exitCode = 1;
}
