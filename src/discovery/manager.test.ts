// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { parse } from 'yaml';
import * as z from 'zod';
import { statusTables } from '../component/status-tables.ts';
import { section } from '../config/sections/section.ts';
import { deferred } from '../internal/deferred.ts';
import { listenHttp } from '../internal/http-server.ts';
import { FakeClock, settle } from '../internal/testing/fake-clock.ts';
import { testSettings } from '../internal/testing/settings.ts';
import type { LabelSet } from '../relabel/relabel.ts';
import { discoveryShape } from './config.ts';
import { DiscoveryManager } from './manager.ts';
import { RunningSource } from './running-source.ts';
import { observeSources, SOURCE_HEADS, sourceRow } from './metrics.ts';
import type { SourceContext, TargetGroup } from './target.ts';

const schema = section({ ...discoveryShape, own: z.string().optional() });
const plain = (targets: readonly LabelSet[]): object[] => targets.map((labels) => Object.fromEntries(labels));

async function discover(config: unknown): Promise<{ updates: object[][]; manager: DiscoveryManager }> {
  const updates: object[][] = [];
  const manager = new DiscoveryManager(
    testSettings(),
    schema.parse(config),
    (targets) => updates.push(plain(targets)),
    new FakeClock(),
  );
  await manager.start();
  await manager.ready;
  return { updates, manager };
}

it('the example of the README is a configuration', async () => {
  const readme = await readFile(new URL('README.md', import.meta.url), 'utf8');
  const [, example = ''] = /```yaml\n(.*?)```/s.exec(readme) ?? [];
  const config = schema.parse(parse(example));
  assert.deepEqual(
    [config.docker_sd_configs.length, config.target_groups[0]?.file_sd_configs.length],
    [1, 1],
  );
});

describe('targets that are written in the configuration', () => {
  it('come at once, with the labels of their group, under their own rules', async () => {
    const { updates, manager } = await discover({
      targets: [{ __address__: 'a:1', shard: 3, up: true }],
      static_configs: [{ targets: ['b:1', 'c:1'], labels: { env: 'dev' } }, null],
      relabel_configs: [
        { source_labels: ['__address__'], regex: 'c:.*', action: 'drop' },
        { source_labels: ['env'], target_label: 'stage' },
      ],
      target_groups: [
        {
          static_configs: [{ targets: ['c:1'] }],
          relabel_configs: [{ target_label: 'group', replacement: 'one' }],
        },
        { targets: [{ __address__: 'b:1', env: 'dev', stage: 'dev' }, { __address__: 'd:1' }] },
      ],
    });
    assert.deepEqual(updates, [
      [
        { __address__: 'a:1', shard: '3', up: 'true' },
        { __address__: 'b:1', env: 'dev', stage: 'dev' },
        { __address__: 'c:1', group: 'one' },
        { __address__: 'd:1' },
      ],
    ]);
    await manager.stop();
  });

  it('are told of even where there is none', async () => {
    const { updates, manager } = await discover({});
    assert.deepEqual(updates, [[]]);
    await manager.stop();
  });

  it('are addresses without a path, and labels are texts with a name', () => {
    const messages = (config: unknown): string[] =>
      schema.safeParse(config).error?.issues.map(({ path, message }) => `${path.join('::')}: ${message}`) ??
      [];
    assert.deepEqual(messages({ static_configs: [{ targets: ['http://a:1/x'] }] }), [
      'static_configs::0::targets::0: "http://a:1/x" is not a valid hostname',
    ]);
    assert.equal(messages({ targets: [{ '': 'x' }] }).length, 1);
    assert.equal(messages({ targets: [{ a: [] }] }).length, 1);
    assert.equal(messages({ target_groups: [{ target_groups: [] }] }).length, 1);
  });
});

