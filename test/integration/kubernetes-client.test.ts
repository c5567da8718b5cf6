// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import {
  type ApiClientOptions,
  KubernetesApiClient,
  KubernetesApiError,
} from '../../src/discovery/kubernetes/api-client.ts';
import { Reflector } from '../../src/discovery/kubernetes/reflector.ts';
import { section } from '../../src/config/sections/section.ts';
import { openConfiguredClient } from '../../src/http-client/client.ts';
import { httpClientShape } from '../../src/http-client/config.ts';
import { systemClock } from '../../src/internal/clock.ts';
import { FakeClock } from '../../src/internal/testing/fake-clock.ts';
import { never, testSettings } from '../../src/internal/testing/settings.ts';
import { FakeKubernetes } from './fake-kubernetes.ts';
import { cartPod } from './kubernetes-objects.ts';

const PODS = { path: '/api/v1/pods' };

async function connect(t: TestContext, options: Partial<ApiClientOptions> = {}) {
  const fake = new FakeKubernetes();
  const baseUrl = await fake.listen();
  const connection = { baseUrl, tls: {}, token: undefined };
  const client = new KubernetesApiClient({
    connection,
    userAgent: 'test/0',
    perSecond: 1000,
    burst: 1000,
    ...options,
  });
  t.after(async () => {
    await client.close();
    await fake.close();
  });
  return { fake, client };
}

test('a watch on which nothing comes ends without an error', { timeout: 10_000 }, async (t) => {
  const { fake, client } = await connect(t, { idleTimeoutMs: 50 });
  fake.apply('pods', cartPod());
  const events: string[] = [];
  for await (const event of client.watch(PODS, '0', never())) events.push(event.type);
  assert.deepEqual(events, ['ADDED']);
});

test('so does one of a client that waits for ever, which can still be aborted', {
  timeout: 10_000,
}, async (t) => {
  const config = section(httpClientShape).parse({});
  const http = await openConfiguredClient(config, { logger: testSettings().logger });
  const fake = new FakeKubernetes();
  const connection = { baseUrl: await fake.listen(), tls: {}, token: undefined, http };
  const limits = { userAgent: 'test/0', perSecond: 1000, burst: 1000 };
  const impatient = new KubernetesApiClient({ ...limits, connection, idleTimeoutMs: 50 });
  t.after(async () => {
    await impatient.close();
    await fake.close();
  });
  fake.apply('pods', cartPod());
  const events: string[] = [];
  for await (const event of impatient.watch(PODS, '0', never())) events.push(event.type);
  assert.deepEqual(events, ['ADDED']);

  const patient = new KubernetesApiClient({ ...limits, connection });
  const stop = new AbortController();
  const aborted = assert.rejects(
    async () => {
      for await (const _event of patient.watch(PODS, '0', stop.signal)) stop.abort(new Error('enough'));
    },
    { message: 'enough' },
  );
  await aborted;
});

test('a refusal carries status, reason and message of the server', { timeout: 10_000 }, async (t) => {
  const { fake, client } = await connect(t);
  fake.forbidden.add('pods');
  await assert.rejects(
    client.list(PODS, false, () => undefined, never()),
    (error) => {
      assert.ok(error instanceof KubernetesApiError);
      assert.deepEqual([error.status, error.reason], [403, 'Forbidden']);
      assert.match(error.message, /cannot list resource "pods"/);
      return true;
    },
  );
});

test('selectors reach the server as they are', { timeout: 10_000 }, async (t) => {
  const { fake, client } = await connect(t);
  fake.apply('pods', cartPod());
  fake.apply('pods', cartPod({ name: 'b', uid: 'b', metadata: { labels: { app: 'b' } } }));
  const names = async (query: object): Promise<string[]> => {
    const seen: string[] = [];
    await client.list(
      { ...PODS, ...query },
      false,
      (o) => seen.push(JSON.stringify(o).includes('"uid":"b"') ? 'b' : 'cart'),
      never(),
    );
    return seen;
  };
  assert.deepEqual(await names({ labelSelector: 'app=b' }), ['b']);
  assert.deepEqual(await names({ labelSelector: 'app!=b' }), ['cart']);
  assert.deepEqual(await names({ labelSelector: '!pod-template-hash' }), ['b']);
  assert.deepEqual(await names({ fieldSelector: 'spec.nodeName=worker-1,status.phase!=Running' }), []);
});

test('an aborted watch ends at once', { timeout: 10_000 }, async (t) => {
  const { fake, client } = await connect(t);
  const stop = new AbortController();
  const watching = (async () => {
    for await (const event of client.watch(PODS, '0', stop.signal)) assert.fail(event.type);
  })();
  await fake.when(({ watches }) => watches === 1);
  stop.abort(new Error('enough'));
  await assert.rejects(watching, { message: 'enough' });
});

test('a failing server is asked ever less often, half a minute apart at last', {
  timeout: 10_000,
}, async (t) => {
  const clock = new FakeClock();
  const { fake, client } = await connect(t, { clock });
  fake.forbidden.add('pods');
  let failures = 0;
  const reflector = new Reflector({
    client,
    query: PODS,
    read: (object) => object,
    sink: { replace: () => undefined, upsert: () => undefined, remove: () => undefined },
    onError: () => failures++,
    onRecovery: () => undefined,
    clock,
  });
  const stop = new AbortController();
  const running = reflector.run(stop.signal);
  for (let round = 0; round < 8; round++) {
    while (failures === round || clock.pending.length === 0) await turn();
    const [waitMs = 0] = clock.pending;
    const ceilingMs = Math.min(30_000, 800 * 2 ** round);
    assert.ok(waitMs >= ceilingMs / 2 && waitMs <= ceilingMs, `round ${round}: ${waitMs} ms`);
    await clock.advance(waitMs);
  }
  stop.abort(new Error('enough'));
  await running;
});

test('a server that has gone back behind the version of a watch is listed again', {
  timeout: 10_000,
}, async (t) => {
  const { fake, client } = await connect(t);
  fake.apply('pods', cartPod());
  const lists: number[] = [];
  const reflector = new Reflector({
    client,
    query: PODS,
    read: (object) => object,
    sink: {
      replace: (objects) => lists.push(objects.length),
      upsert: () => undefined,
      remove: () => undefined,
    },
    onError: () => undefined,
    onRecovery: () => undefined,
    clock: systemClock,
  });
  const stop = new AbortController();
  const running = reflector.run(stop.signal);
  await fake.when(({ watches }) => watches === 1);
  fake.restore();
  await fake.when(() => lists.length === 2);
  assert.deepEqual(lists, [1, 0]);
  stop.abort(new Error('enough'));
  await running;
});
