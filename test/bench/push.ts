// SPDX-License-Identifier: Apache-2.0
import { Agent, createServer, request } from 'node:http';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { gzipSync } from 'node:zlib';
import { pushRequest } from '../../src/receivers/pyroscope/testing/running-receiver.ts';
import { makePprof } from './pprof-payload.ts';
import { type RelayProcess, startOurs } from './relay-process.ts';
import { print, table } from './report.ts';
import { Rounds, short } from './rounds.ts';
import { Sink } from './wire.ts';

const ROUNDS = 5;
const SECONDS_A_ROUND = 1.5;
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

async function measure(
  name: string,
  exporter: string,
  to: number,
  bodies: readonly Buffer[],
): Promise<string[]> {
  const gzippedBytes = (bodies[0] as Buffer).length;
  const started: RelayProcess = await startOurs({ name, to, gzip: false, configuration: relay(exporter) });
  try {
    await post(started.port, bodies, 2);
    const [cpu, wall]: [number[], number[]] = [[], []];
    for (let round = 0; round < ROUNDS; round++) {
      const [before, at] = [started.cpuSeconds(), performance.now()];
      const requests = await post(started.port, bodies, SECONDS_A_ROUND);
      const gigabytes = (requests * gzippedBytes) / 1e9;
      cpu.push((started.cpuSeconds() - before) / gigabytes);
      wall.push((gigabytes * 1e6) / (performance.now() - at));
    }
    const cost = new Rounds(cpu);
    return [
      name,
      cost.toString(),
      short(1_000 / cost.median),
      new Rounds(wall).toString(),
      short(started.peakRssMb()),
    ];
  } finally {
    await started.stop();
  }
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
    const rows = [
      await measure(
        'push in, push out',
        `{pyroscope: {endpoint: "http://127.0.0.1:${push.port}", ${DIRECT}}}`,
        push.port,
        bodies,
      ),
      await measure(
        'push in, OTLP out',
        `{otlp_grpc: {endpoint: "127.0.0.1:${otlp.port}", tls: {insecure: true}, compression: none, ${DIRECT}}}`,
        otlp.port,
        bodies,
      ),
      await measure('push in, nothing out', '{nop: }', 0, bodies),
    ];
    const head = ['', 'CPU-s per GB of gzip', 'MB of gzip per CPU-s', 'wall, MB/s', 'peak RSS, MB'];
    print(`pprof of ${size} KB gzipped over push.v1, ${IN_FLIGHT} in flight\n\n${table(head, rows)}`);
  } finally {
    push.close();
    otlp.close();
  }
}