describe('a manager', () => {
  it('tells of targets as files change, restricts itself, and shows how its sources are', async (t) => {
    const folder = await mkdtemp(join(tmpdir(), 'manager-'));
    t.after(() => rm(folder, { recursive: true }));
    const file = join(folder, 'a.json');
    const write = (address: string): Promise<void> => writeFile(file, `[{"targets":["${address}"]}]`);
    await write('a:1');
    const settings = testSettings('scrape/x');
    const clock = new FakeClock();
    const updates: object[][] = [];
    const config = schema.parse({
      static_configs: [{ targets: ['s:1'] }],
      target_groups: [{ file_sd_configs: [{ files: [file], refresh_interval: '100ms' }] }],
      relabel_configs: [{ action: 'drop', source_labels: ['__address__'], regex: 'never' }],
    });
    const manager = new DiscoveryManager(settings, config, (targets) => updates.push(plain(targets)), clock);
    const own = () => statusTables.list().filter(({ owner }) => owner === 'scrape/x');
    assert.equal(own().length, 0);
    await manager.start();
    await manager.ready;
    const both = [{ __address__: 's:1' }, { __address__: 'a:1', __meta_filepath: file }];
    assert.deepEqual(updates, [[{ __address__: 's:1' }], both]);
    const found = (): string => (updates.at(-1) ?? []).map((one) => Reflect.get(one, '__address__')).join();
    const began = clock.now();
    await write('b:1');
    for (let turns = 0; found() !== 's:1,b:1'; turns++) {
      assert.ok(turns < 50_000, `not told; there is ${found()}`);
      await clock.advance(100);
    }
    assert.ok(clock.now() - began >= 5_000, `told again after ${clock.now() - began} ms`);
    assert.equal(updates.length, 3);
    const [name, health, ...counts] = own()[0]?.rows()[0] ?? [];
    assert.deepEqual(
      [name, health, ...counts.slice(0, 4)],
      ['target_groups::0::file_sd_configs::0', 'up', 1, 1, 0, 0],
    );
    assert.equal(settings.meter.value('discovery_targets', { source: String(name) }), 1);
    await manager.stop();
    assert.equal(own().length, 0);
    assert.equal(clock.pending.length, 0);
  });

  it('is ready when every source has answered or failed, or when it is stopped', async () => {
    const updates: object[][] = [];
    const config = schema.parse({
      docker_sd_configs: [{ host: 'unix:///nowhere/docker.sock' }],
      http_sd_configs: [{ url: 'http://127.0.0.1:1/', bearer_token_file: '/nowhere/token' }],
    });
    const manager = new DiscoveryManager(testSettings(), config, (targets) => updates.push(plain(targets)));
    await manager.start();
    await manager.ready;
    assert.deepEqual(
      manager.status().map(({ name, health }) => [name, health]),
      [
        ['http_sd_configs::0', 'down'],
        ['docker_sd_configs::0', 'down'],
      ],
    );
    assert.deepEqual(updates, [[]]);
    await manager.stop();
  });
});

it('a manager that is stopped while a source has not answered is ready, and tells of nothing any more', async (t) => {
  const asked = deferred();
  const server = await listenHttp({ endpoint: '127.0.0.1:0' }, () => asked.resolve());
  t.after(() => server.close(AbortSignal.abort()));
  const updates: object[][] = [];
  const config = schema.parse({ http_sd_configs: [{ url: server.url }], targets: [{ a: 'b' }] });
  const manager = new DiscoveryManager(testSettings(), config, (targets) => updates.push(plain(targets)));
  await manager.start();
  await asked.promise;
  await manager.stop();
  await manager.ready;
  await manager.stop();
  assert.deepEqual(updates, [[{ a: 'b' }]]);
  assert.equal(manager.status()[0]?.health, 'unknown');
});

