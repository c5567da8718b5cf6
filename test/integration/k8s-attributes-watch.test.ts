// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { type Clock, systemClock } from '../../src/internal/clock.ts';
import { makeCertificates } from '../../src/internal/testing/certificates.ts';
import { hurriedClock, kubeconfig, serve, start } from './k8s-attributes-fixture.ts';
import { CONTAINER, cartPod, plainObject } from './kubernetes-objects.ts';

test('changes arrive by watch, and a deleted pod is known for the grace period', {
  timeout: 20_000,
}, async (t) => {
  const { fake, url, directory } = await serve(t);
  let offsetMs = 0;
  const clock: Clock = { ...hurriedClock, now: () => systemClock.now() + offsetMs };
  const { ask, askUntil, settings } = await start(t, await kubeconfig(directory, url), {}, clock);
  const resource = { 'container.id': CONTAINER.cart };
  assert.equal((await ask(resource))['k8s.pod.name'], undefined);
  fake.apply('pods', cartPod());
  await askUntil(resource, (a) => a['k8s.pod.name'] !== undefined);
  fake.apply('pods', cartPod({ spec: { nodeName: 'worker-9' } }));
  await askUntil(resource, (a) => a['k8s.node.name'] === 'worker-9');
  fake.delete('pods', cartPod());
  while (settings.meter.value('otelsvc_k8s_pod_deleted') === 0) await turn();
  assert.equal((await ask(resource))['k8s.pod.name'], 'cart-7d4b9c6f8d-x2x9z');
  offsetMs = 121_000;
  assert.equal((await ask(resource))['k8s.pod.name'], undefined);
  assert.equal(settings.meter.value('otelsvc_k8s_pod_added'), 1);
  assert.equal(settings.meter.value('otelsvc_k8s_pod_updated'), 1);
  assert.equal(settings.meter.value('otelsvc_k8s_pod_table_size'), 0);
});

test('an address that is used again belongs to the pod that started last', { timeout: 20_000 }, async (t) => {
  const { fake, url, directory } = await serve(t);
  const young = cartPod({ name: 'young', uid: 'young', status: { startTime: '2026-03-02T00:00:00Z' } });
  fake.apply('pods', young);
  fake.apply('pods', cartPod());
  const { ask } = await start(t, await kubeconfig(directory, url));
  assert.equal((await ask({ 'k8s.pod.ip': '10.244.1.17' }))['k8s.pod.name'], 'young');
});

test('lists come in pages', { timeout: 20_000 }, async (t) => {
  const { fake, url, directory } = await serve(t, { pageSize: 2 });
  for (let i = 0; i < 5; i++) fake.apply('pods', cartPod({ name: `p${i}`, uid: `u${i}` }));
  const { ask, settings } = await start(t, await kubeconfig(directory, url));
  assert.equal(settings.meter.value('otelsvc_k8s_pod_table_size'), 5);
  assert.equal((await ask({ 'k8s.pod.uid': 'u4' }))['k8s.pod.name'], 'p4');
  assert.equal(fake.requests.filter((r) => r.searchParams.has('continue')).length, 2);
});

test('after an expired version everything is listed anew, what went meanwhile included', {
  timeout: 20_000,
}, async (t) => {
  const { fake, url, directory } = await serve(t);
  fake.apply('pods', cartPod());
  const { askUntil, settings } = await start(t, await kubeconfig(directory, url), {
    filter: { node: 'worker-1' },
  });
  await fake.when(({ watches }) => watches === 1);
  const other = cartPod({
    name: 'other',
    uid: 'other',
    status: { containerStatuses: [], podIP: '10.0.0.7', podIPs: [] },
  });
  fake.disconnect();
  fake.apply('pods', other);
  fake.delete('pods', cartPod());
  fake.compact();
  await askUntil({ 'k8s.pod.uid': 'other' }, (a) => a['k8s.pod.name'] === 'other');
  assert.equal(settings.meter.value('otelsvc_k8s_pod_deleted'), 1);
  const lists = fake.requests.filter((r) => !r.searchParams.has('watch'));
  assert.deepEqual(
    lists.map((r) => r.searchParams.get('resourceVersion')),
    ['0', null],
  );
});

test('an ERROR event ends the watch and begins a new list', { timeout: 20_000 }, async (t) => {
  const { fake, url, directory } = await serve(t);
  fake.apply('pods', cartPod());
  await start(t, await kubeconfig(directory, url));
  await fake.when(({ watches }) => watches === 1);
  fake.expireWatches();
  await fake.when(({ requests }) => requests.filter((r) => !r.searchParams.has('watch')).length === 2);
});

