// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { after, before, describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { packageRoot } from '../../src/internal/package-root.ts';
import type { FlameDocument } from '../../src/exporters/viewer/flame.ts';
import { pythonEnv } from '../integration/python-env.ts';
import { WITHOUT_ROOT } from '../left-out.ts';
import { type Running, startWorkloads, type Workload, WORKLOADS } from './workloads.ts';

/** Events by stack (names joined by `;`, root first). */
type Stacks = ReadonlyMap<string, number>;

const WANTED_EVENTS = 300;
const LIMIT_MS = 90_000;
/** Tables of the host are loaded and V8 compiles meanwhile. */
const SETTLE_MS = 5000;

const config = (sinkPort: number): string => `
receivers:
  profiling: { samples_per_second: 199, reporter_interval: 1s }
exporters:
  otlp_grpc: { endpoint: "127.0.0.1:${sinkPort}", tls: { insecure: true } }
  viewer: { endpoint: "127.0.0.1:0" }
service:
  telemetry: { metrics: { level: none } }
  pipelines:
    profiles: { receivers: [profiling], exporters: [otlp_grpc, viewer] }
`;

const total = (stacks: Stacks): number => [...stacks.values()].reduce((sum, count) => sum + count, 0);

/** Weight of the stacks that `holds`, of all. */
function shareOf(stacks: Stacks, holds: (names: readonly string[]) => boolean): number {
  let sum = 0;
  for (const [text, count] of stacks) if (holds(text.split(';'))) sum += count;
  return sum / Math.max(1, total(stacks));
}

function hasChain(names: readonly string[], chain: readonly string[]): boolean {
  let at = 0;
  for (const name of names) if (name === chain[at]) at++;
  return at === chain.length;
}

function stacksOnPage(page: FlameDocument): Stacks {
  const stacks = new Map<string, number>();
  const path: string[] = [];
  const { depth, frame, self } = page.tree;
  for (let node = 1; node < depth.length; node++) {
    path.length = (depth[node] ?? 1) - 1;
    path.push(page.strings[page.frames.name[frame[node] ?? 0] ?? 0] ?? '');
    if ((self[node] ?? 0) > 0) stacks.set(path.join(';'), self[node] ?? 0);
  }
  return stacks;
}

const firstOf = (texts: readonly string[]): string =>
  texts
    .slice(0, 5)
    .map((text) => text.slice(0, 300))
    .join('\n');

describe('a host of programs in many languages', { timeout: 480_000, skip: WITHOUT_ROOT }, () => {
  const dir = mkdtempSync(join(tmpdir(), 'otelcol-profiles-mixed-'));
  const received = new Map<string, Map<string, number>>();
  let running: Running;
  let sink: ChildProcess;
  let collector: ChildProcess;
  let page = '';
  let sinceMs = 0;

  async function startSink(): Promise<number> {
    const { python, env } = pythonEnv();
    const script = join(packageRoot(), 'test', 'e2e', 'otlp-sink.py');
    const child = spawn(python, [script, dir, 'burn-'], { env, stdio: ['ignore', 'pipe', 'inherit'] });
    sink = child;
    const lines = createInterface({ input: child.stdout });
    const [first] = (await once(lines, 'line')) as [string];
    lines.on('line', (line) => {
      if (sinceMs === 0) return;
      const { stacks } = JSON.parse(line) as { stacks: Record<string, Record<string, number>> };
      for (const [service, counts] of Object.entries(stacks)) {
        const of = received.get(service) ?? new Map<string, number>();
        received.set(service, of);
        for (const [text, count] of Object.entries(counts)) of.set(text, (of.get(text) ?? 0) + count);
      }
    });
    return (JSON.parse(first) as { port: number }).port;
  }

  /** Resolves with the address of its page. */
  function startCollector(sinkPort: number): Promise<string> {
    const file = join(dir, 'config.yaml');
    writeFileSync(file, config(sinkPort));
    const child = spawn(join(packageRoot(), 'bin', 'otelcol-profiles'), ['--config', file], {
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    collector = child;
    return new Promise((resolve, reject) => {
      let log = '';
      child.stderr.setEncoding('utf8').on('data', (chunk: string) => {
        log += chunk;
        const url = /live page at (http:\S+)/.exec(log)?.[1];
        if (url !== undefined) resolve(url);
      });
      child.once('exit', (code) => reject(new Error(`the collector ended with ${code}: ${log}`)));
    });
  }

  before(async () => {
    running = await startWorkloads();
    page = await startCollector(await startSink());
    await delay(SETTLE_MS);
    sinceMs = Date.now();
    const enough = (workload: Workload): boolean =>
      total(received.get(`burn-${workload.name}`) ?? new Map()) >= WANTED_EVENTS;
    for (const end = performance.now() + LIMIT_MS; performance.now() < end && !WORKLOADS.every(enough); )
      await delay(200);
  });

  after(() => {
    collector?.removeAllListeners('exit').kill('SIGKILL');
    sink?.kill('SIGKILL');
    running?.stop();
    rmSync(dir, { recursive: true, force: true });
  });

  const judge = ({ root, chain }: Workload, stacks: Stacks): void => {
    const isWhole = (names: readonly string[]): boolean => root.test(names[0] ?? '');
    const cut = [...stacks.keys()].filter((text) => !isWhole(text.split(';')));
    const whole = shareOf(stacks, isWhole);
    assert.ok(whole >= 0.98, `${whole} reach the root; not:\n${firstOf(cut)}`);
    const chained = shareOf(stacks, (names) => hasChain(names, chain));
    assert.ok(chained >= 0.5, `${chained} with ${chain.join(';')}:\n${firstOf([...stacks.keys()])}`);
  };

  for (const workload of WORKLOADS) {
    const service = `burn-${workload.name}`;
    it(`${workload.name}: whole named stacks at an OTLP receiver of another maker`, () => {
      const stacks = received.get(service) ?? new Map<string, number>();
      assert.ok(total(stacks) >= WANTED_EVENTS, `${total(stacks)} events`);
      judge(workload, stacks);
    });

    it(`${workload.name}: whole named stacks on the page`, async () => {
      const query = new URLSearchParams({ service, from: String(sinceMs) });
      const response = await fetch(new URL(`/api/flame?${query.toString()}`, page));
      assert.equal(response.status, 200);
      judge(workload, stacksOnPage((await response.json()) as FlameDocument));
    });
  }
});
