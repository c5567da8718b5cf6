// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { after, before, describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { packageRoot } from '../../src/internal/package-root.ts';
import { freePort } from '../faults/line.ts';
import { type FakePyroscope, startFakePyroscope } from '../integration/fake-pyroscope.ts';
import { profcheck } from '../integration/profcheck.ts';
import { pythonEnv } from '../integration/python-env.ts';
import { WITHOUT_ROOT } from '../left-out.ts';
import { type Running, startWorkloads, WORKLOADS } from './workloads.ts';

interface SinkReport {
  readonly path: string;
  readonly samples: number;
  readonly names: Readonly<Record<string, number>>;
  readonly services: readonly string[];
  /** Chains of locations with inlined functions, `name file:line < name file:line`. */
  readonly inlined: readonly string[];
}

async function until<T>(
  what: string,
  limitMs: number,
  attempt: () => T | undefined | Promise<T | undefined>,
): Promise<T> {
  const end = performance.now() + limitMs;
  let last: unknown;
  while (performance.now() < end) {
    try {
      const got = await attempt();
      if (got !== undefined) return got;
    } catch (error) {
      last = error;
    }
    await delay(50);
  }
  throw new Error(`${what}: nothing after ${limitMs} ms`, { cause: last });
}

function configText(ports: {
  sink: number;
  pyroscope: number;
  viewer: number;
  metrics: number;
  health: number;
  otlp: number;
}): string {
  return `
receivers:
  profiling: { samples_per_second: 199, reporter_interval: 1s, monitor_interval: 1s, include_env_vars: OTEL_SERVICE_NAME }
  otlp: { protocols: { http: { endpoint: "127.0.0.1:${ports.otlp}" } } }
processors:
  resource_detection: { detectors: [system] }
  relabel:
    rules:
      - source_labels: [service.name, process.environment_variable.OTEL_SERVICE_NAME, process.executable.name]
        regex: ";*([^;]+).*"
        target_label: service.name
exporters:
  otlp_grpc: { endpoint: "127.0.0.1:${ports.sink}", tls: { insecure: true } }
  pyroscope: { endpoint: "http://127.0.0.1:${ports.pyroscope}" }
  viewer: { endpoint: "127.0.0.1:${ports.viewer}" }
  debug: {}
extensions:
  health_check: { endpoint: "127.0.0.1:${ports.health}" }
service:
  extensions: [health_check]
  telemetry: { metrics: { readers: [{ pull: { exporter: { prometheus: { host: 127.0.0.1, port: ${ports.metrics} } } } }] } }
  pipelines:
    profiles:
      receivers: [profiling, otlp]
      processors: [resource_detection, relabel]
      exporters: [otlp_grpc, pyroscope, viewer, debug]
`;
}

