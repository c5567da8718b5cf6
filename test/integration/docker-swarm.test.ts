// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { section } from '../../src/config/sections/section.ts';
import { discoveryShape } from '../../src/discovery/config.ts';
import { DiscoveryManager } from '../../src/discovery/manager.ts';
import { FakeClock } from '../../src/internal/testing/fake-clock.ts';
import { testSettings } from '../../src/internal/testing/settings.ts';
import { freePort } from '../free-port.ts';
import { Daemon, dockerdFor } from './dockerd.ts';

const HERE = '127.0.0.1';
const WITHIN_MS = 60_000;

/** What the API says of a task. */
interface Task {
  readonly ID: string;
  readonly Status: { readonly State: string; readonly Err?: string };
}

test('dockerswarm_sd_configs with a real swarm', { timeout: 180_000 }, async (t) => {
  const host = await dockerdFor(t);
  if (host === undefined) return;
  await t.test('of one node', (one) => ofOneNode(one, host));
});

async function ofOneNode(t: TestContext, host: string): Promise<void> {
  const daemon = new Daemon(host);
  await daemon.importImage(t, 'waiting');
  const { Id: image } = await daemon.get<{ Id: string }>('/images/waiting:1/json');
  await daemon.call('POST', '/swarm/init', {
    ListenAddr: `${HERE}:${await freePort()}`,
    AdvertiseAddr: HERE,
  });
  const network = await daemon.createNetwork({ Name: 'back', Driver: 'overlay', Labels: { team: 'x' } });
  const [webPort, apiPort] = [await freePort(), await freePort()];
  const web = await createService(daemon, { name: 'web', image, network, port: webPort, replicas: 1 });
  // A virtual address is given to a service that has no task, too; to route it takes a kernel with IPVS.
  const api = await createService(daemon, { name: 'api', image, network, port: apiPort, replicas: 0 });
  t.after(() => endSwarm(daemon, host, [web, api]));
  const task = await runningTask(daemon);
  const [{ ID: node } = assert.fail()] = await daemon.get<{ ID: string }[]>('/nodes');

  await t.test('finds the node', async (one) => {
    const [found, ...others] = await discovered(one, host, 'nodes');
    assert.equal(others.length, 0);
    assert.equal(found?.['__address__'], `${HERE}:80`);
    assert.equal(found['__meta_dockerswarm_node_id'], node);
    assert.equal(found['__meta_dockerswarm_node_role'], 'manager');
    assert.equal(found['__meta_dockerswarm_node_status'], 'ready');
    assert.equal(found['__meta_dockerswarm_node_manager_leader'], 'true');
  });

  await t.test('finds a service at its virtual address', async (one) => {
    const [found, ...others] = await discovered(one, host, 'services');
    assert.equal(others.length, 0, JSON.stringify(others));
    assert.match(found?.['__address__'] ?? '', new RegExp(`^10\\.\\d+\\.\\d+\\.\\d+:${apiPort}$`));
    assert.equal(found?.['__meta_dockerswarm_service_id'], api);
    assert.equal(found['__meta_dockerswarm_service_name'], 'api');
    assert.equal(found['__meta_dockerswarm_service_mode'], 'replicated');
    assert.equal(found['__meta_dockerswarm_service_label_team'], 'api');
    assert.equal(found['__meta_dockerswarm_service_endpoint_port_publish_mode'], 'host');
    assert.equal(found['__meta_dockerswarm_service_task_container_image'], image);
    assert.equal(found['__meta_dockerswarm_network_id'], network);
    assert.equal(found['__meta_dockerswarm_network_label_team'], 'x');
  });

  await t.test('finds a task on its node and in its network', async (one) => {
    const found = await discovered(one, host, 'tasks');
    const inNetwork = found.filter((target) => target['__meta_dockerswarm_network_name'] === 'back');
    const onNode = found.filter((target) => target['__meta_dockerswarm_network_name'] === undefined);
    assert.deepEqual([found.length, onNode.length, inNetwork.length], [2, 1, 1], JSON.stringify(found));
    assert.equal(onNode[0]?.['__address__'], `${HERE}:${webPort}`);
    assert.match(inNetwork[0]?.['__address__'] ?? '', new RegExp(`^10\\.\\d+\\.\\d+\\.\\d+:${webPort}$`));
    for (const target of found) {
      assert.equal(target['__meta_dockerswarm_task_id'], task);
      assert.equal(target['__meta_dockerswarm_task_state'], 'running');
      assert.equal(target['__meta_dockerswarm_task_slot'], '1');
      assert.equal(target['__meta_dockerswarm_container_label_of'], 'web');
      assert.equal(target['__meta_dockerswarm_service_id'], web);
      assert.equal(target['__meta_dockerswarm_node_id'], node);
    }
  });
}

/** Takes away what was made, the bridge that the daemon gave the host for it included. */
async function endSwarm(daemon: Daemon, host: string, services: readonly string[]): Promise<void> {
  for (const service of services) await daemon.call('DELETE', `/services/${service}`);
  while ((await daemon.get<Task[]>('/tasks')).length > 0) await delay(100);
  await daemon.close();
  const last = new Daemon(host);
  await last.call('POST', '/swarm/leave?force=1');
  await last.call('DELETE', '/networks/docker_gwbridge');
  await last.close();
}

/** Creates a service of the program that waits; gives its id. */
async function createService(
  daemon: Daemon,
  options: {
    readonly name: string;
    readonly image: string;
    readonly network: string;
    readonly port: number;
    readonly replicas: number;
  },
): Promise<string> {
  const { name, image, network, port, replicas } = options;
  const { ID = '' } = await daemon.call('POST', '/services/create', {
    Name: name,
    Labels: { team: name },
    TaskTemplate: {
      // An image that is named by its digest is looked for in no registry.
      ContainerSpec: { Image: image, Args: ['/wait'], Labels: { of: name }, StopGracePeriod: 1 },
      Networks: [{ Target: network }],
    },
    Mode: { Replicated: { Replicas: replicas } },
    EndpointSpec: {
      Mode: replicas > 0 ? 'dnsrr' : 'vip',
      Ports: [{ Protocol: 'tcp', TargetPort: 8080, PublishedPort: port, PublishMode: 'host' }],
    },
  });
  return ID;
}

/** The id of the only task, once it runs. */
async function runningTask(daemon: Daemon): Promise<string> {
  const end = performance.now() + WITHIN_MS;
  for (;;) {
    const tasks = await daemon.get<Task[]>('/tasks');
    const found = tasks.find(({ Status }) => Status.State === 'running');
    if (found !== undefined) return found.ID;
    assert.ok(performance.now() < end, JSON.stringify(tasks.map(({ Status }) => Status)));
    await delay(100);
  }
}

async function discovered(
  t: TestContext,
  host: string,
  role: 'nodes' | 'services' | 'tasks',
): Promise<Record<string, string>[]> {
  const config = section(discoveryShape).parse({ dockerswarm_sd_configs: [{ host, role }] });
  const found: Record<string, string>[] = [];
  const manager = new DiscoveryManager(
    testSettings(),
    config,
    (targets) => {
      found.splice(0, found.length, ...targets.map((labels) => Object.fromEntries(labels)));
    },
    new FakeClock(),
  );
  t.after(() => manager.stop());
  await manager.start();
  await manager.ready;
  assert.equal(manager.status()[0]?.lastError, undefined);
  return found;
}
