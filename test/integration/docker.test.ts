// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { hostname } from 'node:os';
import { type TestContext, test } from 'node:test';
import { section } from '../../src/config/sections/section.ts';
import { discoveryShape } from '../../src/discovery/config.ts';
import { DockerClient } from '../../src/discovery/docker/client.ts';
import { DiscoveryManager } from '../../src/discovery/manager.ts';
import { FakeClock } from '../../src/internal/testing/fake-clock.ts';
import { RecordingConsumer } from '../../src/internal/testing/recording-consumer.ts';
import { never, testHost, testSettings } from '../../src/internal/testing/settings.ts';
import { getText } from '../../src/pdata/attributes.ts';
import { batchFromFolded } from '../../src/pdata/folded.ts';
import { configSchema } from '../../src/processors/resource-detection/config.ts';
import { resourceDetectionProcessorFactory } from '../../src/processors/resource-detection/factory.ts';
import { Daemon, dockerdFor } from './dockerd.ts';

test('with a real daemon', { timeout: 120_000 }, async (t) => {
  const host = await dockerdFor(t);
  if (host === undefined) return;
  await t.test('the docker detector takes host.name and os.type', async (one) => detects(one, host));
  await t.test('docker_sd_configs finds a container with its labels', async (one) => discovers(one, host));
});

async function discovers(t: TestContext, host: string): Promise<void> {
  const daemon = new Daemon(host);
  t.after(() => daemon.close());
  await daemon.importImage(t, 'waiting');
  const network = await daemon.createNetwork({ Name: 'profiles', Driver: 'bridge', Labels: { team: 'x' } });
  const id = await daemon.run('shop', {
    Labels: { 'com.example.service': 'shop', 'not.wanted': 'no' },
    ExposedPorts: { '8080/tcp': {}, '53/udp': {} },
    HostConfig: { NetworkMode: 'profiles' },
  });
  await daemon.run('unlabelled', { HostConfig: { NetworkMode: 'none' } });
  const onHost = await daemon.run('agent', {
    Labels: { 'com.example.service': 'agent' },
    HostConfig: { NetworkMode: 'host' },
  });
  const config = section(discoveryShape).parse({
    docker_sd_configs: [
      { host, refresh_interval: '1000h', filters: [{ name: 'label', values: ['com.example.service'] }] },
    ],
    relabel_configs: [
      { action: 'labeldrop', regex: '__meta_docker_container_label_not_.*' },
      { source_labels: ['__meta_docker_container_label_com_example_service'], target_label: 'service_name' },
    ],
  });
  const found: object[] = [];
  const clock = new FakeClock();
  const manager = new DiscoveryManager(
    testSettings(),
    config,
    (targets) => {
      found.splice(0, found.length, ...targets.map((labels) => Object.fromEntries(labels)));
    },
    clock,
  );
  t.after(() => manager.stop());
  await manager.start();
  await manager.ready;
  assert.deepEqual(manager.status()[0]?.lastError, undefined);
  const networks = { __meta_docker_network_ingress: 'false', __meta_docker_network_internal: 'false' };
  const [agent, shop, ...others] = found.toSorted((a, b) => (nameOf(a) < nameOf(b) ? -1 : 1));
  assert.deepEqual(others, []);
  const ip = String(Reflect.get(shop ?? {}, '__meta_docker_network_ip'));
  assert.match(ip, /^\d+\.\d+\.\d+\.2$/);
  assert.deepEqual(shop, {
    ...networks,
    __address__: `${ip}:8080`,
    __meta_docker_container_id: id,
    __meta_docker_container_label_com_example_service: 'shop',
    __meta_docker_container_name: '/shop',
    __meta_docker_container_network_mode: 'profiles',
    __meta_docker_network_id: network,
    __meta_docker_network_ip: ip,
    __meta_docker_network_label_team: 'x',
    __meta_docker_network_name: 'profiles',
    __meta_docker_network_scope: 'local',
    __meta_docker_port_private: '8080',
    service_name: 'shop',
  });
  const { __meta_docker_network_id: _, ...rest } = agent as Record<string, string>;
  assert.deepEqual(rest, {
    ...networks,
    __address__: 'localhost',
    __meta_docker_container_id: onHost,
    __meta_docker_container_label_com_example_service: 'agent',
    __meta_docker_container_name: '/agent',
    __meta_docker_container_network_mode: 'host',
    __meta_docker_network_name: 'host',
    __meta_docker_network_scope: 'local',
    service_name: 'agent',
  });
  // The daemon tells of containers that begin and end: nobody waits for the next refresh.
  const late = await daemon.run('late', {
    Labels: { 'com.example.service': 'late' },
    HostConfig: { NetworkMode: 'none' },
  });
  await untilFound(found, 3, clock);
  await daemon.call('POST', `/containers/${late}/kill`);
  await untilFound(found, 2, clock);
}

/** Turns of the event loop, each with a little of the manager's time, until there are so many targets. */
async function untilFound(found: readonly object[], count: number, clock: FakeClock): Promise<void> {
  for (let turns = 0; found.length !== count; turns++) {
    assert.ok(turns < 1_000_000, `there are ${found.length} targets`);
    await clock.advance(10);
  }
}

const nameOf = (target: object): string => String(Reflect.get(target, '__meta_docker_container_name'));

async function detects(t: TestContext, host: string): Promise<void> {
  const client = await DockerClient.open(host, { logger: testSettings().logger });
  t.after(() => client.close());
  assert.deepEqual(await client.info(never()), { name: hostname(), osType: 'linux' });

  const before = process.env.DOCKER_HOST;
  process.env.DOCKER_HOST = host;
  t.after(() => {
    if (before === undefined) delete process.env.DOCKER_HOST;
    else process.env.DOCKER_HOST = before;
  });
  const next = new RecordingConsumer();
  const config = configSchema.parse({ detectors: ['docker'] });
  const processor = resourceDetectionProcessorFactory.create(
    testSettings('resource_detection'),
    config,
    next,
  );
  await processor.start(testHost(), never());
  await processor.consumeProfiles(batchFromFolded('main 1'), never());
  await processor.shutdown(never());
  const attributes = next.batches[0]?.resources[0]?.resource.attributes ?? [];
  assert.equal(getText(attributes, 'host.name'), hostname());
  assert.equal(getText(attributes, 'os.type'), 'linux');
}
