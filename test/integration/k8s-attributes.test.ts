// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { parse } from 'yaml';
import { testProcessorContract } from '../../src/internal/testing/component-contract.ts';
import { k8sAttributesProcessorFactory } from '../../src/processors/k8s-attributes/factory.ts';
import { FakeKubernetes } from './fake-kubernetes.ts';
import { kubeconfig, serve, start, type Texts } from './k8s-attributes-fixture.ts';
import { CONTAINER, cartPod, ownedBy, plainObject } from './kubernetes-objects.ts';

const contractServer = new FakeKubernetes();
const contractUrl = await contractServer.listen();
const contractDirectory = await mkdtemp(join(tmpdir(), 'kubeconfig-'));
after(async () => {
  await contractServer.close();
  await rm(contractDirectory, { recursive: true });
});
testProcessorContract(k8sAttributesProcessorFactory, {
  auth_type: 'kubeConfig',
  kube_config_path: await kubeconfig(contractDirectory, contractUrl),
  wait_for_metadata: true,
});

const BY_CONTAINER = {
  pod_association: [{ sources: [{ from: 'resource_attribute', name: 'container.id' }] }],
};

/** The processor as Pyroscope's documentation has it, but for how it logs in. */
const DOCUMENTED = parse(`
passthrough: false
extract:
  metadata:
    - k8s.pod.name
    - k8s.pod.uid
    - k8s.namespace.name
    - k8s.deployment.name
    - k8s.node.name
    - k8s.container.name
    - container.image.name
    - container.image.tag
    - service.name
    - service.namespace
    - service.instance.id
  otel_annotations: true
pod_association:
  - sources:
      - from: resource_attribute
        name: container.id
`) as object;

test('the documented configuration adds pod, container and service', { timeout: 20_000 }, async (t) => {
  const { fake, url, directory } = await serve(t);
  fake.apply('pods', cartPod());
  const { ask, settings } = await start(t, await kubeconfig(directory, url), DOCUMENTED);
  assert.deepEqual(await ask({ 'container.id': CONTAINER.cart, 'k8s.node.name': 'told' }), {
    'container.id': CONTAINER.cart,
    'k8s.node.name': 'told',
    'k8s.namespace.name': 'shop',
    'k8s.pod.name': 'cart-7d4b9c6f8d-x2x9z',
    'k8s.pod.uid': '0f8c1e55-8f0e-4a52-9c7e-2f5b8f6b0a11',
    'k8s.deployment.name': 'cart',
    'k8s.container.name': 'cart',
    'container.image.name': 'ghcr.io/shop/cart',
    'container.image.tag': '2.4.1',
    'service.name': 'cart',
    'service.namespace': 'shop',
    'service.instance.id': 'shop.cart-7d4b9c6f8d-x2x9z.cart',
    team: 'checkout',
  });
  assert.deepEqual(await ask({ 'container.id': 'unknown' }), { 'container.id': 'unknown' });
  const association = (labels: Texts): number => settings.meter.value('k8s_pod_association', labels);
  assert.equal(
    association({ status: 'success', pod_identifier: 'container.id', otelcol_signal: 'profiles' }),
    1,
  );
  assert.equal(association({ status: 'error', pod_identifier: 'container.id' }), 1);
  assert.equal(settings.meter.value('otelsvc_k8s_ip_lookup_miss'), 1);
  assert.equal(settings.meter.value('otelsvc_k8s_pod_table_size'), 1);
});

test('a Deployment is known by the hash of its pods, however long that is', {
  timeout: 20_000,
}, async (t) => {
  const { fake, url, directory } = await serve(t);
  const owner = { kind: 'ReplicaSet', name: 'cart-5d7f9c8b4', uid: 'b1', controller: true };
  fake.apply(
    'pods',
    cartPod({ metadata: { labels: { 'pod-template-hash': '5d7f9c8b4' }, ownerReferences: [owner] } }),
  );
  const config = { ...BY_CONTAINER, extract: { metadata: ['k8s.deployment.name', 'service.name'] } };
  const { ask } = await start(t, await kubeconfig(directory, url), config);
  assert.deepEqual(await ask({ 'container.id': CONTAINER.cart }), {
    'container.id': CONTAINER.cart,
    'k8s.deployment.name': 'cart',
    'service.name': 'cart',
  });
});

