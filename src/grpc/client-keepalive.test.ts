// SPDX-License-Identifier: Apache-2.0
import { it } from 'node:test';
import { FakeClock } from '../internal/testing/fake-clock.ts';
import { never } from '../internal/testing/settings.ts';
import { openGrpcClient } from './client.ts';
import { SilentRelay } from './testing/silent-relay.ts';
import { ECHO, testServer, until } from './testing/test-server.ts';

it('gives up a silent connection also where each call is given up before it would be asked', async (t) => {
  const clock = new FakeClock();
  const server = await testServer(t, async (bytes) => bytes);
  const relay = await SilentRelay.to(server.port, t);
  const client = openGrpcClient({
    target: { kind: 'tcp', at: { host: '127.0.0.1', port: relay.port } },
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
  // As a firewall that has forgotten the connection.
  relay.isSilent = true;
  for (let round = 0; round < 4; round++) {
    const limit = new AbortController();
    const call = client.call(ECHO, [Buffer.from('a')], 0, limit.signal).catch(() => undefined);
    await clock.advance(5_000);
    limit.abort(new Error('no answer within 5 s'));
    await call;
    await clock.advance(6_000);
  }
  await until(() => relay.connections > 1);
});
