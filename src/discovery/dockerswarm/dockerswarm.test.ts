// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import { listenHttp, sendText } from '../../internal/http-server.ts';
import { type SourceUnderTest, runSource } from '../testing/run-source.ts';
import { dockerSwarmSdSchema } from './config.ts';
import { dockerSwarmSource } from './source.ts';

const NODES = [
  {
    ID: 'node1',
    Spec: { Role: 'manager', Availability: 'active', Labels: { 'disk-type': 'ssd' } },
    Description: {
      Hostname: 'oxygen',
      Platform: { Architecture: 'x86_64', OS: 'linux' },
      Engine: { EngineVersion: '20.10.24' },
    },
    Status: { State: 'ready', Addr: '192.168.1.1' },
    ManagerStatus: { Leader: true, Reachability: 'reachable', Addr: '192.168.1.1:2377' },
  },
  {
    ID: 'node2',
    Spec: { Role: 'worker', Availability: 'drain' },
    Description: { Hostname: 'argon' },
    Status: { State: 'down', Addr: '' },
  },
];
const NETWORKS = [
  { Id: 'net1', Name: 'backend', Scope: 'swarm', Internal: false, Ingress: true, Labels: { a: 'b' } },
];
const PORT = { Name: 'web', Protocol: 'tcp', TargetPort: 80, PublishedPort: 8080, PublishMode: 'ingress' };
const SERVICES = [
  {
    ID: 'service1',
    Spec: {
      Name: 'shop',
      Labels: { 'com.example': 'x' },
      Mode: { Replicated: { Replicas: 2 } },
      TaskTemplate: { ContainerSpec: { Image: 'shop:1', Hostname: 'shop' } },
    },
    Endpoint: {
      Ports: [PORT, { ...PORT, Protocol: 'udp', PublishedPort: 53 }],
      VirtualIPs: [
        { NetworkID: 'net1', Addr: '10.0.0.3/24' },
        { NetworkID: 'net1', Addr: 'nonsense' },
      ],
    },
    UpdateStatus: { State: 'completed' },
  },
  {
    ID: 'service2',
    Spec: { Name: 'plugin', Mode: { Global: {} }, TaskTemplate: {} },
    Endpoint: { VirtualIPs: [{ NetworkID: 'none', Addr: 'fd00::3/64' }] },
  },
];
const TASKS = [
  {
    ID: 'task1',
    ServiceID: 'service1',
    NodeID: 'node1',
    Slot: 2,
    DesiredState: 'running',
    Spec: { ContainerSpec: { Labels: { tier: 'front' } } },
    Status: {
      State: 'running',
      ContainerStatus: { ContainerID: 'container1' },
      PortStatus: { Ports: [{ Protocol: 'tcp', PublishedPort: 9100, PublishMode: 'host' }] },
    },
    NetworksAttachments: [{ Network: { ID: 'net1' }, Addresses: ['10.0.0.7/24', 'bad'] }],
  },
  {
    ID: 'task2',
    ServiceID: 'service2',
    NodeID: 'node2',
    Status: { State: 'failed', PortStatus: { Ports: [{ Protocol: 'tcp', PublishedPort: 1 }] } },
    NetworksAttachments: [{ Network: { ID: 'gone' }, Addresses: ['10.0.0.8/24'] }],
  },
];

const ANSWERS: ReadonlyMap<string, unknown> = new Map<string, unknown>([
  ['/nodes', NODES],
  ['/networks', NETWORKS],
  ['/services', SERVICES],
  ['/tasks', TASKS],
]);

async function discover(t: TestContext, role: string, config: object = {}) {
  const asked: string[] = [];
  const server = await listenHttp({ endpoint: '127.0.0.1:0' }, (request, response) => {
    const [path = ''] = (request.url ?? '').split('?');
    if (path === '/events') {
      response.writeHead(404).end();
      return;
    }
    asked.push(decodeURIComponent(request.url ?? ''));
    sendText(response, 200, JSON.stringify(ANSWERS.get(path)), 'application/json');
  });
  t.after(() => server.close(AbortSignal.abort()));
  const parsed = dockerSwarmSdSchema.parse({ host: server.url, role, ...config });
  const run: SourceUnderTest = runSource(t, (context) => dockerSwarmSource(parsed, context));
  await run.next();
  const targets = run
    .targets()
    .map((labels) =>
      Object.fromEntries(
        Object.entries(labels).map(([name, value]) => [name.replace('__meta_dockerswarm_', ''), value]),
      ),
    );
  return { run, asked, targets };
}