test('every container of a pod is found, also by prefixed id and by its run before', {
  timeout: 20_000,
}, async (t) => {
  const { fake, url, directory } = await serve(t);
  fake.apply('pods', cartPod());
  const config = {
    ...BY_CONTAINER,
    extract: { metadata: ['k8s.container.name', 'container.image.name', 'container.image.tag'] },
  };
  const { ask } = await start(t, await kubeconfig(directory, url), config);
  const container = async (id: string): Promise<string[]> => {
    const {
      'k8s.container.name': name,
      'container.image.name': image,
      'container.image.tag': tag,
    } = await ask({ 'container.id': id });
    return [name ?? '', image ?? '', tag ?? ''];
  };
  assert.deepEqual(await container(`containerd://${CONTAINER.cart}`), ['cart', 'ghcr.io/shop/cart', '2.4.1']);
  assert.deepEqual(await container(CONTAINER.cartBefore), ['cart', 'ghcr.io/shop/cart', '2.4.1']);
  assert.deepEqual(await container(CONTAINER.proxy), ['istio-proxy', 'docker.io/istio/proxyv2', 'latest']);
  assert.deepEqual(await container(CONTAINER.migrate), [
    'migrate',
    'registry.example.org:5000/shop/migrate',
    '9',
  ]);
  assert.deepEqual(await container(CONTAINER.debug), ['debugger', 'busybox', 'latest']);
});

test('an agent asks for the pods of its node alone, and for nothing else', { timeout: 20_000 }, async (t) => {
  const { fake, url, directory } = await serve(t);
  fake.apply('pods', cartPod());
  fake.apply(
    'pods',
    cartPod({
      name: 'far',
      uid: 'far',
      spec: { nodeName: 'worker-2' },
      status: { podIP: '10.9.9.9', podIPs: [] },
    }),
  );
  const { ask } = await start(t, await kubeconfig(directory, url), { filter: { node: 'worker-1' } });
  await fake.when(({ watches }) => watches === 1);
  assert.deepEqual(
    fake.requests.map((r) => [
      r.pathname,
      r.searchParams.get('fieldSelector'),
      r.searchParams.get('resourceVersion'),
    ]),
    [
      ['/api/v1/pods', 'spec.nodeName=worker-1', '0'],
      ['/api/v1/pods', 'spec.nodeName=worker-1', '102'],
    ],
  );
  assert.equal((await ask({ 'k8s.pod.ip': '10.244.1.17' }))['k8s.node.name'], 'worker-1');
  assert.equal((await ask({ 'k8s.pod.uid': 'far' }))['k8s.node.name'], undefined);
});

test('without rules a pod is told by address, container or uid', { timeout: 20_000 }, async (t) => {
  const { fake, url, directory } = await serve(t);
  fake.apply('pods', cartPod());
  fake.apply(
    'pods',
    cartPod({
      name: 'host',
      uid: 'host',
      spec: { hostNetwork: true },
      status: { podIP: '172.18.0.2', podIPs: [], containerStatuses: [] },
    }),
  );
  const { ask } = await start(t, await kubeconfig(directory, url));
  const pod = async (attributes: Texts): Promise<string | undefined> =>
    (await ask(attributes))['k8s.pod.name'];
  const cart = 'cart-7d4b9c6f8d-x2x9z';
  assert.equal(await pod({ 'k8s.pod.ip': '10.244.1.17' }), cart);
  assert.equal(await pod({ ip: 'fd00:10:244:1::11' }), cart);
  assert.equal(await pod({ 'host.name': '10.244.1.17' }), cart);
  assert.equal(await pod({ 'container.id': CONTAINER.cart, 'host.name': '172.18.0.2' }), cart);
  assert.equal(await pod({ 'k8s.pod.uid': 'host' }), 'host');
  assert.equal(await pod({ 'host.name': 'worker-1' }), undefined);
  assert.equal(await pod({ 'k8s.pod.ip': '172.18.0.2' }), undefined, 'an address of the host is nobody’s');
});

