// SPDX-License-Identifier: Apache-2.0
import { once } from 'node:events';
import { type AddressInfo, connect, createServer } from 'node:net';
import { it } from 'node:test';
import { FakeClock } from '../internal/testing/fake-clock.ts';
import { never } from '../internal/testing/settings.ts';
import { openGrpcClient } from './client.ts';
import { ECHO, testServer, until } from './testing/test-server.ts';

it('gives up a silent connection also where each call is given up before it would be asked', async (t) => {
  const clock = new FakeClock();
  const server = await testServer(t, async (bytes) => bytes);
  let connections = 0;
  let isSilent = false;
  // As a firewall that has forgotten the connection: nothing comes through, and nobody is told.
  const relay = createServer((near) => {
    connections++;
    const far = connect(server.port, '127.0.0.1');
    near.on('data', (chunk: Buffer) => isSilent || far.write(chunk)).on('error', () => undefined);
    far.on('data', (chunk: Buffer) => near.write(chunk)).on('error', () => undefined);
    near.once('close', () => far.destroy());
  });
  relay.listen(0, '127.0.0.1');
  await once(relay, 'listening');
  t.after(() => relay.close());
  const client = openGrpcClient({
    target: { kind: 'tcp', at: { host: '127.0.0.1', port: (relay.address() as AddressInfo).port } },
    tls: undefined,
    serverName: undefined,
    authority: 'a',
    headers: {},
    encoding: 'identity',
    balancing: 'pick_first',
    keepalive: { timeMs: 10_000, timeoutMs: 4_000, permitWithoutCalls: false },
    backoff: { initialMs: 1, maxMs: 1 },
    waitForReady: true,
    maxReceiveBytes: 1_024,
    onReady: () => undefined,
    clock,
  });
  t.after(() => client.close());
  await client.call(ECHO, [Buffer.from('a')], 0, never());
  isSilent = true;
  for (let round = 0; round < 4; round++) {
    const limit = new AbortController();
    const call = client.call(ECHO, [Buffer.from('a')], 0, limit.signal).catch(() => undefined);
    await clock.advance(5_000);
    limit.abort(new Error('no answer within 5 s'));
    await call;
    await clock.advance(6_000);
  }
  await until(() => connections > 1);
});
