// SPDX-License-Identifier: Apache-2.0
// What the running collector costs: start, CPU, BPF time and memory, at several rates on a busy and on an
// idle host, beside perf; its symbol tables beside llvm-symbolizer; a host of many processes. Needs root and a built
// program. Usage: npm run bench:native [-- seconds [minutes of the crowd]]
import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { packageRoot } from '../../src/internal/package-root.ts';
import { CollectorProcess, cpuMsOf, statusMib } from './collector-process.ts';
import { benchCrowd } from './crowd.ts';
import { type Goal, machine, print, table, verdict } from './report.ts';
import { benchSymbols } from './symbols.ts';

const [SECONDS = 20, MINUTES = 1] = process.argv.slice(2).map(Number);
const BPF_STATS = '/proc/sys/kernel/bpf_stats_enabled';
/** Names and lines of what a host runs all the time are learned by then; for new ones the work goes on. */
const SETTLE_MS = 30_000;
const BUSY = 2;

const atMost = (floor: number, aim: number): Goal => ({ floor, aim, atMost: true });
const BPF_PERCENT = atMost(0.3 * BUSY, 0.15 * BUSY);
const FRAME_US = atMost(1.2, 0.7);
const MAP_MIB = atMost(48, 16);

interface Case {
  readonly label: string;
  readonly hz: number;
  readonly process: Goal;
  readonly bpf?: Goal;
}

const told = (value: number, digits: number, goal?: Goal): string =>
  `${value.toFixed(digits)}${goal === undefined ? '' : ` (${verdict(value, goal)})`}`;

async function measure(of: Case): Promise<readonly string[]> {
  const collector = new CollectorProcess(of.hz);
  try {
    const data = await collector.firstDataMs();
    await delay(SETTLE_MS);
    const before = await collector.read();
    await delay(SECONDS * 1000);
    const after = await collector.read();
    const elapsedMs = after.atMs - before.atMs;
    const grown = (name: string): number => after.native(name) - before.native(name);
    const bpfMs = grown('bpf_run_time_ns') / 1e6;
    const frames = grown('user_frames');
    return [
      of.label,
      `${collector.attachedMs.toFixed(0)} · ${data.toFixed(0)}`,
      told(((after.cpuMs - before.cpuMs) / elapsedMs) * 100, 2, of.process),
      told((bpfMs / elapsedMs) * 100, 2, of.bpf),
      told((bpfMs * 1e3) / Math.max(1, grown('bpf_runs')), 1),
      of.bpf === undefined ? '' : told((bpfMs * 1e3) / Math.max(1, frames), 2, FRAME_US),
      `${statusMib(collector.pid, 'VmRSS').toFixed(0)} · ${statusMib(collector.pid, 'VmHWM').toFixed(0)}`,
      told(after.native('map_bytes') / 2 ** 20, 1, MAP_MIB),
      ((after.delivered - before.delivered) / (elapsedMs / 1000)).toFixed(0),
    ];
  } finally {
    await collector.stop();
  }
}

/** The peer that every host can have: CPU time of perf alone, without what reads its file later. */
async function measurePerf(options: readonly string[]): Promise<readonly string[]> {
  const dir = mkdtempSync(join(tmpdir(), 'otelcol-profiles-perf-'));
  const args = ['record', '-q', '-a', '-F', '97', '-e', 'cpu-clock', ...options, '-o', join(dir, 'data')];
  const child = spawn('perf', args, { stdio: 'ignore' });
  try {
    await delay(2000);
    const from = performance.now();
    const before = cpuMsOf(child.pid ?? 0);
    await delay(SECONDS * 1000);
    const percent = ((cpuMsOf(child.pid ?? 0) - before) / (performance.now() - from)) * 100;
    const rss = statusMib(child.pid ?? 0, 'VmRSS').toFixed(0);
    return [`perf ${options.join(' ')}, 97 Hz`, '', percent.toFixed(2), '', '', '', rss, '', ''];
  } finally {
    const ended = new Promise((resolve) => child.once('exit', resolve));
    child.kill('SIGINT');
    await ended;
    rmSync(dir, { recursive: true, force: true });
  }
}

function startBusy(dir: string): ChildProcess[] {
  const program = join(dir, 'deep');
  const source = join(packageRoot(), 'test', 'bench', 'programs', 'deep.c');
  execFileSync('gcc', ['-O2', '-fomit-frame-pointer', '-o', program, source]);
  return Array.from({ length: BUSY }, () => spawn(program, { stdio: 'ignore' }));
}

async function measureAll(): Promise<void> {
  const rows = [await measure({ label: 'idle, 97 Hz', hz: 97, process: atMost(0.5, 0.1) })];
  const dir = mkdtempSync(join(tmpdir(), 'otelcol-profiles-busy-'));
  const busy = startBusy(dir);
  try {
    rows.push(
      await measure({ label: `${BUSY} busy, 97 Hz`, hz: 97, process: atMost(1, 0.4), bpf: BPF_PERCENT }),
    );
    rows.push(await measure({ label: `${BUSY} busy, 999 Hz`, hz: 999, process: atMost(3.5, 2) }));
    if (spawnSync('perf', ['--version']).status === 0) {
      rows.push(await measurePerf(['-g']));
      rows.push(await measurePerf(['--call-graph', 'dwarf']));
    }
  } finally {
    for (const child of busy) child.kill('SIGKILL');
    rmSync(dir, { recursive: true, force: true });
  }
  const head = ['', 'attached · data, ms', 'process, % of a core', 'BPF, % of a core', 'µs a sample'];
  print(table([...head, 'µs a frame', 'RSS · peak, MiB', 'maps, MiB', 'samples/s'], rows));
}

if (existsSync(BPF_STATS)) writeFileSync(BPF_STATS, '1');
try {
  print(`${machine()}, ${SECONDS} s a row\n`);
  await measureAll();
  print('');
  await benchSymbols(print);
  print('');
  await benchCrowd(MINUTES, print);
} finally {
  if (existsSync(BPF_STATS)) writeFileSync(BPF_STATS, '0');
}
