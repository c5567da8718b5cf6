// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { kubernetesSdSchema } from '../../src/discovery/kubernetes/config.ts';
import { kubernetesSource } from '../../src/discovery/kubernetes/source.ts';
import type { SourceContext, TargetGroup } from '../../src/discovery/target.ts';
import { systemClock } from '../../src/internal/clock.ts';
import { makeCertificates } from '../../src/internal/testing/certificates.ts';
import { testSettings } from '../../src/internal/testing/settings.ts';
import { FakeKubernetes, type FakeKubernetesOptions, type FakeObject } from './fake-kubernetes.ts';
import { cartPod, ownedBy, plainObject } from './kubernetes-objects.ts';

const WAIT = { timeout: 20_000 };

/** A cluster with a discovery on it, and what the discovery says. */
class Cluster {
  readonly fake: FakeKubernetes;
  readonly groups = new Map<string, TargetGroup>();
  /** Names of the groups of each update. */
  readonly updates: string[][] = [];
  readonly failures: string[] = [];
  readonly leftOut: string[] = [];
  readonly settings = testSettings();
  readonly #waiting: (() => void)[] = [];

  constructor(fake: FakeKubernetes) {
    this.fake = fake;
  }

  readonly context: SourceContext = {
    settings: this.settings,
    clock: systemClock,
    failed: (error) => {
      this.failures.push(String(error));
      this.#wake();
    },
    leftOut: (reason, name) => {
      this.leftOut.push(`${reason} ${name}`);
      this.#wake();
    },
    learns: () => undefined,
  };

  readonly update = (groups: readonly TargetGroup[]): void => {
    this.updates.push(groups.map(({ name }) => name));
    for (const group of groups) {
      if (group.targets.length === 0) this.groups.delete(group.name);
      else this.groups.set(group.name, group);
    }
    this.#wake();
  };

  async until(condition: () => boolean): Promise<void> {
    while (!condition()) await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }

  /** A label of a group without its prefix. */
  label(group: string, name: string): string | undefined {
    return this.groups.get(group)?.labels.get(`__meta_kubernetes_${name}`);
  }

  get names(): string[] {
    return [...this.groups.keys()].sort();
  }

  #wake(): void {
    for (const resume of this.#waiting.splice(0)) resume();
  }
}

async function start(t: TestContext, config: object, options: FakeKubernetesOptions = {}) {
  const directory = await mkdtemp(join(tmpdir(), 'kube-sd-'));
  const fake = new FakeKubernetes(options);
  const url = new URL(await fake.listen());
  const cluster = new Cluster(fake);
  const stop = new AbortController();
  let running: Promise<void> | undefined;
  const kubeconfig = join(directory, 'config');
  await writeFile(
    kubeconfig,
    JSON.stringify({
      'current-context': 'fake',
      contexts: [{ name: 'fake', context: { cluster: 'fake' } }],
      clusters: [{ name: 'fake', cluster: { server: url.origin } }],
    }),
  );
  t.after(async () => {
    stop.abort();
    await running;
    await fake.close();
    await rm(directory, { recursive: true });
  });
  const run = (changes: object = { kubeconfig_file: kubeconfig }): void => {
    const surroundings = {
      env: { KUBERNETES_SERVICE_HOST: url.hostname, KUBERNETES_SERVICE_PORT: url.port },
      serviceAccount: directory,
    };
    const parsed = kubernetesSdSchema.parse({ ...config, ...changes });
    running = kubernetesSource(parsed, cluster.context, surroundings).run(cluster.update, stop.signal);
  };
  return { cluster, fake, directory, run, url };
}

const pod = (name: string, namespace = 'shop', changes: Parameters<typeof cartPod>[0] = {}): FakeObject =>
  cartPod({ ...changes, name, uid: `uid-${name}`, metadata: { namespace, ...changes?.metadata } });

test('pods are listed in pages, followed, and gone when they are deleted', WAIT, async (t) => {
  const { cluster, fake, run } = await start(t, { role: 'pod' }, { pageSize: 2 });
  for (const name of ['a', 'b', 'c', 'd', 'e']) fake.apply('pods', pod(name));
  run();
  await cluster.until(() => cluster.updates.length === 1);
  assert.deepEqual(cluster.names, ['pod/shop/a', 'pod/shop/b', 'pod/shop/c', 'pod/shop/d', 'pod/shop/e']);

  await fake.when(({ watches }) => watches === 1);
  fake.apply('pods', pod('f'));
  await cluster.until(() => cluster.groups.has('pod/shop/f'));
  fake.apply('pods', pod('a', 'shop', { status: { phase: 'Failed' } }));
  await cluster.until(() => cluster.label('pod/shop/a', 'pod_phase') === 'Failed');
  fake.delete('pods', pod('b'));
  await cluster.until(() => !cluster.groups.has('pod/shop/b'));
  // One pod changed, so one group was made again.
  assert.deepEqual(cluster.updates.slice(1), [['pod/shop/f'], ['pod/shop/a'], ['pod/shop/b']]);
  assert.deepEqual(
    cluster.settings.meter.value('discovery_kubernetes_events', { kind: 'pod', event: 'add' }),
    6,
  );
});

