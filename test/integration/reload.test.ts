// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { Client, credentials } from '@grpc/grpc-js';
import { encodeOtlp } from '../../src/codecs/otlp/encode.ts';
import { packageRoot } from '../../src/internal/package-root.ts';
import { batchFromFolded } from '../../src/pdata/folded.ts';
import { EXPORT } from '../../src/receivers/otlp/grpc-server.ts';
import { type OtlpSink, startOtlpSink } from './otlp-sink.ts';

const BODY = Buffer.from(encodeOtlp(batchFromFolded('main;work 1'), { revision: '1.10' }));

interface Options {
  readonly sink: OtlpSink;
  readonly compression?: string;
  /** A second receiver, at this endpoint. */
  readonly second?: string;
  /** A connector between receivers and exporter. */
  readonly forward?: boolean;
}

const pipelines = (receivers: string, forward: boolean): string =>
  forward
    ? `{profiles/in: {receivers: [${receivers}], exporters: [forward]}, profiles/out: {receivers: [forward], exporters: [otlp_grpc]}}`
    : `{profiles: {receivers: [${receivers}], exporters: [otlp_grpc]}}`;

const configuration = ({ sink, compression = 'gzip', second, forward = false }: Options): string => `
receivers:
  otlp: {protocols: {grpc: {endpoint: "127.0.0.1:0"}, http: {endpoint: "127.0.0.1:0"}}}
  ${second === undefined ? '' : `otlp/second: {protocols: {grpc: {endpoint: "${second}"}}}`}
connectors: {forward: {}}
exporters:
  otlp_grpc: {endpoint: "127.0.0.1:${sink.port}", tls: {insecure: true}, compression: ${compression}}
service:
  pipelines: ${pipelines(second === undefined ? 'otlp' : 'otlp, otlp/second', forward)}
  telemetry: {metrics: {level: none}, logs: {sampling: {enabled: false}}}
`;

/** A collector in a process of its own, its log line by line. */
class Collector {
  readonly #file: string;
  readonly #child: ChildProcess;
  readonly #exit: Promise<unknown[]>;
  #log = '';
  #seen = 0;
  #wake: () => void = () => undefined;

  constructor(file: string, first: string) {
    this.#file = file;
    writeFileSync(file, first);
    const main = join(packageRoot(), 'src', 'main.ts');
    this.#child = spawn(process.execPath, ['--import', 'tsx', main, '--config', file], {
      cwd: packageRoot(),
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    this.#exit = once(this.#child, 'exit');
    this.#child.stderr?.on('data', (chunk: Buffer) => {
      this.#log += chunk.toString();
      this.#wake();
    });
    this.#child.once('exit', () => this.#wake());
  }

  /** The next match in the log after the one before. */
  async next(pattern: RegExp): Promise<string> {
    for (;;) {
      const match = pattern.exec(this.#log.slice(this.#seen));
      if (match !== null) {
        this.#seen += match.index + match[0].length;
        return match[1] ?? match[0];
      }
      assert.equal(this.#child.exitCode, null, this.#log);
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  reload(text: string): void {
    writeFileSync(this.#file, text);
    this.#child.kill('SIGHUP');
  }

  async stop(): Promise<unknown> {
    this.#child.kill('SIGTERM');
    return (await this.#exit)[0];
  }

  kill(): void {
    this.#child.kill('SIGKILL');
  }
}

/** Clients that keep sending until told to stop; each waits for its answer before it sends again. */
class Load {
  accepted = 0;
  readonly refused: string[] = [];
  #isOver = false;
  readonly #clients: Promise<void>[] = [];
  readonly #grpc: Client;

  constructor(grpc: string, http: string) {
    this.#grpc = new Client(grpc, credentials.createInsecure());
    for (let i = 0; i < 2; i++) {
      this.#clients.push(this.#send(() => this.#call()));
      this.#clients.push(
        this.#send(async () => {
          const headers = { 'content-type': 'application/x-protobuf' };
          const url = `http://${http}/v1development/profiles`;
          const reply = await fetch(url, { method: 'POST', body: BODY, headers });
          const text = await reply.text();
          if (reply.status !== 200) throw new Error(`${reply.status} ${text}`);
        }),
      );
    }
  }

  async stop(): Promise<void> {
    this.#isOver = true;
    await Promise.all(this.#clients);
    this.#grpc.close();
  }

  #call(): Promise<void> {
    const asIs = (bytes: Buffer): Buffer => bytes;
    return new Promise((resolve, reject) => {
      this.#grpc.makeUnaryRequest(EXPORT, asIs, asIs, BODY, (error) =>
        error === null ? resolve() : reject(error),
      );
    });
  }

  async #send(once: () => Promise<void>): Promise<void> {
    while (!this.#isOver) {
      try {
        await once();
        this.accepted++;
      } catch (error) {
        this.refused.push(String(error));
      }
    }
  }
}

