// SPDX-License-Identifier: Apache-2.0
// What a collector costs that has nothing to do: from exec to ready, and the memory it keeps, in turn with a Node.js
// program that does nothing at all. Needs a built program. Usage: npm run bench:start [-- rounds [seconds idle]]
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { packageRoot } from '../../src/internal/package-root.ts';
import { cpuMsOf, statusMib } from './collector-process.ts';
import { machine, print, table, verdict } from './report.ts';
import { Rounds } from './rounds.ts';

const [ROUNDS = 11, IDLE_S = 10] = process.argv.slice(2).map(Number);
const START_MS = { floor: 250, aim: 250, atMost: true };
const RSS_MIB = { floor: 70e6 / 2 ** 20, aim: 70e6 / 2 ** 20, atMost: true };

const CONFIG = `
receivers:
  otlp: { protocols: { grpc: { endpoint: "localhost:0" }, http: { endpoint: "localhost:0" } } }
processors:
  batch: {}
exporters:
  otlp_grpc: { endpoint: "localhost:9", tls: { insecure: true } }
service:
  telemetry: { metrics: { readers: [{ pull: { exporter: { prometheus: { host: localhost, port: 0 } } } }] } }
  pipelines: { profiles: { receivers: [otlp], processors: [batch], exporters: [otlp_grpc] } }
`;
const NOTHING = 'process.stderr.write("is ready"); setInterval(() => undefined, 1000)';

const newList = (): number[] => [];

/** One start of one program: milliseconds until it says that it is ready, CPU time until then, MiB when it has idled. */
async function measure(args: readonly string[]): Promise<{ readyMs: number; cpuMs: number; rssMib: number }> {
  const from = performance.now();
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'ignore', 'pipe'] });
  try {
    await said(child, 'is ready');
    const readyMs = performance.now() - from;
    const cpuMs = cpuMsOf(child.pid ?? 0);
    await delay(IDLE_S * 1000);
    return { readyMs, cpuMs, rssMib: statusMib(child.pid ?? 0, 'VmRSS') };
  } finally {
    const ended = new Promise((resolve) => child.once('exit', resolve));
    child.kill('SIGTERM');
    await ended;
  }
}

/** Resolves once a program has written that. */
function said(child: ChildProcess, text: string): Promise<void> {
  return new Promise((resolve, reject) => {
    let log = '';
    child.stderr?.setEncoding('utf8').on('data', (chunk: string) => {
      log += chunk;
      if (log.includes(text)) resolve();
    });
    child.once('exit', () => reject(new Error(`ended: ${log}`)));
  });
}

const dir = mkdtempSync(join(tmpdir(), 'otelcol-profiles-bench-'));
try {
  const config = join(dir, 'config.yaml');
  writeFileSync(config, CONFIG);
  const programs = [
    { name: 'OTLP, batch, OTLP', args: [join(packageRoot(), 'bin', 'otelcol-profiles'), '--config', config] },
    { name: 'an empty Node.js program', args: ['--eval', NOTHING] },
  ];
  print(`${machine()}; ${ROUNDS} rounds, min–median–max\n`);
  const taken = programs.map(() => ({ ready: newList(), cpu: newList(), rss: newList() }));
  for (let round = 0; round < ROUNDS; round++) {
    for (const [i, { args }] of programs.entries()) {
      const { readyMs, cpuMs, rssMib } = await measure(args);
      taken[i]?.ready.push(readyMs);
      taken[i]?.cpu.push(cpuMs);
      taken[i]?.rss.push(rssMib);
    }
  }
  const rows = programs.map(({ name }, i) => {
    const { ready = [], cpu = [], rss = [] } = taken[i] ?? {};
    const [readyMs, rssMib] = [new Rounds(ready), new Rounds(rss)];
    const isOurs = i === 0;
    return [
      name,
      `${readyMs.toString()}${isOurs ? ` (${verdict(readyMs.median, START_MS)})` : ''}`,
      new Rounds(cpu).toString(),
      `${rssMib.toString()}${isOurs ? ` (${verdict(rssMib.median, RSS_MIB)})` : ''}`,
    ];
  });
  print(table(['', 'exec to ready, ms', 'CPU until then, ms', `RSS after ${IDLE_S} s, MiB`], rows));
} finally {
  rmSync(dir, { recursive: true, force: true });
}