test('after a cut connection the watch goes on from the last bookmark', { timeout: 20_000 }, async (t) => {
  const { fake, url, directory } = await serve(t);
  fake.apply('pods', cartPod());
  const { ask, askUntil, settings } = await start(t, await kubeconfig(directory, url));
  await fake.when(({ watches }) => watches === 1);
  fake.apply('nodes', plainObject('n', 'n'));
  fake.sendBookmarks();
  fake.apply('pods', cartPod({ name: 'mark', uid: 'mark', status: { containerStatuses: [] } }));
  await askUntil({ 'k8s.pod.uid': 'mark' }, (a) => a['k8s.pod.name'] === 'mark');
  fake.disconnect();
  fake.apply('pods', cartPod({ name: 'late', uid: 'late', status: { containerStatuses: [] } }));
  await askUntil({ 'k8s.pod.uid': 'late' }, (a) => a['k8s.pod.name'] === 'late');
  assert.equal((await ask({ 'container.id': CONTAINER.cart }))['k8s.pod.name'], 'cart-7d4b9c6f8d-x2x9z');
  assert.deepEqual(
    fake.requests.map((r) => r.searchParams.get('resourceVersion')),
    [null, '101', '103'],
  );
  assert.equal(settings.meter.value('otelsvc_k8s_watch_errors', { kind: 'pod', reason: 'connection' }), 1);
});

test('bytes that are no event lead to a new list', { timeout: 20_000 }, async (t) => {
  const { fake, url, directory } = await serve(t);
  fake.apply('pods', cartPod());
  const { settings } = await start(t, await kubeconfig(directory, url));
  await fake.when(({ watches }) => watches === 1);
  fake.garbleWatches();
  await fake.when(({ requests }) => requests.filter((r) => !r.searchParams.has('watch')).length === 2);
  assert.equal(settings.meter.value('otelsvc_k8s_watch_errors'), 1);
});

test('a refused list is told with what to grant, and tried again', { timeout: 20_000 }, async (t) => {
  const { fake, url, directory } = await serve(t);
  fake.forbidden.add('pods');
  fake.apply('pods', cartPod());
  const { ask, askUntil, settings } = await start(t, await kubeconfig(directory, url), {
    wait_for_metadata: false,
  });
  assert.deepEqual(await ask({ 'container.id': CONTAINER.cart }), { 'container.id': CONTAINER.cart });
  while (settings.meter.value('otelsvc_k8s_watch_errors', { kind: 'pod', reason: '403' }) === 0) await turn();
  const warning = settings.logger.entries.find((e) => e.level === 'warn');
  assert.equal(warning?.message, 'cannot watch pods, will try again');
  assert.match(String(warning?.fields.error), /pods is forbidden/);
  assert.match(String(warning?.fields.hint), /grant get, list and watch/);
  fake.forbidden.clear();
  await askUntil({ 'container.id': CONTAINER.cart }, (a) => a['k8s.pod.name'] !== undefined);
  assert.ok(settings.logger.messages('info').includes('watching pods again'));
});

test('start fails where metadata is waited for and does not come', { timeout: 20_000 }, async (t) => {
  const { fake, url, directory } = await serve(t);
  fake.forbidden.add('pods');
  const path = await kubeconfig(directory, url);
  await assert.rejects(start(t, path, { wait_for_metadata_timeout: '2s' }), {
    message:
      'failed to wait for caches to sync within 2000 ms; the warnings above say what could not be listed',
  });
});

test('a token that was replaced in its file is used', { timeout: 20_000 }, async (t) => {
  const { fake, url, directory } = await serve(t, { token: 'first' });
  fake.apply('pods', cartPod());
  await writeFile(join(directory, 'token'), 'first\n');
  const { askUntil } = await start(t, await kubeconfig(directory, url, { tokenFile: 'token' }));
  await fake.when(({ watches }) => watches === 1);
  await writeFile(join(directory, 'token'), 'second\n');
  fake.token = 'second';
  fake.apply('pods', cartPod({ spec: { nodeName: 'worker-2' } }));
  fake.disconnect();
  await askUntil({ 'container.id': CONTAINER.cart }, (a) => a['k8s.node.name'] === 'worker-2');
});

test('TLS: the authority, the client certificate and insecure-skip-tls-verify of the kubeconfig count', {
  timeout: 30_000,
}, async (t) => {
  const certificates = makeCertificates();
  const { fake, url, directory } = await serve(t, { tls: { ...certificates.server, ca: certificates.ca } });
  fake.apply('pods', cartPod());
  const base64 = (text: string): string => Buffer.from(text).toString('base64');
  const client = {
    'client-certificate-data': base64(certificates.client.cert),
    'client-key-data': base64(certificates.client.key),
  };
  await start(
    t,
    await kubeconfig(directory, url, client, { 'certificate-authority-data': base64(certificates.ca) }),
  );
  await start(t, await kubeconfig(directory, url, client, { 'insecure-skip-tls-verify': true }));
  const notLong = { wait_for_metadata_timeout: '20s' };
  await assert.rejects(
    start(t, await kubeconfig(directory, url, client), notLong),
    /failed to wait for caches/,
  );
  const anonymous = await kubeconfig(
    directory,
    url,
    {},
    { 'certificate-authority-data': base64(certificates.ca) },
  );
  await assert.rejects(start(t, anonymous, notLong), /failed to wait for caches/);
  assert.ok((await readFile(anonymous, 'utf8')).includes('https://'));
});
