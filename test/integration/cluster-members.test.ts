// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { Cluster } from '../../src/discovery/cluster/cluster.ts';
import { clusteringSchema } from '../../src/discovery/cluster/config.ts';
import { testSettings } from '../../src/internal/testing/settings.ts';
import { FakeKubernetes, type FakeObject } from './fake-kubernetes.ts';

function slice(
  name: string,
  service: string,
  ...endpoints: readonly (readonly [string, boolean?])[]
): FakeObject {
  return {
    metadata: { name, namespace: 'obs', uid: name, labels: { 'kubernetes.io/service-name': service } },
    addressType: 'IPv4',
    endpoints: endpoints.map(([address, ready]) => ({ addresses: [address], conditions: { ready } })),
  };
}

test('members are the ready endpoints of a service and follow it', { timeout: 20_000 }, async (t) => {
  const directory = await mkdtemp(join(tmpdir(), 'cluster-'));
  const fake = new FakeKubernetes();
  const server = await fake.listen();
  const kubeconfig = join(directory, 'config');
  await writeFile(
    kubeconfig,
    JSON.stringify({
      'current-context': 'fake',
      contexts: [{ name: 'fake', context: { cluster: 'fake' } }],
      clusters: [{ name: 'fake', cluster: { server } }],
    }),
  );
  await writeFile(join(directory, 'namespace'), 'obs');
  fake.apply('endpointslices', slice('p-1', 'profiles', ['10.0.0.1', true], ['10.0.0.2', false]));
  fake.apply('endpointslices', slice('p-2', 'profiles', ['10.0.0.3']));
  fake.apply('endpointslices', slice('other', 'other', ['10.0.0.9']));

  let wake: () => void = () => undefined;
  const config = clusteringSchema.parse({
    enabled: true,
    self: '10.0.0.1',
    members: { kubernetes: { service: 'profiles', kubeconfig_file: kubeconfig } },
  });
  const pod = { env: {}, serviceAccount: directory };
  const cluster = new Cluster(testSettings(), config, () => wake(), { pod });
  const until = async (members: readonly string[]): Promise<void> => {
    while (cluster.members.join() !== members.join())
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
  };
  t.after(async () => {
    await cluster.stop();
    await fake.close();
    await rm(directory, { recursive: true });
  });
  await cluster.start();
  await until(['10.0.0.1', '10.0.0.3']);
  await fake.when(({ watches }) => watches === 1);
  fake.apply('endpointslices', slice('p-1', 'profiles', ['10.0.0.1', true], ['10.0.0.2', true]));
  await until(['10.0.0.1', '10.0.0.2', '10.0.0.3']);
  fake.delete('endpointslices', slice('p-2', 'profiles'));
  await until(['10.0.0.1', '10.0.0.2']);
  assert.ok(cluster.ready);
  // Of a service with both families there are slices of each, with the same pods.
  const other = slice('p-6', 'profiles', ['fd00::1', true], ['fd00::2', true]);
  fake.apply('endpointslices', { ...other, addressType: 'IPv6' });
  fake.apply('endpointslices', slice('p-2', 'profiles', ['10.0.0.3']));
  await until(['10.0.0.1', '10.0.0.2', '10.0.0.3']);
});