test(
  'a watch that is cut goes on, and one that has expired lists again and tells what has changed',
  WAIT,
  async (t) => {
    const { cluster, fake, run } = await start(t, { role: 'pod' });
    fake.apply('pods', pod('a'));
    fake.apply('pods', pod('b'));
    run();
    await fake.when(({ watches }) => watches === 1);
    await cluster.until(() => cluster.updates.length === 1);
    fake.disconnect();
    fake.apply('pods', pod('c'));
    await cluster.until(() => cluster.groups.has('pod/shop/c'));

    await fake.when(({ watches }) => watches === 1);
    const before = cluster.updates.length;
    fake.disconnect();
    fake.delete('pods', pod('a'));
    fake.apply('pods', pod('d'));
    fake.compact();
    await cluster.until(() => cluster.groups.has('pod/shop/d'));
    assert.deepEqual(cluster.names, ['pod/shop/b', 'pod/shop/c', 'pod/shop/d']);
    // b and c are as they were: nothing is made of them.
    assert.deepEqual([...new Set(cluster.updates.slice(before).flat())].sort(), ['pod/shop/a', 'pod/shop/d']);
  },
);

test('a bookmark saves the list after a compaction', WAIT, async (t) => {
  const { cluster, fake, run } = await start(t, { role: 'pod' });
  fake.apply('pods', pod('a'));
  run();
  await fake.when(({ watches }) => watches === 1);
  fake.compact();
  fake.sendBookmarks();
  fake.apply('pods', pod('b'));
  await cluster.until(() => cluster.groups.has('pod/shop/b'));
  fake.disconnect();
  fake.apply('pods', pod('c'));
  await cluster.until(() => cluster.groups.has('pod/shop/c'));
  const lists = fake.requests.filter(({ searchParams }) => searchParams.get('watch') === null);
  assert.equal(lists.length, 1);
});

test('an object that makes no sense is left out, and costs nothing else', WAIT, async (t) => {
  const { cluster, fake, run } = await start(t, { role: 'pod' });
  fake.apply('pods', pod('a'));
  fake.apply('pods', { metadata: { name: '', uid: '' } });
  fake.apply('pods', { metadata: { name: 'odd', uid: 'odd' }, spec: 7, status: ['?'] });
  fake.apply('pods', pod('b'));
  run();
  await cluster.until(() => cluster.updates.length === 1);
  assert.deepEqual(cluster.names, ['pod/shop/a', 'pod/shop/b']);
  assert.deepEqual(cluster.leftOut, ['unreadable pod ']);
});

test('several namespaces are watched, and one that is refused costs only itself', WAIT, async (t) => {
  const { cluster, fake, run } = await start(t, {
    role: 'pod',
    namespaces: { names: ['shop', 'bank', 'shop'] },
  });
  for (const namespace of ['shop', 'bank', 'other']) fake.apply('pods', pod('a', namespace));
  fake.refuse = ({ pathname }) => pathname.includes('/namespaces/bank/');
  run();
  await cluster.until(() => cluster.updates.length === 1);
  assert.deepEqual(cluster.names, ['pod/shop/a']);
  assert.deepEqual(cluster.failures, []);
  assert.deepEqual(
    cluster.settings.logger.entries.filter(({ level }) => level === 'warn').map(({ message }) => message),
    ['cannot watch pod objects; discovery goes on without them'],
  );
  fake.refuse = () => false;
  await cluster.until(() => cluster.groups.has('pod/bank/a'));
});

test('where all is refused the source says so, with what to do', WAIT, async (t) => {
  const { cluster, fake, run } = await start(t, { role: 'service' });
  fake.forbidden.add('services');
  run();
  await cluster.until(() => cluster.failures.length > 0);
  assert.deepEqual(cluster.updates, []);
  assert.match(
    cluster.failures[0] ?? '',
    /^Error: cannot watch \/api\/v1\/services: services is forbidden: .*; grant get, list and watch on it to the service account$/,
  );
});