const until = async (holds: () => boolean): Promise<void> => {
  while (!holds()) await new Promise((resolve) => setImmediate(resolve));
};

describe('a collector that is told to reload under load', () => {
  const dir = mkdtempSync(join(tmpdir(), 'reload-'));
  let collector: Collector;
  let sinks: [OtlpSink, OtlpSink];
  let load: Load;

  before(async () => {
    sinks = [await startOtlpSink(), await startOtlpSink()];
    collector = new Collector(join(dir, 'config.yaml'), configuration({ sink: sinks[0] }));
    const grpc = await collector.next(/OTLP server listens\t.*"grpc","endpoint":"([^"]+)"/);
    const http = await collector.next(/OTLP server listens\t.*"http","endpoint":"([^"]+)"/);
    await collector.next(/Everything is ready/);
    load = new Load(grpc, http);
    await until(() => load.accepted >= 20);
  });
  after(async () => {
    await load.stop();
    collector.kill();
    for (const sink of sinks) sink.stop();
    rmSync(dir, { recursive: true });
  });

  it('sends to another endpoint', async () => {
    const [, second] = sinks;
    assert.equal(second.requests.length, 0);
    collector.reload(configuration({ sink: second }));
    assert.match(await collector.next(/Config updated\t(.*)/), /"kept":1,"started":1,"stopped":1/);
    await until(() => second.requests.length >= 10);
  });

  it('goes on with what it has where the file is broken, and names every fault', async () => {
    collector.reload(configuration({ sink: sinks[1], compression: 'gzap' }).replace('insecure', 'insecur'));
    await collector.next(/the new configuration is not valid, the running one goes on/);
    await collector.next(
      /config\.yaml:7:\d+: exporters::otlp_grpc::tls: has invalid keys: insecur — did you mean/,
    );
    await collector.next(/config\.yaml:7:\d+: exporters::otlp_grpc::compression: invalid value "gzap"/);
  });

  it('goes on with what it has where a component does not start', async () => {
    const taken = `127.0.0.1:${sinks[0].port}`;
    collector.reload(configuration({ sink: sinks[0], second: taken }));
    await collector.next(/the new configuration did not start, the one before it runs again.*EADDRINUSE/);
    const before = sinks[1].requests.length;
    await until(() => sinks[1].requests.length >= before + 10);
  });

  it('opens and changes the port of another receiver', async () => {
    collector.reload(configuration({ sink: sinks[1], second: '127.0.0.1:0' }));
    const first = await collector.next(/OTLP server listens\t.*"grpc","endpoint":"([^"]+)"/);
    await collector.next(/Config updated/);
    collector.reload(configuration({ sink: sinks[1], second: 'localhost:0' }));
    const second = await collector.next(/OTLP server listens\t.*"grpc","endpoint":"([^"]+)"/);
    assert.match(await collector.next(/Config updated\t(.*)/), /"kept":2,"started":1,"stopped":1/);
    assert.notEqual(first, second);
  });

  it('joins pipelines by a connector, and changes the exporter behind it', async () => {
    collector.reload(configuration({ sink: sinks[1], forward: true }));
    assert.match(await collector.next(/Config updated\t(.*)/), /"kept":2,"started":1,"stopped":1/);
    collector.reload(configuration({ sink: sinks[0], forward: true }));
    assert.match(await collector.next(/Config updated\t(.*)/), /"kept":2,"started":1,"stopped":1/);
    const before = sinks[0].requests.length;
    await until(() => sinks[0].requests.length >= before + 10);
  });

  it('refused nothing in all that time and lost nothing', async () => {
    await load.stop();
    assert.equal(await collector.stop(), 0);
    assert.deepEqual(load.refused, []);
    assert.equal(sinks[0].requests.length + sinks[1].requests.length, load.accepted);
  });
});