describe('the built program on this host', { timeout: 180_000, skip: WITHOUT_ROOT }, () => {
  const dir = mkdtempSync(join(tmpdir(), 'otelcol-profiles-pipeline-'));
  const reports: SinkReport[] = [];
  let sink: ChildProcess;
  let pyroscope: FakePyroscope;
  let collector: ChildProcess;
  let running: Running;
  let ports: Parameters<typeof configText>[0];
  let log = '';

  before(async () => {
    const python = pythonEnv();
    const sinkChild = spawn(python.python, [join(packageRoot(), 'test', 'e2e', 'otlp-sink.py'), dir], {
      env: python.env,
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    sink = sinkChild;
    const lines = createInterface({ input: sinkChild.stdout });
    const [first] = (await once(lines, 'line')) as [string];
    lines.on('line', (line: string) => reports.push(JSON.parse(line) as SinkReport));
    pyroscope = await startFakePyroscope();
    running = await startWorkloads(WORKLOADS.filter((w) => ['c', 'go', 'inlined'].includes(w.name)));
    ports = {
      sink: (JSON.parse(first) as { port: number }).port,
      pyroscope: pyroscope.port,
      viewer: await freePort(),
      metrics: await freePort(),
      health: await freePort(),
      otlp: await freePort(),
    };
    const config = join(dir, 'config.yaml');
    writeFileSync(config, configText(ports));
    const child = spawn(
      join(packageRoot(), 'bin', 'otelcol-profiles'),
      ['--config', config, '--feature-gates=+service.profilesSupport'],
      { stdio: ['ignore', 'ignore', 'pipe'] },
    );
    collector = child;
    child.stderr.setEncoding('utf8').on('data', (chunk: string) => {
      log += chunk;
    });
    await until(`the collector is ready (${log})`, 20_000, () =>
      log.includes('Everything is ready') ? true : undefined,
    );
  });

  after(async () => {
    running?.stop();
    collector?.kill('SIGKILL');
    sink?.kill('SIGKILL');
    await pyroscope?.stop();
    rmSync(dir, { recursive: true, force: true });
  });

  it('delivers named stacks to a Python gRPC receiver, and every request conforms', async () => {
    const wanted = ['outer_work', 'compare_work', 'main.outerWork', 'main.innerWork', 'runtime.goexit'];
    await until('all functions of both programs at the sink', 30_000, () => {
      const seen = new Set(reports.flatMap((r) => Object.keys(r.names)));
      return wanted.every((name) => seen.has(name)) ? true : undefined;
    });
    for (const report of reports) assert.deepEqual(profcheck(readFileSync(report.path)), [], report.path);
    const services = new Set(reports.flatMap((r) => r.services));
    assert.ok(services.has('burn-c') && services.has('burn-go'), [...services].join());
  });

  it('delivers files, lines and inlined functions of a C++ program built with -g', async () => {
    const source = readFileSync(join(packageRoot(), 'test', 'e2e', 'workloads', 'inlined.cc'), 'utf8');
    const lineOf = (marker: string): number =>
      source.split('\n').findIndex((line) => line.includes(marker)) + 1;
    const wanted =
      `shop::mix(unsigned long) inlined.cc:${lineOf('// hot line')} < ` +
      `shop::spin(unsigned long) inlined.cc:${lineOf('// call line')}`;
    await until(wanted, 30_000, () => reports.some((r) => r.inlined.includes(wanted)) || undefined);
  });

  it('delivers the same programs to Pyroscope as process_cpu', async () => {
    await until('both services at the push endpoint', 30_000, () => {
      const names = new Set(pyroscope.store.profiles.map((p) => p.labels['service_name']));
      return names.has('burn-c') && names.has('burn-go') ? true : undefined;
    });
    const ours = pyroscope.store.profiles.filter((p) => p.labels['service_name'] === 'burn-c');
    assert.ok(ours.every((p) => p.labels['__name__'] === 'process_cpu'));
  });

  it('shows the services on the page', async () => {
    const page = await fetch(`http://127.0.0.1:${ports.viewer}/`);
    assert.equal(page.status, 200);
    assert.match(await page.text(), /<canvas/);
    await until('both services in the viewer', 20_000, async () => {
      const text = await (await fetch(`http://127.0.0.1:${ports.viewer}/api/services`)).text();
      return text.includes('burn-c') && text.includes('burn-go') ? true : undefined;
    });
  });

  it('answers the health check and counts what it did', async () => {
    assert.equal((await fetch(`http://127.0.0.1:${ports.health}/`)).status, 200);
    const wanted = [
      /otelcol_exporter_sent_profile_samples\{[^}]*exporter="otlp_grpc"[^}]*\} [1-9]/,
      /otelcol_receiver_accepted_profile_samples\{[^}]*receiver="profiling"[^}]*\} [1-9]/,
      /otelcol_receiver_profiling_samples\{[^}]*outcome="delivered"[^}]*\} [1-9]/,
    ];
    await until('all counters', 20_000, async () => {
      const text = await (await fetch(`http://127.0.0.1:${ports.metrics}/metrics`)).text();
      return wanted.every((want) => want.test(text)) ? true : undefined;
    });
  });

  it('refuses malformed OTLP with 400 and lives on', async () => {
    const post = (body: Uint8Array<ArrayBuffer>): Promise<Response> =>
      fetch(`http://127.0.0.1:${ports.otlp}/v1development/profiles`, {
        method: 'POST',
        headers: { 'content-type': 'application/x-protobuf' },
        body,
      });
    assert.equal((await post(Uint8Array.of(0x0a, 0xff, 0xff, 0xff, 0xff, 0x0f))).status, 400);
    assert.equal((await post(new Uint8Array(0))).status, 200);
    assert.equal(collector.exitCode, null);
  });

  it('stops on SIGTERM with everything delivered and exit code 0', async () => {
    const before = reports.length;
    collector.kill('SIGTERM');
    const [code] = (await once(collector, 'exit')) as [number | null];
    assert.equal(code, 0, log.slice(-2000));
    assert.match(log, /Shutdown complete/);
    await until('the last window at the sink', 5000, () => (reports.length > before ? true : undefined));
  });
});