test('what is attached is followed too, and remakes only the groups that have it', WAIT, async (t) => {
  const { cluster, fake, run } = await start(t, {
    role: 'pod',
    attach_metadata: { node: true, namespace: true, deployment: true, job: true, cronjob: true },
  });
  fake.apply('pods', pod('a'));
  fake.apply('pods', pod('b', 'bank', { spec: { nodeName: 'worker-2' } }));
  fake.apply(
    'pods',
    pod('c', 'bank', { metadata: ownedBy('Job', 'report-28', 'j1'), spec: { nodeName: 'worker-2' } }),
  );
  fake.apply('nodes', plainObject('worker-1', 'n1', { labels: { zone: 'a' } }));
  fake.apply('namespaces', plainObject('shop', 's1', { labels: { team: 'checkout' } }));
  fake.apply(
    'replicasets',
    plainObject('cart-7d4b9c6f8d', 'r1', { namespace: 'shop', ...ownedBy('Deployment', 'cart', 'd1') }),
  );
  fake.apply(
    'jobs',
    plainObject('report-28', 'j1', { namespace: 'bank', ...ownedBy('CronJob', 'report', 'c1') }),
  );
  run();
  await cluster.until(() => cluster.updates.length === 1);
  const labels = (group: string): (string | undefined)[] =>
    [
      'node_name',
      'node_label_zone',
      'namespace_label_team',
      'pod_deployment_name',
      'pod_job_name',
      'pod_cronjob_name',
    ].map((name) => cluster.label(group, name));
  const none = undefined;
  assert.deepEqual(labels('pod/shop/a'), ['worker-1', 'a', 'checkout', 'cart', none, none]);
  assert.deepEqual(labels('pod/bank/c'), [none, none, none, none, 'report-28', 'report']);
  assert.equal(cluster.label('pod/shop/a', 'namespace_name'), none);

  await fake.when(({ watches }) => watches === 5);
  fake.apply('nodes', plainObject('worker-1', 'n1', { labels: { zone: 'b' } }));
  await cluster.until(() => cluster.label('pod/shop/a', 'node_label_zone') === 'b');
  fake.apply('nodes', plainObject('worker-2', 'n2'));
  await cluster.until(() => cluster.label('pod/bank/b', 'node_name') === 'worker-2');
  fake.delete('namespaces', plainObject('shop', 's1'));
  await cluster.until(() => cluster.label('pod/shop/a', 'namespace_label_team') === undefined);
  assert.deepEqual(cluster.updates.slice(1), [['pod/shop/a'], ['pod/bank/b', 'pod/bank/c'], ['pod/shop/a']]);
  const partial = fake.requests.map(({ pathname }) => pathname);
  assert.ok(partial.includes('/apis/apps/v1/replicasets') && partial.includes('/apis/batch/v1/jobs'));
});

test('nodes that may not be read cost their labels and nothing else', WAIT, async (t) => {
  const { cluster, fake, run } = await start(t, { role: 'pod', attach_metadata: { node: true } });
  fake.forbidden.add('nodes');
  fake.apply('pods', pod('a'));
  run();
  await cluster.until(() => cluster.updates.length === 1);
  assert.deepEqual(cluster.names, ['pod/shop/a']);
  assert.deepEqual(cluster.failures, []);
});

test(
  'selectors go to the server, and a selector for nodes takes the pods of the others away',
  WAIT,
  async (t) => {
    const { cluster, fake, run } = await start(t, {
      role: 'pod',
      selectors: [
        { role: 'pod', label: 'app=cart', field: 'status.phase=Running' },
        { role: 'node', label: 'gpu=yes' },
      ],
    });
    fake.apply('nodes', plainObject('worker-1', 'n1', { labels: { gpu: 'yes' } }));
    fake.apply('nodes', plainObject('worker-2', 'n2'));
    fake.apply('pods', pod('a'));
    fake.apply('pods', pod('b', 'shop', { spec: { nodeName: 'worker-2' } }));
    fake.apply('pods', pod('c', 'shop', { metadata: { labels: { app: 'other' } } }));
    fake.apply('pods', pod('d', 'shop', { status: { phase: 'Failed' } }));
    run();
    await cluster.until(() => cluster.updates.length === 1);
    assert.deepEqual(cluster.names, ['pod/shop/a']);
    // The labels of a node come with attach_metadata.node only.
    assert.equal(cluster.label('pod/shop/a', 'node_name'), undefined);
  },
);

const service: FakeObject = {
  metadata: { name: 'cart', namespace: 'shop', uid: 's', labels: { tier: 'web' } },
  spec: { ports: [{ port: 80 }] },
};
const targetRef = { kind: 'Pod', name: 'a', namespace: 'shop' };

