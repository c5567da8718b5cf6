// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { createServer, type Server } from 'node:http';
import { mkdtemp, rm } from 'node:fs/promises';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { systemClock } from '../../internal/clock.ts';
import { testProcessorContract } from '../../internal/testing/component-contract.ts';
import { FakeClock } from '../../internal/testing/fake-clock.ts';
import { RecordingConsumer } from '../../internal/testing/recording-consumer.ts';
import { never, testHost, testSettings } from '../../internal/testing/settings.ts';
import { valueToText } from '../../pdata/any-value.ts';
import { batchFromFolded } from '../../pdata/folded.ts';
import { configSchema } from './config.ts';
import { parseResourceAttributes } from './env-detector.ts';
import { resourceDetectionProcessorFactory } from './factory.ts';
import { createResourceDetectionProcessor } from './processor.ts';

testProcessorContract(resourceDetectionProcessorFactory, {});

/** Sets a variable of this process for the length of a test. */
function setEnv(t: TestContext, name: string, value: string): void {
  const before = process.env[name];
  process.env[name] = value;
  t.after(() => {
    if (before === undefined) delete process.env[name];
    else process.env[name] = before;
  });
}

async function start(t: TestContext, config: unknown, clock = systemClock) {
  const settings = testSettings('resource_detection');
  const next = new RecordingConsumer();
  const processor = createResourceDetectionProcessor(settings, configSchema.parse(config), next, clock);
  t.after(() => processor.shutdown(never()));
  await processor.start(testHost(), never());
  const ask = async (attributes: Record<string, string> = {}): Promise<Record<string, string>> => {
    await processor.consumeProfiles(batchFromFolded('main 1', { attributes }), never());
    const out = next.batches.at(-1)?.resources[0]?.resource.attributes ?? [];
    return Object.fromEntries(out.map(({ key, value }) => [key, valueToText(value)]));
  };
  return { settings, ask };
}

/** A Docker daemon that answers /info so; returns the value for DOCKER_HOST. */
async function dockerd(t: TestContext, info: () => { status?: number; body: unknown }): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'docker-'));
  const server: Server = createServer((request, response) => {
    const { status = 200, body } = info();
    response.statusCode = request.url === '/info' ? status : 404;
    response.end(JSON.stringify(body));
  });
  const path = join(directory, 'docker.sock');
  await new Promise<void>((resolve) => server.listen(path, resolve));
  t.after(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
    await rm(directory, { recursive: true });
  });
  return `unix://${path}`;
}

test('env: attributes are split, trimmed and percent-decoded', () => {
  const parsed = parseResourceAttributes(' a=1, b = x%2Cy%3D%20z ,c=,a=2,plus=a+b');
  assert.deepEqual(
    parsed.map(({ key, value }) => [key, valueToText(value)]),
    [
      ['a', '2'],
      ['b', 'x,y= z'],
      ['c', ''],
      ['plus', 'a+b'],
    ],
  );
  assert.deepEqual(parseResourceAttributes(''), []);
  assert.throws(() => parseResourceAttributes('a=1,b'), {
    message: /invalid resource format in attribute: "b" \(expected key=value\)/,
  });
  assert.throws(() => parseResourceAttributes('a=%zz'), {
    message: /invalid percent-encoding in attribute: "a=%zz"/,
  });
});

test('detected attributes replace those of the resource, or not', async (t) => {
  setEnv(t, 'OTEL_RESOURCE_ATTRIBUTES', 'host.name=n1,zone=a');
  const overriding = await start(t, {});
  assert.deepEqual(await overriding.ask({ 'host.name': 'old' }), { 'host.name': 'n1', zone: 'a' });
  const keeping = await start(t, { override: false });
  assert.deepEqual(await keeping.ask({ 'host.name': 'old' }), { 'host.name': 'old', zone: 'a' });
});

test('of two detectors the earlier wins', async (t) => {
  setEnv(t, 'OTEL_RESOURCE_ATTRIBUTES', 'host.name=from-env');
  const system = { hostname_sources: ['os'] };
  const first = await start(t, { detectors: ['env', 'system'], system });
  assert.deepEqual(await first.ask(), { 'host.name': 'from-env', 'os.type': process.platform });
  const second = await start(t, { detectors: ['system', 'env'], system });
  assert.deepEqual(await second.ask(), { 'host.name': hostname(), 'os.type': process.platform });
});