const NODE = {
  node_address: '192.168.1.1',
  node_availability: 'active',
  node_engine_version: '20.10.24',
  node_hostname: 'oxygen',
  node_id: 'node1',
  node_label_disk_type: 'ssd',
  node_manager_address: '192.168.1.1:2377',
  node_manager_leader: 'true',
  node_manager_reachability: 'reachable',
  node_platform_architecture: 'x86_64',
  node_platform_os: 'linux',
  node_role: 'manager',
  node_status: 'ready',
};
const NETWORK = {
  network_id: 'net1',
  network_ingress: 'true',
  network_internal: 'false',
  network_label_a: 'b',
  network_name: 'backend',
  network_scope: 'swarm',
};
const SERVICE = {
  service_id: 'service1',
  service_label_com_example: 'x',
  service_mode: 'replicated',
  service_name: 'shop',
};

describe('dockerswarm_sd_configs', () => {
  it('makes targets of nodes', async (t) => {
    const { targets, run, asked } = await discover(t, 'nodes', {
      filters: [{ name: 'role', values: ['manager'] }],
    });
    assert.deepEqual(targets, [{ __address__: '192.168.1.1:80', ...NODE }]);
    assert.deepEqual(asked, ['/nodes?filters={"role":["manager"]}']);
    assert.equal(run.settings.meter.value('discovery_left_out', { reason: 'no_address' }), 1);
  });

  it('makes targets of services', async (t) => {
    const { targets, run } = await discover(t, 'services', { port: 4040 });
    assert.deepEqual(targets, [
      {
        __address__: '10.0.0.3:8080',
        ...SERVICE,
        ...NETWORK,
        service_endpoint_port_name: 'web',
        service_endpoint_port_publish_mode: 'ingress',
        service_task_container_hostname: 'shop',
        service_task_container_image: 'shop:1',
        service_updating_status: 'completed',
      },
      {
        __address__: '[fd00::3]:4040',
        service_id: 'service2',
        service_mode: 'global',
        service_name: 'plugin',
      },
    ]);
    assert.equal(run.settings.meter.value('discovery_left_out', { reason: 'invalid_address' }), 1);
  });

  it('makes targets of tasks', async (t) => {
    const { targets, run } = await discover(t, 'tasks');
    const common = {
      ...NODE,
      ...SERVICE,
      container_label_tier: 'front',
      task_container_id: 'container1',
      task_desired_state: 'running',
      task_id: 'task1',
      task_slot: '2',
      task_state: 'running',
    };
    assert.deepEqual(targets.slice(0, 2), [
      { __address__: '192.168.1.1:9100', ...common, task_port_publish_mode: 'host' },
      { __address__: '10.0.0.7:8080', ...common, ...NETWORK, task_port_publish_mode: 'ingress' },
    ]);
    assert.equal(targets[2]?.['__address__'], '10.0.0.8:80');
    assert.equal(targets.length, 3);
    assert.equal(run.settings.meter.value('discovery_left_out', { reason: 'invalid_address' }), 1);
    assert.equal(run.settings.meter.value('discovery_left_out', { reason: 'no_address' }), 1);
  });

  it('asks again after refresh_interval', { timeout: 10_000 }, async (t) => {
    const { run, asked } = await discover(t, 'nodes', { refresh_interval: '40s' });
    const again = run.next();
    await run.clock.advance(40_000);
    await again;
    assert.deepEqual(asked, ['/nodes', '/nodes']);
  });

  it('wants a role', () => {
    const message = (role: unknown): string | undefined =>
      dockerSwarmSdSchema.safeParse({ host: 'tcp://a:1', role }).error?.issues[0]?.message;
    assert.equal(message('pods'), 'invalid role pods, expected tasks, services, or nodes');
    assert.equal(message(undefined), 'role missing (one of: tasks, services, nodes)');
  });
});
