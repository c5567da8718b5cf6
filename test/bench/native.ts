// SPDX-License-Identifier: Apache-2.0
// Symbols of large binaries: time to index and to look up. What the running collector costs: start, CPU, BPF time
// and memory, at several rates on a busy and on an idle host. Needs root and a built program. Usage: npm run bench:native [-- seconds]
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { get } from 'node:http';
import { cpus, release, tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { packageRoot } from '../../src/internal/package-root.ts';
import { startWorkloads, WORKLOADS } from '../e2e/workloads.ts';
import { benchSymbols } from './symbols.ts';

const SECONDS = Number(process.argv[2] ?? 20);
const BPF_STATS = '/proc/sys/kernel/bpf_stats_enabled';
const TICK_MS = 10;

interface Reading {
  readonly cpuMs: number;
  readonly bpfNs: number;
  readonly bpfRuns: number;
  readonly mapBytes: number;
  readonly samples: number;
}

function text(url: string): Promise<string> {
  return new Promise((resolve, reject) => {
    get(url, (response) => {
      let body = '';
      response.setEncoding('utf8').on('data', (chunk: string) => {
        body += chunk;
      });
      response.on('end', () => resolve(body));
    }).on('error', reject);
  });
}

async function until<T>(limitMs: number, attempt: () => Promise<T | undefined>): Promise<T> {
  const end = performance.now() + limitMs;
  while (performance.now() < end) {
    const got = await attempt().catch(() => undefined);
    if (got !== undefined) return got;
    await delay(10);
  }
  throw new Error(`nothing after ${limitMs} ms`);
}

function cpuMsOf(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? [];
  return (Number(fields[11]) + Number(fields[12])) * TICK_MS;
}

function statusKb(pid: number, field: string): number {
  return Number(
    new RegExp(`^${field}:\\s*(\\d+)`, 'm').exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0,
  );
}

async function read(pid: number, metricsUrl: string): Promise<Reading> {
  const page = await text(metricsUrl);
  const native = (name: string): number =>
    Number(
      new RegExp(`^otelcol_receiver_profiling_native_\\w+\\{[^}]*name="${name}"[^}]*\\} (\\S+)`, 'm').exec(
        page,
      )?.[1] ?? 0,
    );
  const samples = Number(
    /^otelcol_receiver_profiling_samples\{[^}]*outcome="delivered"[^}]*\} (\S+)/m.exec(page)?.[1] ?? 0,
  );
  return {
    cpuMs: cpuMsOf(pid),
    bpfNs: native('bpf_run_time_ns'),
    bpfRuns: native('bpf_runs'),
    mapBytes: native('map_bytes'),
    samples,
  };
}

function configText(hz: number): string {
  return `
receivers:
  profiling: { samples_per_second: ${hz}, monitor_interval: 1s }
processors:
  relabel:
    rules: [{ source_labels: [process.executable.name], target_label: service.name }]
exporters:
  viewer: { endpoint: "localhost:14041" }
service:
  telemetry: { metrics: { readers: [{ pull: { exporter: { prometheus: { host: localhost, port: 18888 } } } }] } }
  pipelines: { profiles: { receivers: [profiling], processors: [relabel], exporters: [viewer] } }
`;
}

async function measure(label: string, hz: number): Promise<void> {
  const file = join(mkdtempSync(join(tmpdir(), 'otelcol-profiles-bench-')), 'config.yaml');
  writeFileSync(file, configText(hz));
  const started = performance.now();
  const child = spawn(join(packageRoot(), 'bin', 'otelcol-profiles'), ['--config', file], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  const pid = child.pid ?? 0;
  let ready: number | undefined;
  let attached: number | undefined;
  let log = '';
  child.stderr.setEncoding('utf8').on('data', (chunk: string) => {
    log += chunk;
    if (log.includes('profiling every process')) attached ??= performance.now() - started;
    if (log.includes('Everything is ready')) ready ??= performance.now() - started;
  });
  try {
    const data = await until(20_000, async () => {
      const services: unknown = JSON.parse(await text('http://localhost:14041/api/services'));
      return JSON.stringify(services).includes('"') && JSON.stringify(services).length > 60
        ? performance.now() - started
        : undefined;
    });
    await delay(5000);
    const url = 'http://localhost:18888/metrics';
    const before = await read(pid, url);
    const from = performance.now();
    await delay(SECONDS * 1000);
    const after = await read(pid, url);
    const elapsedMs = performance.now() - from;
    const percent = (ms: number): string => `${((ms / elapsedMs) * 100).toFixed(2)} %`;
    const runs = after.bpfRuns - before.bpfRuns;
    process.stdout.write(
      `${[
        label.padEnd(16),
        `attached ${(attached ?? Number.NaN).toFixed(0)} ms, ready ${(ready ?? Number.NaN).toFixed(0)} ms, data ${data.toFixed(0)} ms`,
        `process ${percent(after.cpuMs - before.cpuMs)} of a core`,
        `BPF ${percent((after.bpfNs - before.bpfNs) / 1e6)} (${((after.bpfNs - before.bpfNs) / 1e3 / Math.max(1, runs)).toFixed(1)} µs a run)`,
        `RSS ${(statusKb(pid, 'VmRSS') / 1024).toFixed(0)} MiB, peak ${(statusKb(pid, 'VmHWM') / 1024).toFixed(0)}`,
        `maps ${(after.mapBytes / 2 ** 20).toFixed(0)} MiB`,
        `${((after.samples - before.samples) / (elapsedMs / 1000)).toFixed(0)} samples/s`,
      ].join(' · ')}\n`,
    );
  } catch (error) {
    process.stdout.write(`${label}: ${String(error)}\n${log}\n`);
  } finally {
    child.kill('SIGTERM');
    await new Promise((resolve) => child.once('exit', resolve));
  }
}

if (existsSync(BPF_STATS)) writeFileSync(BPF_STATS, '1');
try {
  process.stdout.write(
    `kernel ${release()}, ${cpus().length} CPUs (${cpus()[0]?.model ?? ''}), Node ${process.version}, ${SECONDS} s each\n`,
  );
  await benchSymbols((line) => process.stdout.write(`${line}\n`));
  await measure('idle, 97 Hz', 97);
  const c = WORKLOADS.filter((w) => w.name === 'c');
  const busy = await startWorkloads([...c, ...c]);
  await measure('2 busy, 97 Hz', 97);
  await measure('2 busy, 999 Hz', 999);
  busy.stop();
  const mixed = await startWorkloads();
  await measure('6 programs, 97 Hz', 97);
  mixed.stop();
} finally {
  if (existsSync(BPF_STATS)) writeFileSync(BPF_STATS, '0');
}
