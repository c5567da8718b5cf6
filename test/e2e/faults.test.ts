// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { packageRoot } from '../../src/internal/package-root.ts';
import { WITHOUT_ROOT } from '../left-out.ts';
import { assertAddsUp, eventsOf, record, seenProcesses, tablesLoaded, untilStats } from './recording.ts';
import { buildTrouble, leastComplete, recordApart, type Trouble } from './trouble.ts';

const BURN = /^_start;.*;main;outer_work/;
const SHORT = /^_start;.*;main;short_work/;

/** CPU time in user mode of a process, in ticks of 10 ms. */
const cpuTicks = (pid: number | undefined): number =>
  Number(readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ')[11]);

describe('what goes wrong on a host', { timeout: 300_000, skip: WITHOUT_ROOT }, () => {
  const dir = mkdtempSync(join(tmpdir(), 'otelcol-profiles-faults-'));
  const children: ChildProcess[] = [];
  let trouble: Trouble;

  const start = (command: string, ...args: string[]): ChildProcess => {
    const child = spawn(command, args, { stdio: ['pipe', 'pipe', 'ignore'] });
    children.push(child);
    return child;
  };
  /** Starts a program that says when it has prepared what it is about. */
  const prepared = async (...args: string[]): Promise<ChildProcess> => {
    const child = start(trouble.program, ...args);
    assert.ok(child.stdout !== null);
    await once(child.stdout, 'data');
    return child;
  };
  const end = async (child: ChildProcess): Promise<void> => {
    const closed = once(child, 'close');
    child.stdin?.end();
    child.kill('SIGKILL');
    await closed;
  };

  before(() => {
    trouble = buildTrouble(dir);
    chmodSync(dir, 0o755);
  });
  after(() => {
    for (const child of children) child.kill('SIGKILL');
    rmSync(dir, { recursive: true, force: true });
  });

  it('loads its programs while signals come in faster than the verifier works', async () => {
    const config = join(dir, 'signals.yaml');
    writeFileSync(
      config,
      `receivers: { profiling: {} }
exporters: { nop: {} }
service: { telemetry: { metrics: { level: none } }, pipelines: { profiles: { receivers: [profiling], exporters: [nop] } } }`,
    );
    // V8's own profiler sends them to the thread that starts ours.
    const profiled = ['--cpu-prof', '--cpu-prof-interval=100', `--cpu-prof-dir=${dir}`];
    const child = spawn(
      process.execPath,
      [...profiled, join(packageRoot(), 'bin', 'otelcol-profiles'), '--config', config],
      { stdio: ['ignore', 'ignore', 'pipe'] },
    );
    children.push(child);
    let log = '';
    child.stderr.setEncoding('utf8');
    for await (const chunk of child.stderr) {
      log += String(chunk);
      if (/profiling every process|Shutdown complete/.test(log)) break;
    }
    assert.match(log, /profiling every process/);
    await end(child);
  });

  it('loses samples and events while it is stopped, says how many, and is right again after', async () => {
    const deep = start(trouble.program, 'deep', '950');
    let kept: ChildProcess | undefined;
    const report = await recordApart([], { samples_per_second: 499 }, async (recorder) => {
      recorder.kill('SIGSTOP');
      // Fills the ring of samples by 15 kB a sample, that of events by a thousand programs.
      const ranBefore = cpuTicks(deep.pid);
      await once(start(trouble.small, 'storm', '1200', '3000', trouble.small, 'blink'), 'close');
      // Half a second on a CPU is 250 samples, 4 MB; how long that takes is up to what else runs here.
      while (cpuTicks(deep.pid) < ranBefore + 50) await delay(20);
      kept = start(trouble.burn);
      await end(deep);
      recorder.kill('SIGCONT');
      // The kernel tells of events it lost with the next ones of the same CPU.
      await once(start(trouble.small, 'storm', '40', '20', trouble.small, 'blink'), 'close');
    });
    const { stats } = report;
    assert.ok((stats['drop_ring_full'] ?? 0) > 50, JSON.stringify(stats));
    assert.ok((stats['sideband_lost'] ?? 0) > 0, JSON.stringify(stats));
    assertAddsUp(report);
    const found = report.processes.filter((p) => p.pid === String(kept?.pid));
    const burning = found.find((p) => p.executable === 'burn-c');
    assert.ok(burning !== undefined, JSON.stringify(found));
    leastComplete(burning, BURN, 0.9);
    // Of those that ended while nobody looked none is taken to live.
    assert.ok((stats['processes'] ?? 0) < 1000, `${stats['processes']} processes`);
    if (kept !== undefined) await end(kept);
  });

  it('has room for 4096 processes, counts the others, and takes them up when there is room', async () => {
    let late: ChildProcess | undefined;
    const recorded = await record({ samples_per_second: 97 }, async (source) => {
      const crowd = await prepared('crowd', '4300');
      late = start(trouble.burn);
      await untilStats(source, (stats) => (stats['process_table_full'] ?? 0) > 0);
      crowd.stdin?.end();
      await once(crowd, 'close');
      await untilStats(source, (stats) => (stats['processes'] ?? 0) < 2000);
      await tablesLoaded(source);
      await source.collect();
      await delay(1000);
    });
    const burning = seenProcesses(recorded.batch).find((p) => p.pid === String(late?.pid));
    assert.ok(burning !== undefined);
    leastComplete(burning, BURN, 0.9);
    assertAddsUp(recorded);
    if (late !== undefined) await end(late);
  });

  it('has room for 65536 mappings, counts what does not fit, and takes it up when there is room', async () => {
    const recorded = await record({ samples_per_second: 97 }, async (source) => {
      const many: ChildProcess[] = [];
      for (let i = 0; i < 18; i++) {
        const child = await prepared('maps', '4000');
        child.kill('SIGSTOP');
        many.push(child);
      }
      await untilStats(source, (stats) => (stats['mapping_table_full'] ?? 0) > 0);
      // Room comes in pieces: other programs of the host have some between. Those that did not fit while others grew are tried again, without a sample that asks for it.
      await untilStats(source, (stats) => (stats['mappings_used'] ?? 0) > 50_000);
      const late = start(trouble.burn);
      for (const child of many) await end(child);
      await untilStats(source, (stats) => (stats['mappings_used'] ?? 0) < 20_000);
      await tablesLoaded(source);
      await source.collect();
      await delay(1000);
      await end(late);
      lateBurner = String(late.pid);
    });
    const burning = seenProcesses(recorded.batch).find((p) => p.pid === lateBurner);
    assert.ok(burning !== undefined);
    leastComplete(burning, BURN, 0.9);
    assertAddsUp(recorded);
  });
  let lateBurner = '';

  it('follows 8192 threads off the CPU, and half a million of their frames, and counts the others', async () => {
    const recorded = await record({ off_cpu_threshold: 1, samples_per_second: 20 }, async (source) => {
      const napping = await prepared('threads', '8600');
      await untilStats(
        source,
        ({ drop_off_cpu_map_full = 0, drop_off_cpu_evicted = 0 }) =>
          drop_off_cpu_map_full > 0 && drop_off_cpu_evicted > 0,
      );
      assert.ok((source.stats()['off_cpu_away'] ?? 0) > 0);
      await end(napping);
    });
    assertAddsUp(recorded);
    // What waits for ever on any host: its end is not seen.
    assert.ok((recorded.stats['drop_off_cpu_unfinished'] ?? 0) > 0, JSON.stringify(recorded.stats));
    assert.equal(recorded.stats['off_cpu_away'], 0);
  });

  it('answers, and counts every switch, where threads do nothing but switch', async () => {
    const recorded = await record({ off_cpu_threshold: 1, samples_per_second: 20 }, async (source) => {
      const switching = await prepared('switches', '8');
      await source.collect();
      await untilStats(source, ({ off_cpu_switches = 0 }) => off_cpu_switches > 300_000);
      await source.collect();
      await end(switching);
    });
    assertAddsUp(recorded);
    assert.ok(recorded.delivered > 100_000, `${recorded.delivered} of ${recorded.stats['samples']}`);
  });

  it('sees programs of 50 ms by name among a thousand others a second', async () => {
    const short = new Set<number>();
    let cpuNs = 0;
    const recorded = await record({ samples_per_second: 97 }, async (source) => {
      // Its tables are loaded when the storm begins, as they are on a host where such a program is common.
      await once(start(trouble.program, 'short', '300'), 'close');
      await tablesLoaded(source);
      const cpuOf = (): number =>
        (source.stats()['cpu_ns_drain_thread'] ?? 0) + (source.stats()['cpu_ns_tables_thread'] ?? 0);
      const before = cpuOf();
      const storm = start(trouble.small, 'storm', '3000', '1000', trouble.small, 'blink');
      const over = once(storm, 'close');
      while (storm.exitCode === null && short.size < 40) {
        const child = start(trouble.program, 'short', '50');
        short.add(child.pid ?? 0);
        await once(child, 'close');
      }
      await over;
      cpuNs = cpuOf() - before;
    });
    assertAddsUp(recorded);
    const seen = seenProcesses(recorded.batch).filter(
      (p) => short.has(Number(p.pid)) && p.executable === 'trouble' && eventsOf(p, SHORT) > 0,
    );
    const { stats } = recorded;
    assert.ok(seen.length >= 0.95 * short.size, `${seen.length} of ${short.size} programs seen and named`);
    assert.ok((stats['forks'] ?? 0) > 3000, JSON.stringify(stats));
    assert.equal(stats['process_table_full'], 0);
    console.log(
      `# ${stats['forks']} forks, ${(cpuNs / (stats['forks'] ?? 1) / 1000).toFixed(0)} us of CPU each`,
    );
  });
});