test('all metadata, from all kinds', { timeout: 20_000 }, async (t) => {
  const { fake, url, directory } = await serve(t);
  fake.apply('pods', cartPod());
  fake.apply(
    'replicasets',
    plainObject('cart-7d4b9c6f8d', 'b1c2d3e4-0000-4000-8000-000000000001', {
      namespace: 'shop',
      ...ownedBy('Deployment', 'cart', 'deployment-uid'),
    }),
  );
  fake.apply(
    'deployments',
    plainObject('cart', 'deployment-uid', { namespace: 'shop', labels: { tier: 'front' } }),
  );
  fake.apply('nodes', plainObject('worker-1', 'node-uid', { annotations: { zone: 'a' } }));
  fake.apply('namespaces', plainObject('kube-system', 'cluster-uid'));
  fake.apply(
    'namespaces',
    plainObject('shop', 'ns-uid', { labels: { 'kubernetes.io/metadata.name': 'shop', team: 'web' } }),
  );
  fake.apply('pods', {
    ...cartPod({
      name: 'clean-28000000-abcde',
      uid: 'clean',
      metadata: ownedBy('Job', 'clean-28000000', 'job-uid'),
      status: { containerStatuses: [], podIP: '10.1.1.1', podIPs: [] },
    }),
  });
  fake.apply(
    'jobs',
    plainObject('clean-28000000', 'job-uid', {
      namespace: 'shop',
      ...ownedBy('CronJob', 'clean', 'cronjob-uid'),
    }),
  );
  const { ask } = await start(t, await kubeconfig(directory, url), {
    ...BY_CONTAINER,
    pod_association: [
      ...BY_CONTAINER.pod_association,
      { sources: [{ from: 'resource_attribute', name: 'k8s.pod.uid' }] },
    ],
    extract: {
      metadata: [
        'k8s.deployment.name',
        'k8s.deployment.uid',
        'k8s.replicaset.name',
        'k8s.replicaset.uid',
        'k8s.node.uid',
        'k8s.cluster.uid',
        'k8s.pod.start_time',
        'k8s.pod.ip',
        'k8s.job.name',
        'k8s.cronjob.name',
        'k8s.cronjob.uid',
        'container.image.tags',
        'container.image.repo_digests',
        'service.version',
        'service.name',
      ],
      labels: [
        { from: 'deployment', key: 'tier' },
        { from: 'namespace', key_regex: '(te.*)', tag_name: 'ns.$1' },
        { key: 'app', tag_name: 'application' },
      ],
      annotations: [{ from: 'node', key: 'zone' }],
    },
  });
  assert.deepEqual(await ask({ 'container.id': CONTAINER.cart }), {
    'container.id': CONTAINER.cart,
    'k8s.deployment.name': 'cart',
    'k8s.deployment.uid': 'deployment-uid',
    'k8s.replicaset.name': 'cart-7d4b9c6f8d',
    'k8s.replicaset.uid': 'b1c2d3e4-0000-4000-8000-000000000001',
    'k8s.node.uid': 'node-uid',
    'k8s.cluster.uid': 'cluster-uid',
    'k8s.pod.start_time': '2026-03-01T10:00:00Z',
    'k8s.pod.ip': '10.244.1.17',
    'container.image.tags': '["2.4.1"]',
    'container.image.repo_digests':
      '["ghcr.io/shop/cart@sha256:0d17b565c37bcbd895e9d92315a05c1c3c9a29f762b011a10c54a66cd53c9b31"]',
    'service.version': '2.4.1',
    'service.name': 'cart',
    'k8s.deployment.label.tier': 'front',
    'ns.team': 'web',
    application: 'cart',
    'k8s.node.annotations.zone': 'a',
  });
  const job = await ask({ 'k8s.pod.uid': 'clean' });
  assert.deepEqual(
    [job['k8s.job.name'], job['k8s.cronjob.name'], job['k8s.cronjob.uid']],
    ['clean-28000000', 'clean', 'cronjob-uid'],
  );
  const partial = fake.requests.filter((r) => r.pathname !== '/api/v1/pods');
  assert.ok(partial.length >= 5);
});

test('pods that ask for it, or are excluded by name, are left alone', { timeout: 20_000 }, async (t) => {
  const { fake, url, directory } = await serve(t);
  fake.apply(
    'pods',
    cartPod({ metadata: { annotations: { 'opentelemetry.io/k8s-processor/ignore': ' True ' } } }),
  );
  fake.apply('pods', cartPod({ name: 'my-jaeger-agent-1', uid: 'jaeger' }));
  const { ask } = await start(t, await kubeconfig(directory, url));
  assert.deepEqual(await ask({ 'container.id': CONTAINER.cart }), { 'container.id': CONTAINER.cart });
  assert.deepEqual(await ask({ 'k8s.pod.uid': 'jaeger' }), { 'k8s.pod.uid': 'jaeger' });
});
