// SPDX-License-Identifier: Apache-2.0
// What exporters do to, and because of, a destination that is not there.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { describe, it, type TestContext } from 'node:test';
import type { Exporter } from '../../src/component/component.ts';
import { distribution } from '../../src/distribution.ts';
import { schema as grpcSchema } from '../../src/exporters/otlp-grpc/config.ts';
import { createOtlpGrpcExporter } from '../../src/exporters/otlp-grpc/exporter.ts';
import { schema as httpSchema } from '../../src/exporters/otlp-http/config.ts';
import { createOtlpHttpExporter } from '../../src/exporters/otlp-http/exporter.ts';
import { schema as pyroscopeSchema } from '../../src/exporters/pyroscope/config.ts';
import { createPyroscopeExporter } from '../../src/exporters/pyroscope/exporter.ts';
import { FakeClock } from '../../src/internal/testing/fake-clock.ts';
import { never, testHost, testSettings } from '../../src/internal/testing/settings.ts';
import { batchFromFolded } from '../../src/pdata/folded.ts';
import { freePort } from '../free-port.ts';

const BATCH = batchFromFolded('main;work 3', { attributes: { 'service.name': 'shop' } });
const BATCHES = 200;
const STEP_MS = 100;

/** Exporters that send nothing over a network. */
const LOCAL = ['debug', 'file', 'nop', 'profile_files', 'viewer'];

type Create = (settings: ReturnType<typeof testSettings>, port: number, clock: FakeClock) => Exporter;

const EXPORTERS: Readonly<Record<string, Create>> = {
  otlp_grpc: (settings, port, clock) =>
    createOtlpGrpcExporter(
      settings,
      grpcSchema.parse({ endpoint: `127.0.0.1:${port}`, tls: { insecure: true } }),
      { clock },
    ),
  otlp_http: (settings, port, clock) =>
    createOtlpHttpExporter(settings, httpSchema.parse({ endpoint: `http://127.0.0.1:${port}` }), { clock }),
  pyroscope: (settings, port, clock) =>
    createPyroscopeExporter(settings, pyroscopeSchema.parse({ endpoint: `http://127.0.0.1:${port}` }), {
      clock,
    }),
};

interface Destination {
  readonly server: Server;
  readonly port: number;
  /** Connections so far. */
  connections: number;
}

/** Accepts connections, and does with them what `use` does. */
async function destination(t: TestContext, use: (socket: Socket) => void): Promise<Destination> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    made.connections++;
    sockets.add(socket);
    socket.on('error', () => undefined);
    use(socket);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const made = { server, port: (server.address() as AddressInfo).port, connections: 0 };
  t.after(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return made;
}

async function started(type: string, port: number) {
  const clock = new FakeClock();
  const settings = testSettings(type);
  const exporter = (EXPORTERS[type] as Create)(settings, port, clock);
  await exporter.start(testHost(), never());
  for (let i = 0; i < BATCHES; i++) await exporter.consumeProfiles(BATCH, never());
  const lost = (): number =>
    settings.meter.value('exporter_send_failed_profile_samples', { error_type: 'Shutdown' });
  return { clock, exporter, lost };
}

/** Resolves when the loop has come round so often that sockets of this process have told each other what they had to. */
async function ioSettled(): Promise<void> {
  for (let i = 0; i < 200; i++) await new Promise((resolve) => void setImmediate(resolve));
}

it('every exporter that sends over a network is looked at', () => {
  const types = distribution.exporters.map(({ type }) => type);
  assert.deepEqual(types.filter((type) => !LOCAL.includes(type)).sort(), Object.keys(EXPORTERS).sort());
});

for (const type of Object.keys(EXPORTERS)) {
  describe(`${type} with a dead destination`, { timeout: 60_000 }, () => {
    it('stops at once where connections are refused', async () => {
      const { exporter, lost } = await started(type, await freePort());
      // The clock stands still: nothing is waited for.
      await exporter.shutdown(never());
      assert.equal(lost(), BATCHES);
    });

    it('stops after 4 s where nothing is answered, and tells what is lost', async (t) => {
      const silent = await destination(t, () => undefined);
      const { clock, exporter, lost } = await started(type, silent.port);
      while (silent.connections === 0) await ioSettled();
      let isStopped = false;
      const stopped = exporter.shutdown(never()).then(() => (isStopped = true));
      await clock.advance(3_900);
      await ioSettled();
      assert.equal(isStopped, false, 'it waits for answers');
      await clock.advance(100);
      await stopped;
      assert.equal(lost(), BATCHES);
    });

    it('asks one that hangs up once a second', async (t) => {
      const rude = await destination(t, (socket) => socket.destroy());
      const { clock, exporter } = await started(type, rude.port);
      while (rude.connections === 0) await ioSettled();
      await ioSettled();
      // Over HTTP the consumers of the queue come all at once, before any of them has failed.
      const times: number[] = type === 'otlp_grpc' ? [clock.elapsed()] : [];
      let seen = rude.connections;
      for (let step = 0; step < 20_000 / STEP_MS; step++) {
        await clock.advance(STEP_MS);
        await ioSettled();
        for (; seen < rude.connections; seen++) times.push(clock.elapsed());
      }
      // Over HTTP a probe, and the one attempt that follows where it got through.
      const atOnce = type === 'otlp_grpc' ? 1 : 2;
      assert.ok(times.length >= 5, `${times.length} connections`);
      const shortest = Math.min(...times.slice(atOnce).map((time, i) => time - (times[i] ?? 0)));
      // A connection may be noticed a step late.
      assert.ok(shortest >= 1_000 - STEP_MS, `${atOnce + 1} connections within ${shortest} ms`);
      await exporter.shutdown(AbortSignal.abort(new Error('the test is over')));
    });
  });
}
