// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import { defaultFeatureGates } from '../component/feature-gates.ts';
import { loadConfig } from '../config/load.ts';
import type { LoadedConfig } from '../config/loaded-config.ts';
import { deferred } from '../internal/deferred.ts';
import { FakeClock, settle } from '../internal/testing/fake-clock.ts';
import { FakeDistribution } from '../internal/testing/fake-distribution.ts';
import { never, TEST_BUILD } from '../internal/testing/settings.ts';
import { batchFromFolded } from '../pdata/folded.ts';
import { createService } from './service.ts';

const BATCH = batchFromFolded('main;work 1');

interface Parts {
  readonly receivers?: string;
  readonly processors?: string;
  readonly connectors?: string;
  readonly exporters?: string;
  readonly extensions?: string;
  readonly telemetry?: string;
  readonly pipelines?: string;
}

/** A receiver, a processor, an exporter that does not overlap, an extension; what is given differs. */
const yaml = (parts: Parts = {}): string => `
receivers: ${parts.receivers ?? '{fake: {}}'}
processors: ${parts.processors ?? '{fake: {}}'}
connectors: ${parts.connectors ?? '{}'}
exporters: ${parts.exporters ?? '{fake: {}}'}
extensions: ${parts.extensions ?? '{fake: {}}'}
service:
  telemetry: ${parts.telemetry ?? '{metrics: {readers: [{pull: {exporter: {prometheus: {host: 127.0.0.1, port: 0}}}}]}}'}
  extensions: [fake]
  pipelines: ${parts.pipelines ?? '{profiles: {receivers: [fake], processors: [fake], exporters: [fake]}}'}
`;

/** A running service of fake components. */
async function started(t: TestContext, first: string) {
  const fake = new FakeDistribution();
  const gates = defaultFeatureGates();
  const load = (text: string): Promise<LoadedConfig> =>
    loadConfig([{ location: `yaml:${text}`, label: 'new.yaml' }], {
      ...{ distribution: fake.factories, gates, environment: {} },
    });
  const log: string[] = [];
  const clock = new FakeClock();
  const writeLog = (line: string): void => void log.push(line);
  const service = createService(await load(first), { build: TEST_BUILD, gates, clock, writeLog });
  t.after(() => service.shutdown(AbortSignal.abort()).catch(() => undefined));
  await service.start(never());
  fake.journal.length = 0;
  const reload = async (text: string): Promise<void> => {
    log.length = 0;
    await service.reload(() => load(text));
  };
  /** Level and message of each line. */
  const messages = (): string[] =>
    log.map((line) => line.split('\t').slice(1, 3).join(' ').trim()).filter((m) => !m.includes('Alpha'));
  const page = async (): Promise<string> =>
    (await fetch(`${service.telemetry.metricsUrls[0]}/metrics`)).text();
  return { fake, service, clock, load, reload, messages, log, page };
}