describe('a source', () => {
  const group = (name: string, ...addresses: string[]): TargetGroup => ({
    name,
    labels: new Map([['from', name]]),
    targets: addresses.map((address) => new Map([['__address__', address]])),
  });

  function run(body: (context: SourceContext, update: (groups: TargetGroup[]) => void) => Promise<void>) {
    const settings = testSettings();
    const clock = new FakeClock();
    let runs = 0;
    let changes = 0;
    const source: RunningSource = new RunningSource({
      name: 'fake::0',
      load: async (context) => ({
        run: async (update) => {
          runs++;
          await body(context, (groups) => update(groups));
        },
      }),
      rules: [],
      settings,
      clock,
      counters: observeSources(settings.meter, () => [source.status]),
      onChange: () => changes++,
    });
    const stop = new AbortController();
    const done = source.run(stop.signal);
    const addresses = (): string[] =>
      [...source.targets].map(({ labels }) => labels.get('__address__') ?? '');
    return {
      settings,
      clock,
      source,
      addresses,
      runs: () => runs,
      changes: () => changes,
      stop: async () => {
        stop.abort();
        await done;
      },
    };
  }

  it('replaces groups of a name, takes away empty ones, and tells only of what has changed', async () => {
    let update: (groups: TargetGroup[]) => void = () => undefined;
    const ran = run((_, handOver) => {
      update = handOver;
      return new Promise(() => undefined);
    });
    await settle();
    assert.equal(ran.source.status.health, 'unknown');
    update([group('x', 'a:1', 'a:2'), group('y', 'b:1')]);
    await ran.source.answered;
    update([group('x', 'a:1', 'a:2')]);
    update([]);
    assert.deepEqual([ran.addresses(), ran.changes()], [['a:1', 'a:2', 'b:1'], 1]);
    update([group('x', 'a:3')]);
    update([group('y')]);
    assert.deepEqual([ran.addresses(), ran.changes()], [['a:3'], 3]);
    const { found, kept, health, failures } = ran.source.status;
    assert.deepEqual({ found, kept, health, failures }, { found: 1, kept: 1, health: 'up', failures: 0 });
    assert.equal(ran.settings.meter.value('discovery_targets', { source: 'fake::0' }), 1);
    assert.equal(ran.settings.meter.value('discovery_up'), 1);
  });

  it('shows how it learns of changes, and says so once', async () => {
    let learns: SourceContext['learns'] = () => undefined;
    const ran = run((context) => {
      learns = context.learns;
      return new Promise(() => undefined);
    });
    await settle();
    learns('events');
    learns('events');
    const way = (name: string): number | undefined =>
      ran.settings.meter.value('discovery_way', { source: 'fake::0', way: name });
    assert.deepEqual([way('events'), sourceRow(ran.source.status)[6]], [1, 'events']);
    learns('polling', 'the kernel is silent');
    assert.equal(way('polling'), 1);
    assert.equal(sourceRow(ran.source.status)[6], 'polling: the kernel is silent');
    assert.equal(SOURCE_HEADS[6], 'learns by');
    const told = ran.settings.logger.messages('info');
    assert.deepEqual(told, ['how changes of targets are learnt', 'how changes of targets are learnt']);
  });

  it('that fails keeps its targets, is run again later and later, and is told of once', async () => {
    let isBroken = false;
    const ran = run((_, update) => {
      if (isBroken) return Promise.reject(new Error('no route'));
      update([group('x', 'a:1')]);
      isBroken = true;
      return Promise.reject(new Error('connection lost'));
    });
    await ran.clock.advance(0);
    assert.deepEqual([ran.addresses(), ran.runs(), ran.source.status.health], [['a:1'], 1, 'down']);
    await ran.clock.advance(1_000 + 2_000 + 4_000);
    assert.deepEqual([ran.addresses(), ran.runs(), ran.clock.pending], [['a:1'], 4, [8_000]]);
    assert.equal(ran.source.status.lastError, 'no route');
    assert.equal(ran.settings.meter.value('discovery_failures', { source: 'fake::0' }), 4);
    assert.equal(ran.settings.meter.value('discovery_up'), 0);
    assert.deepEqual(ran.settings.logger.messages('warn'), [
      'discovery fails; the targets that were found last stay',
    ]);
    isBroken = false;
    await ran.clock.advance(8_000);
    assert.deepEqual(ran.settings.logger.messages('info'), ['discovery works again']);
    await ran.stop();
    assert.equal(ran.clock.pending.length, 0);
  });

  it('that has too many targets is at fault, and keeps those it had', async () => {
    const ran = run((_, update) => {
      update([group('x', 'a:1')]);
      update([group('y', ...Array.from({ length: 100_000 }, (_unused, i) => `b:${i}`))]);
      return new Promise(() => undefined);
    });
    await settle();
    assert.deepEqual(ran.addresses(), ['a:1']);
    assert.deepEqual(
      [ran.source.status.health, ran.source.status.lastError],
      ['down', 'more than 100000 targets'],
    );
  });

  it('is told of what is not taken, so that it can hand it over again', async () => {
    const refused: string[] = [];
    const ran = run((context, update) => {
      try {
        update([group('x', ...Array.from({ length: 100_001 }, (_unused, i) => `b:${i}`))]);
      } catch (error) {
        refused.push(String(error));
        context.failed(error);
      }
      return new Promise(() => undefined);
    });
    await settle();
    assert.deepEqual(refused, ['Error: more than 100000 targets']);
    assert.deepEqual([ran.source.status.health, ran.source.status.failures], ['down', 1]);
  });

  it('leaves out what is no target, and says so once', async () => {
    const ran = run((context, update) => {
      for (const name of ['p', 'q', 'p']) context.leftOut('no_address', name, 'it has no address');
      update([group('x', 'a:1')]);
      return new Promise(() => undefined);
    });
    await settle();
    assert.deepEqual(ran.addresses(), ['a:1']);
    assert.equal(ran.source.status.leftOut, 3);
    assert.equal(ran.settings.meter.value('discovery_left_out', { reason: 'no_address' }), 3);
    assert.equal(ran.settings.logger.messages('warn').length, 2);
  });
});