test('system: attributes are switched on and off one by one', async (t) => {
  const { ask } = await start(t, {
    detectors: ['system'],
    system: {
      resource_attributes: {
        'host.name': { enabled: false },
        'host.arch': { enabled: true },
        'os.description': { enabled: true },
      },
    },
  });
  const { 'os.description': description, ...rest } = await ask();
  assert.match(description ?? '', /\(Linux .+\)$/);
  const architectures: Record<string, string> = { x64: 'amd64', arm64: 'arm64' };
  assert.deepEqual(rest, { 'os.type': 'linux', 'host.arch': architectures[process.arch] });
});

test('docker: name and system of the daemon', async (t) => {
  setEnv(
    t,
    'DOCKER_HOST',
    await dockerd(t, () => ({ body: { Name: 'box', OSType: 'linux', Containers: 3 } })),
  );
  const { ask } = await start(t, {
    detectors: ['docker'],
    docker: { resource_attributes: { 'os.type': { enabled: false } } },
  });
  assert.deepEqual(await ask(), { 'host.name': 'box' });
});

test('a missing socket is told and counted at once, and the others go on', async (t) => {
  setEnv(t, 'DOCKER_HOST', 'unix:///nowhere/docker.sock');
  setEnv(t, 'OTEL_RESOURCE_ATTRIBUTES', 'zone=a');
  const { ask, settings } = await start(t, { detectors: ['docker', 'env'] }, new FakeClock());
  assert.deepEqual(await ask(), { zone: 'a' });
  assert.equal(settings.meter.value('processor_resource_detection_failures', { detector: 'docker' }), 1);
  assert.deepEqual(settings.logger.messages('warn'), ['detector "docker" failed, going on without it']);
});

test('an unhappy daemon is asked again until the timeout', async (t) => {
  let asked = 0;
  setEnv(
    t,
    'DOCKER_HOST',
    await dockerd(t, () =>
      ++asked < 3 ? { status: 500, body: { message: 'not yet' } } : { body: { Name: 'box' } },
    ),
  );
  const { ask } = await start(t, { detectors: ['docker'] });
  assert.equal(asked, 3);
  assert.deepEqual(await ask(), { 'host.name': 'box' });
  asked = -1_000_000;
  const late = await start(t, { detectors: ['docker'], timeout: '500ms' });
  assert.deepEqual(await late.ask(), {});
  assert.match(String(late.settings.logger.entries[0]?.fields.error), /not yet/);
});

test('a refresh finds what changed, and a failing one keeps what was known', async (t) => {
  const clock = new FakeClock();
  setEnv(t, 'OTEL_RESOURCE_ATTRIBUTES', 'zone=a');
  const { ask } = await start(t, { refresh_interval: '1m' }, clock);
  assert.deepEqual(await ask(), { zone: 'a' });
  setEnv(t, 'OTEL_RESOURCE_ATTRIBUTES', 'zone=b');
  await clock.advance(60_000);
  assert.deepEqual(await ask(), { zone: 'b' });
  setEnv(t, 'OTEL_RESOURCE_ATTRIBUTES', 'malformed');
  await clock.advance(60_000);
  assert.deepEqual(await ask(), { zone: 'b' });
});

const refused: [unknown, RegExp][] = [
  [
    { detectors: ['ec2'] },
    /^invalid detector key: ec2 is not available in this distribution \(valid values: \[env system docker\]\)$/,
  ],
  [{ detectors: ['sytem'] }, /^invalid detector key: sytem \(valid values: \[env system docker\]\)$/],
  [{ timeout: '5' }, /missing unit/],
  [{ system: { hostname_sources: ['nis'] } }, /Invalid option/],
  [{ system: { resource_attributes: { 'host.nme': { enabled: true } } } }, /Unrecognized key/],
];

for (const [config, message] of refused) {
  test(`the configuration ${JSON.stringify(config)} is refused`, () => {
    const result = configSchema.safeParse(config);
    assert.match(result.success ? '' : (result.error.issues[0]?.message ?? ''), message);
  });
}
