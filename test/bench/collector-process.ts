// SPDX-License-Identifier: Apache-2.0
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { get } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { packageRoot } from '../../src/internal/package-root.ts';

const TICK_MS = 10;
const METRICS = 'http://localhost:18888/metrics';
const SERVICES = 'http://localhost:14041/api/services';
const DATA_LIMIT_MS = 30_000;

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

/** User and system time of a process, milliseconds. */
export function cpuMsOf(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? [];
  return (Number(fields[11]) + Number(fields[12])) * TICK_MS;
}

/** `VmRSS` or another line of /proc/PID/status, MiB. */
export function statusMib(pid: number, field: string): number {
  const line = new RegExp(`^${field}:\\s*(\\d+)`, 'm').exec(readFileSync(`/proc/${pid}/status`, 'utf8'));
  return Number(line?.[1] ?? 0) / 1024;
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

/** The figures of the running program at one moment. */
export interface Reading {
  readonly atMs: number;
  readonly cpuMs: number;
  /** Samples that left the receiver. */
  readonly delivered: number;
  /** A native figure of the receiver, 0 without it. */
  native(name: string): number;
}

/** The built program, profiling the host and showing its page. */
export class CollectorProcess {
  readonly #child: ChildProcess;
  readonly #dir: string;
  readonly #started = performance.now();
  #log = '';
  #attachedMs = Number.NaN;

  constructor(hz: number) {
    this.#dir = mkdtempSync(join(tmpdir(), 'otelcol-profiles-bench-'));
    const file = join(this.#dir, 'config.yaml');
    writeFileSync(file, configText(hz));
    this.#child = spawn(join(packageRoot(), 'bin', 'otelcol-profiles'), ['--config', file], {
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    this.#child.stderr?.setEncoding('utf8').on('data', (chunk: string) => {
      this.#log += chunk;
      if (Number.isNaN(this.#attachedMs) && this.#log.includes('profiling every process'))
        this.#attachedMs = performance.now() - this.#started;
    });
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  /** From exec until samples are taken, as the log says. */
  get attachedMs(): number {
    return this.#attachedMs;
  }

  /** From exec until the page has data. Throws with the log where it gets none. */
  async firstDataMs(): Promise<number> {
    try {
      return await until(DATA_LIMIT_MS, async () => {
        const services: unknown = JSON.parse(await text(SERVICES));
        return JSON.stringify(services).length > 60 ? performance.now() - this.#started : undefined;
      });
    } catch (cause) {
      throw new Error(`no data: ${this.#log}`, { cause });
    }
  }

  async read(): Promise<Reading> {
    const page = await text(METRICS);
    const value = (pattern: string): number => Number(new RegExp(pattern, 'm').exec(page)?.[1] ?? 0);
    return {
      atMs: performance.now(),
      cpuMs: cpuMsOf(this.pid),
      delivered: value(`^otelcol_receiver_profiling_samples\\{[^}]*outcome="delivered"[^}]*\\} (\\S+)`),
      native: (name) => value(`^otelcol_receiver_profiling_native_\\w+\\{[^}]*name="${name}"[^}]*\\} (\\S+)`),
    };
  }

  async stop(): Promise<void> {
    const ended = new Promise((resolve) => this.#child.once('exit', resolve));
    this.#child.kill('SIGTERM');
    await ended;
    rmSync(this.#dir, { recursive: true, force: true });
  }
}