for (const [role, plural, object] of [
  [
    'endpoints',
    'endpoints',
    {
      metadata: { name: 'cart', namespace: 'shop', uid: 'e' },
      subsets: [{ addresses: [{ ip: '10.244.1.17', targetRef }], ports: [{ port: 8080 }] }],
    },
  ],
  [
    'endpointslice',
    'endpointslices',
    {
      metadata: {
        name: 'cart',
        namespace: 'shop',
        uid: 'e',
        labels: { 'kubernetes.io/service-name': 'cart' },
      },
      addressType: 'IPv4',
      endpoints: [{ addresses: ['10.244.1.17'], targetRef }],
      ports: [{ port: 8080 }],
    },
  ],
] as const satisfies readonly (readonly [string, string, FakeObject])[]) {
  test(`targets of role ${role} follow their service and their pods`, WAIT, async (t) => {
    const { cluster, fake, run } = await start(t, { role });
    const name = `${role}/shop/cart`;
    fake.apply(plural, object);
    fake.apply('services', service);
    run();
    await cluster.until(() => cluster.updates.length === 1);
    assert.equal(cluster.label(name, 'service_label_tier'), 'web');
    const podName = (): string | undefined =>
      cluster.groups.get(name)?.targets[0]?.get('__meta_kubernetes_pod_name');
    assert.equal(podName(), undefined);
    await fake.when(({ watches }) => watches === 3);
    fake.apply('pods', pod('unrelated'));
    fake.apply('pods', pod('a'));
    await cluster.until(() => podName() === 'a');
    fake.apply('services', { ...service, metadata: { ...service.metadata, labels: { tier: 'api' } } });
    await cluster.until(() => cluster.label(name, 'service_label_tier') === 'api');
    fake.delete('pods', pod('a'));
    await cluster.until(() => podName() === undefined);
    fake.delete(plural, object);
    await cluster.until(() => cluster.groups.size === 0);
  });
}

test('nodes, services and ingresses are found', WAIT, async (t) => {
  const objects: readonly (readonly [string, string, FakeObject])[] = [
    [
      'node',
      'nodes',
      { ...plainObject('n', 'n'), status: { addresses: [{ type: 'InternalIP', address: '10.0.0.1' }] } },
    ],
    ['service', 'services', service],
    [
      'ingress',
      'ingresses',
      { ...plainObject('web', 'i', { namespace: 'shop' }), spec: { rules: [{ host: 'a' }] } },
    ],
  ];
  for (const [role, plural, object] of objects) {
    const { cluster, fake, run } = await start(t, { role });
    fake.apply(plural, object);
    run();
    await cluster.until(() => cluster.updates.length === 1);
    assert.equal(cluster.groups.size, 1, role);
  }
});

test(
  'in a pod the token of the service account is used, and a new one when it is replaced',
  WAIT,
  async (t) => {
    const {
      ca,
      server: { cert, key },
    } = makeCertificates();
    const { cluster, fake, directory, run } = await start(
      t,
      { role: 'pod', namespaces: { own_namespace: true } },
      { token: 'first', tls: { cert, key } },
    );
    await writeFile(join(directory, 'ca.crt'), ca);
    await writeFile(join(directory, 'namespace'), 'shop\n');
    await writeFile(join(directory, 'token'), 'first');
    fake.apply('pods', pod('a'));
    fake.apply('pods', pod('a', 'bank'));
    run({});
    await fake.when(({ watches }) => watches === 1);
    await cluster.until(() => cluster.updates.length === 1);
    assert.deepEqual(cluster.names, ['pod/shop/a']);

    await writeFile(join(directory, 'token'), 'second');
    fake.token = 'second';
    fake.disconnect();
    fake.apply('pods', pod('b'));
    await cluster.until(() => cluster.groups.has('pod/shop/b'));
  },
);

test('an API server that is named is asked with the HTTP client that is configured', WAIT, async (t) => {
  const {
    ca,
    server: { cert, key },
  } = makeCertificates();
  const { cluster, fake, directory, run, url } = await start(
    t,
    { role: 'pod' },
    { token: 'first', tls: { cert, key } },
  );
  const file = join(directory, 'secret');
  await writeFile(file, 'first');
  fake.apply('pods', pod('a'));
  run({ api_server: `${url.origin}/`, bearer_token_file: file, tls_config: { ca } });
  await fake.when(({ watches }) => watches === 1);
  await cluster.until(() => cluster.updates.length === 1);
  await writeFile(file, 'second');
  fake.token = 'second';
  fake.disconnect();
  fake.apply('pods', pod('b'));
  await cluster.until(() => cluster.groups.has('pod/shop/b'));
});

test('outside of a cluster it says what is missing', WAIT, async (t) => {
  const { cluster } = await start(t, {});
  const parsed = kubernetesSdSchema.parse({ role: 'pod' });
  const source = kubernetesSource(parsed, cluster.context, { env: {}, serviceAccount: '/nowhere' });
  await assert.rejects(source.run(cluster.update, new AbortController().signal), {
    message:
      /^unable to load k8s config, KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT must be defined/,
  });
});