describe('a reload', () => {
  it('touches nothing where nothing changed', async (t) => {
    const { fake, reload, messages, log } = await started(t, yaml());
    await reload(yaml().replace('{fake: {}}', '{ "fake": }'));
    assert.deepEqual(fake.journal, []);
    assert.deepEqual(messages(), ['info Config updated']);
    assert.match(log[0] ?? '', /"kept":4,"started":0,"stopped":0/);
  });

  it('replaces what changed and leaves the rest running', async (t) => {
    const { fake, reload, service } = await started(t, yaml());
    const feed = fake.feeds.get('fake');
    const before = fake.sinks.get('fake');
    await reload(yaml({ exporters: '{fake: {note: b}}' }));
    assert.deepEqual(fake.journal, [
      'create "fake" exporter',
      'shutdown "fake" exporter',
      'start "fake" exporter',
    ]);
    await feed?.consumeProfiles(BATCH, never());
    assert.deepEqual([before?.offered.length, fake.sinks.get('fake')?.batches.length], [0, 1]);
    fake.journal.length = 0;
    await service.shutdown(never());
    assert.deepEqual(fake.journal.slice(1), [
      'shutdown "fake" receiver',
      'shutdown "fake" processor',
      'shutdown "fake" exporter',
      'shutdown "fake" extension',
    ]);
  });

  it('starts an exporter that may overlap before the one it replaces stops', async (t) => {
    const pipelines = '{profiles: {receivers: [fake], processors: [fake], exporters: [swift]}}';
    const { fake, reload } = await started(t, yaml({ exporters: '{swift: {}}', pipelines }));
    await reload(yaml({ exporters: '{swift: {note: b}}', pipelines }));
    assert.deepEqual(fake.journal, [
      'create "swift" exporter',
      'start "swift" exporter',
      'shutdown "swift" exporter',
    ]);
  });

  it('does not overlap exporters that lean on an extension', async (t) => {
    const pipelines = '{profiles: {receivers: [fake], exporters: [swift]}}';
    const { fake, reload } = await started(t, yaml({ exporters: '{swift: {note: fake}}', pipelines }));
    await reload(yaml({ exporters: '{swift: {note: fake, hang_start: false, fail_restart: x}}', pipelines }));
    assert.equal(fake.journal[1], 'shutdown "swift" exporter');
  });

  it('lets senders wait while there is no exporter, and those under way end', async (t) => {
    const { fake, reload } = await started(t, yaml());
    const feed = fake.feeds.get('fake');
    const before = fake.sinks.get('fake');
    const taken = deferred();
    before?.answerWith(() => taken.promise);
    const first = feed?.consumeProfiles(BATCH, never());
    const reloading = reload(yaml({ exporters: '{fake: {note: b}}' }));
    while (!fake.journal.includes('create "fake" exporter')) await settle();
    await settle();
    const second = feed?.consumeProfiles(BATCH, never());
    await settle();
    assert.equal(fake.journal.includes('shutdown "fake" exporter'), false);
    taken.resolve();
    await Promise.all([first, second, reloading]);
    assert.deepEqual([before?.batches.length, fake.sinks.get('fake')?.batches.length], [1, 1]);
  });

  it('starts and stops what is new and gone, in graph order', async (t) => {
    const pipelines = '{profiles/a: {receivers: [fake], processors: [fake], exporters: [fake]}}';
    const { fake, reload } = await started(t, yaml({ pipelines }));
    const feed = fake.feeds.get('fake');
    await reload(
      yaml({
        receivers: '{fake: , fake/2: }',
        processors: '{fake: , fake/2: }',
        exporters: '{fake: , fake/2: }',
        pipelines:
          '{profiles/a: {receivers: [fake], processors: [fake/2], exporters: [fake]}, profiles/b: {receivers: [fake, fake/2], processors: [fake], exporters: [fake/2]}}',
      }),
    );
    assert.deepEqual(
      fake.journal.filter((entry) => !entry.startsWith('create')),
      [
        'start "fake/2" exporter',
        'start "fake/2" processor',
        'start "fake" processor',
        'start "fake/2" receiver',
        'shutdown "fake" processor',
      ],
    );
    await feed?.consumeProfiles(BATCH, never());
    assert.deepEqual(
      [fake.sinks.get('fake')?.batches.length, fake.sinks.get('fake/2')?.batches.length],
      [1, 1],
    );
  });

  it('restarts what names an extension that changed', async (t) => {
    const exporters = '{fake: {note: fake}, fake/free: {}}';
    const pipelines = '{profiles: {receivers: [fake], processors: [fake], exporters: [fake, fake/free]}}';
    const { fake, reload } = await started(t, yaml({ exporters, pipelines }));
    await reload(yaml({ exporters, pipelines, extensions: '{fake: {note: b}}' }));
    assert.deepEqual(
      fake.journal.filter((entry) => !entry.startsWith('create')),
      [
        'shutdown "fake" exporter',
        'shutdown "fake" extension',
        'start "fake" extension',
        'start "fake" exporter',
        'ready "fake"',
      ],
    );
    assert.equal(fake.hosts.get('"fake" exporter')?.extensions.has('fake'), true);
  });

  it('tells every fault of a broken configuration, and the running one goes on', async (t) => {
    const { fake, reload, messages, page } = await started(t, yaml());
    await reload(yaml({ receivers: '{fake: {nota: 1}, faki: }' }));
    assert.deepEqual(messages(), [
      'error the new configuration is not valid, the running one goes on',
      'error new.yaml:2:20: receivers::fake: has invalid keys: nota — did you mean "note"?',
      'error new.yaml:2:30: receivers: unknown type: "faki" for id: "faki" (valid values: [fake]) — did you mean "fake"?',
    ]);
    assert.deepEqual(fake.journal, []);
    await fake.feeds.get('fake')?.consumeProfiles(BATCH, never());
    const text = await page();
    assert.match(text, /\notelcol_config_reloads\{outcome="invalid"\} 1\n/);
    assert.match(text, /\notelcol_config_last_reload_successful 0\n/);
    await reload(yaml());
    assert.match(await page(), /\notelcol_config_reloads\{outcome="applied"\} 1\n[^]*_successful 1\n/);
  });

  it('leaves everything as it is where a component cannot be built', async (t) => {
    const { fake, reload, messages } = await started(t, yaml());
    await reload(yaml({ exporters: '{fake: {fail_create: no table}}', extensions: '{fake: {note: b}}' }));
    assert.deepEqual(messages(), ['error the new configuration cannot be built, the running one goes on']);
    assert.deepEqual(fake.journal, ['create "fake" exporter']);
  });

  it('brings back what it stopped where a component does not start', async (t) => {
    const { fake, reload, messages, log, page } = await started(t, yaml());
    const feed = fake.feeds.get('fake');
    await reload(yaml({ exporters: '{fake: {fail_start: port is taken}}' }));
    assert.deepEqual(messages(), ['error the new configuration did not start, the one before it runs again']);
    assert.match(log.at(-1) ?? '', /failed to start \\"fake\\" exporter: port is taken/);
    assert.deepEqual(fake.journal, [
      'create "fake" exporter',
      'shutdown "fake" exporter',
      'start "fake" exporter',
      'shutdown "fake" exporter',
      'create "fake" exporter',
      'start "fake" exporter',
    ]);
    await feed?.consumeProfiles(BATCH, never());
    assert.equal(fake.sinks.get('fake')?.batches.length, 1);
    assert.match(await page(), /\notelcol_config_reloads\{outcome="failed"\} 1\n/);
  });

  it('stops nothing for a receiver that is new and does not start', async (t) => {
    const { fake, reload } = await started(t, yaml());
    const feed = fake.feeds.get('fake');
    await reload(
      yaml({
        receivers: '{fake: , fake/2: {fail_start: port is taken}}',
        processors: '{fake: {note: b}}',
        pipelines: '{profiles: {receivers: [fake, fake/2], processors: [fake], exporters: [fake]}}',
      }),
    );
    assert.deepEqual(
      fake.journal.filter((entry) => !entry.startsWith('create')),
      [
        'start "fake" processor',
        'start "fake/2" receiver',
        'shutdown "fake/2" receiver',
        'shutdown "fake" processor',
      ],
    );
    await feed?.consumeProfiles(BATCH, never());
    assert.equal(fake.sinks.get('fake')?.batches.length, 1);
  });

  it('is the end of a collector that can neither go forward nor back', async (t) => {
    const { reload, service } = await started(t, yaml({ exporters: '{fake: {fail_restart: still taken}}' }));
    const fatal = assert.rejects(
      service.fatal.then((error) => Promise.reject(error)),
      /cannot be started again: cannot start pipelines: failed to start "fake" exporter: still taken/,
    );
    await reload(yaml({ exporters: '{fake: {fail_start: port is taken}}' }));
    await fatal;
  });

  it('restarts everything for changed telemetry, which then has the word', async (t) => {
    const { fake, reload, service, messages } = await started(t, yaml());
    const before = service.telemetry;
    await reload(yaml({ telemetry: '{metrics: {level: none}, logs: {level: warn}}' }));
    assert.notEqual(service.telemetry, before);
    await assert.rejects(fetch(`${before.metricsUrls[0] ?? 'http://localhost:1'}/metrics`));
    assert.equal(messages().includes('info Config updated'), false);
    assert.deepEqual(
      fake.journal.filter((entry) => entry.startsWith('s')),
      [
        ...['receiver', 'processor', 'exporter', 'extension'].map((kind) => `shutdown "fake" ${kind}`),
        ...['extension', 'exporter', 'processor', 'receiver'].map((kind) => `start "fake" ${kind}`),
      ],
    );
  });

  it('changes the log while everything runs', async (t) => {
    const { fake, reload, service, log } = await started(t, yaml());
    const telemetry = '{logs: {encoding: json, level: debug, initial_fields: {host: a}}, ';
    await reload(yaml().replace('telemetry: {', `telemetry: ${telemetry}`));
    assert.deepEqual(fake.journal, []);
    assert.match(log.at(-1) ?? '', /^\{"level":"info".*"msg":"Config updated","host":"a",/);
    fake.hosts.get('"fake" receiver')?.reportStatus({ status: 'permanent_error', error: new Error('gone') });
    assert.match(log.at(-1) ?? '', /"host":"a","otelcol.component.id":"fake".*"stacktrace":/);
    await reload(yaml().replace('telemetry: {', 'telemetry: {logs: {output_paths: [/no/such/folder/log]}, '));
    assert.equal(service.telemetry.metricsUrls.length, 1);
  });

  it('brings telemetry back as well', async (t) => {
    const { fake, reload, service, page, messages } = await started(t, yaml());
    await reload(
      yaml({
        telemetry: '{logs: {level: warn}, metrics: {level: none}}',
        receivers: '{fake: {fail_start: no}}',
      }),
    );
    assert.match(await page(), /\notelcol_config_reloads\{outcome="failed"\} 1\n/);
    assert.equal(
      messages().at(-1),
      'error the new configuration did not start, the one before it runs again',
    );
    await fake.feeds.get('fake')?.consumeProfiles(BATCH, never());
    assert.equal(fake.sinks.get('fake')?.batches.length, 1);
    await service.shutdown(never());
  });

  it('brings back what it stopped where a component does not come to an end with its start', async (t) => {
    const { fake, clock, reload, log } = await started(t, yaml());
    const reloading = reload(yaml({ exporters: '{fake: {hang_start: true}}' }));
    while (!fake.journal.includes('start "fake" exporter')) await settle();
    const waiting = fake.feeds.get('fake')?.consumeProfiles(BATCH, never());
    await clock.advance(30_000);
    await Promise.all([reloading, waiting]);
    assert.match(
      log.at(-1) ?? '',
      /the one before it runs again.*"fake\\" exporter: no start within 30000 ms/,
    );
    assert.equal(fake.sinks.get('fake')?.batches.length, 1);
  });

  it('ends in the middle where the collector is to stop', async (t) => {
    const { fake, reload, service } = await started(t, yaml());
    const reloading = reload(yaml({ exporters: '{fake: {hang_start: true}}' }));
    while (!fake.journal.includes('start "fake" exporter')) await settle();
    await service.shutdown(never());
    await reloading;
    assert.deepEqual(fake.journal.slice(-4), [
      'not ready "fake"',
      'shutdown "fake" receiver',
      'shutdown "fake" processor',
      'shutdown "fake" extension',
    ]);
  });

  it('waits for the one before, and gives way to a shutdown', async (t) => {
    const { fake, load, service } = await started(t, yaml());
    const order: string[] = [];
    const reloads = [1, 2, 3].map((n) =>
      service.reload(async () => {
        order.push(`load ${n}`);
        await settle();
        order.push(`loaded ${n}`);
        if (n === 2) void service.shutdown(never());
        return load(yaml({ exporters: `{fake: {note: "${n}"}}` }));
      }),
    );
    await Promise.all(reloads);
    await service.shutdown(never());
    assert.deepEqual(order, ['load 1', 'loaded 1', 'load 2', 'loaded 2']);
    const count = (text: string): number => fake.journal.filter((entry) => entry === text).length;
    assert.equal(count('shutdown "fake" exporter'), count('start "fake" exporter') + 1);
    assert.equal(fake.journal.at(-1), 'shutdown "fake" extension');
  });
});

/** A pipeline that feeds another through a connector. */
const joined = (parts: Parts = {}): string =>
  yaml({
    connectors: '{join: {}}',
    processors: '{fake: , fake/out: }',
    pipelines: `{
      profiles/in: {receivers: [fake], processors: [fake], exporters: [join]},
      profiles/out: {receivers: [join], processors: [fake/out], exporters: [fake]}}`,
    ...parts,
  });

describe('a reload of pipelines that feed others', () => {
  it('keeps receiver and connector where an exporter behind changes, and loses nothing', async (t) => {
    const { fake, reload, log, page } = await started(t, joined());
    const feed = fake.feeds.get('fake');
    const before = fake.sinks.get('fake');
    const taken = deferred();
    before?.answerWith(() => taken.promise);
    const first = feed?.consumeProfiles(BATCH, never());
    const reloading = reload(joined({ exporters: '{fake: {note: b}}' }));
    while (!fake.journal.includes('create "fake" exporter')) await settle();
    await settle();
    const second = feed?.consumeProfiles(BATCH, never());
    await settle();
    assert.deepEqual([before?.offered.length, fake.journal.length], [1, 1]);
    taken.resolve();
    await Promise.all([first, second, reloading]);
    await feed?.consumeProfiles(BATCH, never());
    assert.deepEqual(fake.journal, [
      'create "fake" exporter',
      'shutdown "fake" exporter',
      'start "fake" exporter',
    ]);
    assert.deepEqual([before?.batches.length, fake.sinks.get('fake')?.batches.length], [1, 2]);
    assert.match(log.at(-1) ?? '', /"kept":5,"started":1,"stopped":1/);
    const text = await page();
    assert.match(text, /\notelcol_receiver_accepted_profile_samples\{[^}]*\} 3\n/);
    assert.match(text, /\notelcol_connector_outgoing_items\{[^}]*\} 3\n/);
  });

  it('replaces a connector that changed before the one it had stops, in the order of flow', async (t) => {
    const { fake, reload } = await started(t, joined());
    await reload(joined({ connectors: '{join: {note: b}}', processors: '{fake: {note: b}, fake/out: }' }));
    assert.deepEqual(
      fake.journal.filter((entry) => !entry.startsWith('create')),
      [
        'start "join" connector',
        'start "fake" processor',
        'shutdown "fake" processor',
        'shutdown "join" connector',
      ],
    );
    await fake.feeds.get('fake')?.consumeProfiles(BATCH, never());
    assert.equal(fake.sinks.get('fake')?.batches.length, 1);
  });

  it('holds the flow from its beginning, so that what is on its way still arrives', async (t) => {
    const gated = { connectors: '{join: {gated: true}}' };
    const { fake, reload } = await started(t, joined(gated));
    const before = fake.sinks.get('fake');
    // As a processor that sends in its own time: its receiver has long been answered.
    const sent = fake.inner.get('fake')?.consumeProfiles(BATCH, never());
    const reloading = reload(joined({ ...gated, exporters: '{fake: {note: b}}' }));
    while (!fake.journal.includes('create "fake" exporter')) await settle();
    await settle();
    fake.gate.resolve();
    await Promise.all([sent, reloading]);
    assert.deepEqual([before?.batches.length, fake.sinks.get('fake')?.batches.length], [1, 0]);
  });

  it('does so also on the way back', async (t) => {
    const parts = { connectors: '{join: {gated: true}}', receivers: '{fake: , fake/2: {fail_start: no}}' };
    const { fake, reload } = await started(t, joined(parts));
    const first = fake.sinks.get('fake');
    const taken = deferred();
    first?.answerWith(() => taken.promise);
    const sent = fake.inner.get('fake/out')?.consumeProfiles(BATCH, never());
    const pipelines = `{
      profiles/in: {receivers: [fake, fake/2], processors: [fake], exporters: [join]},
      profiles/out: {receivers: [join], processors: [fake/out], exporters: [fake]}}`;
    const reloading = reload(joined({ ...parts, pipelines, exporters: '{fake: {note: b}}' }));
    while (!fake.journal.includes('create "fake" exporter')) await settle();
    const second = fake.sinks.get('fake');
    await settle();
    const waiting = fake.feeds.get('fake')?.consumeProfiles(BATCH, never());
    taken.resolve();
    while (!fake.journal.includes('start "fake/2" receiver')) await settle();
    await settle();
    fake.gate.resolve();
    await Promise.all([sent, waiting, reloading]);
    const third = fake.sinks.get('fake');
    assert.deepEqual(
      [first, second, third].map((sink) => sink?.batches.length),
      [1, 1, 0],
    );
  });

  it('goes over to other ways between the same components, and back where one does not start', async (t) => {
    const { fake, reload } = await started(t, joined());
    const feed = fake.feeds.get('fake');
    const direct = '{profiles/in: {receivers: [fake], processors: [fake], exporters: [fake]}}';
    await reload(yaml({ pipelines: direct }));
    assert.deepEqual(fake.journal, ['shutdown "join" connector', 'shutdown "fake/out" processor']);
    await feed?.consumeProfiles(BATCH, never());
    fake.journal.length = 0;
    await reload(joined({ connectors: '{join: {fail_start: no}}' }));
    assert.equal(fake.journal.includes('start "join" connector'), true);
    await feed?.consumeProfiles(BATCH, never());
    await reload(joined());
    await feed?.consumeProfiles(BATCH, never());
    assert.equal(fake.sinks.get('fake')?.batches.length, 3);
  });

  it('shows extensions that go on the new pipelines, their totals and the state of what runs', async (t) => {
    const { fake, reload } = await started(t, joined());
    const service = fake.hosts.get('"fake" extension')?.service;
    const shown = () => service?.pipelines.map(({ id, traffic }) => [id, traffic.batches]);
    const states = () =>
      service?.statuses().map(({ component, status }) => `${component.kind} ${component.id} ${status}`);
    await fake.feeds.get('fake')?.consumeProfiles(BATCH, never());
    await reload(
      joined({
        exporters: '{fake: , fake/2: }',
        pipelines: `{
          profiles/in: {receivers: [fake], exporters: [join]},
          profiles/2: {receivers: [join], exporters: [fake/2]}}`,
      }),
    );
    await fake.feeds.get('fake')?.consumeProfiles(BATCH, never());
    assert.deepEqual(shown(), [
      ['profiles/in', 2],
      ['profiles/2', 1],
    ]);
    assert.deepEqual(states(), [
      'extension fake ok',
      'receiver fake ok',
      'connector join ok',
      'exporter fake/2 ok',
    ]);
  });
});
