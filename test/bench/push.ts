// SPDX-License-Identifier: Apache-2.0
import { Agent, createServer, request } from 'node:http';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { gzipSync } from 'node:zlib';
import { pushRequest } from '../../src/receivers/pyroscope/testing/running-receiver.ts';
import { makePprof } from './pprof-payload.ts';
import { goProgram } from './peers.ts';
import { type RelayProcess, startOurs, startPeer } from './relay-process.ts';
import { print, table } from './report.ts';
import { Rounds, short } from './rounds.ts';
import { Sink } from './wire.ts';

const ROUNDS = 5;
const SECONDS_A_ROUND = 2;
/** Until V8 has compiled what runs. */
const WARM_UP_S = 8;
/** net/http in and out: it reads the body and sends it on, and looks at nothing. */
const PEER = 'a proxy in Go';
const IN_FLIGHT = 4;
/** About 113 KB gzipped, as Alloy was measured with. */
const SIZE = { name: 'push', samples: 1_300, locations: 3_000, functions: 1_300 };
const PATH = '/push.v1.PusherService/Push';

/** A server that takes every push and keeps nothing. */
async function pushSink(): Promise<{ port: number; close(): void }> {
  const server = createServer((incoming, response) => {
    incoming
      .resume()
      .once('end', () => response.writeHead(200, { 'content-type': 'application/proto' }).end());
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const close = (): void => {
    server.close();
    server.closeAllConnections();
  };
  return { port: (server.address() as AddressInfo).port, close };
}

const DIRECT = 'sending_queue: {enabled: false}, retry_on_failure: {enabled: false}';

const relay =
  (exporter: string) =>
  (port: number): string =>
    `
receivers: {pyroscope: {endpoint: "127.0.0.1:${port}"}}
exporters: ${exporter}
service:
  telemetry: {metrics: {level: none}}
  pipelines: {profiles: {receivers: [pyroscope], exporters: [out]}}
`.replaceAll('exporters: [out]', `exporters: [${exporter.slice(1, exporter.indexOf(':'))}]`);

/** Posts the bodies in turn for some seconds; gives how many were taken. */
async function post(port: number, bodies: readonly Buffer[], seconds: number): Promise<number> {
  const agent = new Agent({ keepAlive: true, maxSockets: IN_FLIGHT });
  const end = performance.now() + seconds * 1000;
  let sent = 0;
  const one = async (body: Buffer): Promise<void> => {
    const headers = { 'content-type': 'application/proto', 'content-length': body.length };
    const outgoing = request({ port, host: '127.0.0.1', path: PATH, method: 'POST', headers, agent });
    outgoing.end(body);
    const [response] = (await once(outgoing, 'response')) as [
      { statusCode: number; resume(): void } & NodeJS.EventEmitter,
    ];
    response.resume();
    await once(response, 'end');
    if (response.statusCode !== 200) throw new Error(`the relay answered ${response.statusCode}`);
  };
  const worker = async (): Promise<void> => {
    while (performance.now() < end) await one(bodies[sent++ % bodies.length] as Buffer);
  };
  await Promise.all(Array.from({ length: IN_FLIGHT }, worker));
  agent.destroy();
  return sent;
}

/** What is measured, and how it is started; a text where it cannot be. */
interface Contestant {
  readonly name: string;
  start(): Promise<RelayProcess | string>;
}

const ours = (name: string, exporter: string, to: number): Contestant => ({
  name,
  start: () => startOurs({ name, to, gzip: false, configuration: relay(exporter) }),
});

/** Interleaved, a round of each in turn; CPU-seconds per gigabyte of gzip by contestant. */
async function measure(contestants: readonly Contestant[], bodies: readonly Buffer[]): Promise<string[][]> {
  const gzippedBytes = (bodies[0] as Buffer).length;
  const runs: { name: string; started: RelayProcess; cpu: number[]; wall: number[] }[] = [];
  const missing: string[][] = [];
  try {
    for (const { name, start } of contestants) {
      const started = await start();
      if (typeof started === 'string') missing.push([name, started]);
      else runs.push({ name, started, cpu: [], wall: [] });
    }
    for (const { started } of runs) await post(started.port, bodies, WARM_UP_S);
    for (let round = 0; round < ROUNDS; round++) {
      for (const { started, cpu, wall } of runs) {
        const [before, at] = [started.cpuSeconds(), performance.now()];
        const requests = await post(started.port, bodies, SECONDS_A_ROUND);
        const gigabytes = (requests * gzippedBytes) / 1e9;
        cpu.push((started.cpuSeconds() - before) / gigabytes);
        wall.push((gigabytes * 1e6) / (performance.now() - at));
      }
    }
    const peer = runs.find(({ name }) => name === PEER)?.cpu;
    return [...runs.map(({ name, started, cpu, wall }) => row(name, started, cpu, wall, peer)), ...missing];
  } finally {
    for (const { started } of runs) await started.stop();
  }
}

function row(
  name: string,
  started: RelayProcess,
  cpu: readonly number[],
  wall: readonly number[],
  peer: readonly number[] | undefined,
): string[] {
  const cost = new Rounds([...cpu]);
  const ratio =
    peer === undefined ? '' : new Rounds(cpu.map((one, i) => one / (peer[i] as number))).toString();
  const rate = short(1_000 / cost.median);
  return [name, cost.toString(), ratio, rate, new Rounds([...wall]).toString(), short(started.peakRssMb())];
}

/** Push in, push or OTLP out: what a gigabyte of gzipped pprof costs. */
export async function benchPush(): Promise<void> {
  const labels = { __name__: 'process_cpu', service_name: 'shop', region: 'eu', __delta__: 'false' };
  const files = Array.from({ length: 8 }, (_, i) => gzipSync(makePprof(SIZE, i + 1)));
  const bodies = files.map((file) => pushRequest({ labels, profiles: [file] }));
  const size = short((files[0]?.length ?? 0) / 1e3);
  const push = await pushSink();
  const otlp = await Sink.listen();
  try {
    const go = goProgram('push');
    const contestants: Contestant[] = [
      ours(
        'push in, push out',
        `{pyroscope: {endpoint: "http://127.0.0.1:${push.port}", ${DIRECT}}}`,
        push.port,
      ),
      ours(
        'push in, OTLP out',
        `{otlp_grpc: {endpoint: "127.0.0.1:${otlp.port}", tls: {insecure: true}, compression: none, ${DIRECT}}}`,
        otlp.port,
      ),
      ours('push in, nothing out', '{nop: }', 0),
      { name: PEER, start: () => startPeer(go, { name: PEER, to: push.port, gzip: false, edits: false }) },
    ];
    const rows = await measure(contestants, bodies);
    const head = ['', 'CPU-s per GB of gzip', '÷ Go', 'MB of gzip per CPU-s', 'wall, MB/s', 'peak RSS, MB'];
    print(`pprof of ${size} KB gzipped over push.v1, ${IN_FLIGHT} in flight\n\n${table(head, rows)}`);
  } finally {
    push.close();
    otlp.close();
  }
}
