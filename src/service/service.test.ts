// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import { defaultFeatureGates } from '../component/feature-gates.ts';
import { loadConfig } from '../config/load.ts';
import { FakeClock, settle } from '../internal/testing/fake-clock.ts';
import { FakeDistribution } from '../internal/testing/fake-distribution.ts';
import { never, TEST_BUILD } from '../internal/testing/settings.ts';
import { batchFromFolded } from '../pdata/folded.ts';
import { checkService, createService } from './service.ts';

const QUIET = 'telemetry: {metrics: {level: none}}';

/** A service of fake components that logs into `log`. */
async function make(t: TestContext, yaml: string) {
  const fake = new FakeDistribution();
  const gates = defaultFeatureGates();
  const config = await loadConfig([{ location: `yaml:${yaml}` }], {
    distribution: fake.factories,
    gates,
    environment: {},
  });
  const log: string[] = [];
  const clock = new FakeClock();
  const deps = { build: TEST_BUILD, gates, clock, writeLog: (line: string) => void log.push(line) };
  const create = () => {
    const service = createService(config, deps);
    t.after(() => {
      const down = service.shutdown(AbortSignal.abort()).catch(() => undefined);
      return Promise.all([down, clock.advance(10_000)]);
    });
    return service;
  };
  /** Level and message of each line. */
  const messages = () => log.map((line) => line.split('\t').slice(1, 3).join(' ').trim());
  return { fake, config, deps, clock, create, log, messages };
}

/** Two pipelines that share a receiver and an exporter. */
const SHARED = `
receivers: {fake: {}, fake/unused: {}}
processors: {fake: {}, fake/second: {}}
exporters: {fake: {}, fake/other: {}}
extensions: {fake: {}, fake/two: {}}
service:
  ${QUIET}
  extensions: [fake, fake/two]
  pipelines:
    profiles: {receivers: [fake], processors: [fake, fake/second], exporters: [fake]}
    profiles/b: {receivers: [fake], processors: [fake], exporters: [fake, fake/other]}
`;

const single = (parts: {
  receiver?: string;
  processor?: string;
  exporter?: string;
  extension?: string;
}): string => `
receivers: {fake: ${parts.receiver ?? '{}'}}
processors: {fake: ${parts.processor ?? '{}'}}
exporters: {fake: ${parts.exporter ?? '{}'}}
extensions: {fake: ${parts.extension ?? '{}'}}
service:
  ${QUIET}
  extensions: [fake]
  pipelines: {profiles: {receivers: [fake], processors: [fake], exporters: [fake]}}
`;

describe('service', () => {
  it('builds one receiver and exporter an id, one processor an id and pipeline, and nothing unused', async (t) => {
    const { fake, create } = await make(t, SHARED);
    create();
    assert.deepEqual(fake.journal.toSorted(), [
      'create "fake" exporter',
      'create "fake" extension',
      'create "fake" processor',
      'create "fake" processor',
      'create "fake" receiver',
      'create "fake/other" exporter',
      'create "fake/second" processor',
      'create "fake/two" extension',
    ]);
  });

  it('starts from extensions and exporters up to receivers and stops the other way round', async (t) => {
    const { fake, create } = await make(t, SHARED);
    const service = create();
    fake.journal.length = 0;
    await service.start(never());
    assert.deepEqual(fake.journal, [
      'start "fake" extension',
      'start "fake/two" extension',
      'start "fake" exporter',
      'start "fake/other" exporter',
      'start "fake/second" processor',
      'start "fake" processor',
      'start "fake" processor',
      'start "fake" receiver',
      'ready "fake"',
      'ready "fake/two"',
    ]);
    fake.journal.length = 0;
    await service.shutdown(never());
    await service.shutdown(never());
    assert.deepEqual(fake.journal, [
      'not ready "fake"',
      'not ready "fake/two"',
      'shutdown "fake" receiver',
      'shutdown "fake" processor',
      'shutdown "fake" processor',
      'shutdown "fake/second" processor',
      'shutdown "fake" exporter',
      'shutdown "fake/other" exporter',
      'shutdown "fake/two" extension',
      'shutdown "fake" extension',
    ]);
  });

  it('starts what a connector sends to before it, and stops it after', async (t) => {
    const { fake, create } = await make(
      t,
      `
receivers: {fake: {}}
processors: {fake/in: {}, fake/out: {}, fake/side: {}}
connectors: {join: {}, join/2: {}}
exporters: {fake: {}, fake/other: {}}
service:
  ${QUIET}
  pipelines:
    profiles/last: {receivers: [join/2], processors: [fake/side], exporters: [fake/other]}
    profiles/out: {receivers: [join], processors: [fake/out], exporters: [fake, join/2]}
    profiles/in: {receivers: [fake], processors: [fake/in], exporters: [join, join/2]}
`,
    );
    const service = create();
    fake.journal.length = 0;
    await service.start(never());
    const flow = [
      'fake" receiver',
      'fake/in" processor',
      'join" connector',
      'fake/out" processor',
      'join/2" connector',
      'fake/side" processor',
      'fake/other" exporter',
      'fake" exporter',
    ];
    const backwards = [...flow.slice(-2), ...flow.slice(0, -2).toReversed()];
    assert.deepEqual(
      fake.journal,
      backwards.map((name) => `start "${name}`),
    );
    const batch = batchFromFolded('main;work 2\nmain;idle 1');
    await fake.feeds.get('fake')?.consumeProfiles(batch, never());
    // Once by way of both connectors, once by the second alone.
    assert.deepEqual(
      [fake.sinks.get('fake')?.batches.length, fake.sinks.get('fake/other')?.batches.length],
      [1, 2],
    );
    fake.journal.length = 0;
    await service.shutdown(never());
    assert.deepEqual(
      fake.journal,
      flow.map((name) => `shutdown "${name}`),
    );
  });

  it('shows its components what runs, what passes and how the others are', async (t) => {
    const { fake, create } = await make(t, SHARED);
    await create().start(never());
    const host = fake.hosts.get('"fake" exporter');
    assert.ok(host !== undefined);
    fake.sinks.get('fake/other')?.failWith(new Error('full'));
    const sent = fake.feeds
      .get('fake')
      ?.consumeProfiles(batchFromFolded('main;work 2\nmain;idle 1'), never());
    await assert.rejects(sent ?? Promise.resolve());
    const [first, second] = host.service.pipelines;
    assert.deepEqual(
      [first?.id, first?.receivers, first?.processors, first?.exporters],
      ['profiles', ['fake'], ['fake', 'fake/second'], ['fake']],
    );
    assert.deepEqual(
      { ...first?.traffic },
      { batches: 1, samples: 2, events: 2, failedBatches: 0, failedSamples: 0 },
    );
    assert.deepEqual([second?.traffic.failedBatches, second?.traffic.failedSamples], [1, 2]);
    host.reportStatus({ status: 'recoverable_error', error: new Error('away') });
    const seen = host.service
      .statuses()
      .map(({ component, status }) => [component.kind, component.id, component.pipeline, status].join(' '));
    assert.deepEqual(seen, [
      'extension fake  ok',
      'extension fake/two  ok',
      'receiver fake  ok',
      'processor fake profiles ok',
      'processor fake/second profiles ok',
      'processor fake profiles/b ok',
      'exporter fake  recoverable_error',
      'exporter fake/other  ok',
    ]);
  });

  it('logs the milestones that people look for, and what to expect of components', async (t) => {
    const { create, messages } = await make(
      t,
      SHARED.replace('fake/second', 'fakeold').replace('fake/second', 'fakeold'),
    );
    const service = create();
    await service.start(never());
    await service.shutdown(never());
    const seen = messages();
    for (const message of [
      'info Starting otelcol-profiles...',
      'info Everything is ready. Begin running and processing data.',
      'info Starting shutdown...',
      'info Shutdown complete.',
      'info Alpha component. May change in the future.',
      'warn "fakeold" should be the first processor of its pipeline, it is number 2',
    ]) {
      assert.equal(seen.filter((m) => m === message).length >= 1, true, `${message} in ${seen.join('\n')}`);
    }
    assert.match(seen.join('\n'), /warn .*fake\/unused.* is configured but not used in any pipeline/);
  });

  it('carries profiles from a receiver to every pipeline and counts them on the way', async (t) => {
    const { fake, create } = await make(
      t,
      SHARED.replace(
        'level: none',
        'readers: [{pull: {exporter: {prometheus: {host: 127.0.0.1, port: 0}}}}]',
      ),
    );
    const service = create();
    await service.start(never());
    const feed = fake.feeds.get('fake');
    await feed?.consumeProfiles(batchFromFolded('main;a 1\nmain;b 2'), never());
    assert.equal(fake.sinks.get('fake')?.batches.length, 2);
    assert.equal(fake.sinks.get('fake/other')?.batches.length, 1);
    fake.sinks.get('fake')?.failWith(new Error('disk is full'));
    await assert.rejects(async () => feed?.consumeProfiles(batchFromFolded('main;a 1'), never()));
    const page = await (await fetch(`${service.telemetry.metricsUrls[0]}/metrics`)).text();
    for (const line of [
      'otelcol_receiver_accepted_profile_samples{receiver="fake",transport=""} 2',
      'otelcol_receiver_accepted_profile_events{receiver="fake",transport=""} 2',
      'otelcol_receiver_refused_profile_samples{receiver="fake",transport=""} 1',
      'otelcol_processor_incoming_items{processor="fake",otel_signal="profiles"} 6',
      'otelcol_processor_outgoing_items{processor="fake/second",otel_signal="profiles"} 3',
    ]) {
      assert.ok(page.includes(`\n${line}\n`), `${line} in\n${page}`);
    }
    await service.shutdown(never());
    await assert.rejects(fetch(`${service.telemetry.metricsUrls[0]}/metrics`));
  });

  it('names component and pipeline when one cannot be built', async (t) => {
    const { create, config, deps } = await make(t, single({ processor: '{fail_create: no table}' }));
    const message =
      'failed to build pipelines: failed to create "fake" processor, in pipeline "profiles": no table';
    assert.throws(create, { message });
    assert.throws(() => checkService(config, deps), { message });
    const extension = await make(t, single({ extension: '{fail_create: no port}' }));
    assert.throws(extension.create, {
      message: 'failed to build extensions: failed to create "fake" extension: no port',
    });
  });

  it('checks a configuration without a word and without starting anything', async (t) => {
    const { config, deps, fake, log } = await make(t, SHARED);
    checkService(config, deps);
    assert.deepEqual(log, []);
    assert.deepEqual(
      fake.journal.filter((entry) => !entry.startsWith('create')),
      [],
    );
  });

  it('shuts down what ran when one component cannot start', async (t) => {
    const { fake, create } = await make(t, single({ processor: '{fail_start: port is taken}' }));
    const service = create();
    fake.journal.length = 0;
    await assert.rejects(service.start(never()), {
      message:
        'cannot start pipelines: failed to start "fake" processor in pipeline "profiles": port is taken',
    });
    assert.deepEqual(fake.journal, [
      'start "fake" extension',
      'start "fake" exporter',
      'start "fake" processor',
      'not ready "fake"',
      'shutdown "fake" processor',
      'shutdown "fake" exporter',
      'shutdown "fake" extension',
    ]);
  });

  it('gives up a start that hangs when its signal aborts', async (t) => {
    const { fake, create } = await make(t, single({ exporter: '{hang_start: true}' }));
    const service = create();
    const abort = new AbortController();
    const start = service.start(abort.signal);
    await settle();
    abort.abort(new Error('start took too long'));
    await assert.rejects(start, {
      message: 'cannot start pipelines: failed to start "fake" exporter: start took too long',
    });
    assert.deepEqual(fake.journal.slice(-2), ['shutdown "fake" exporter', 'shutdown "fake" extension']);
  });

  it('ends a start that is under way when it is shut down', async (t) => {
    const { fake, create } = await make(t, single({ exporter: '{hang_start: true}' }));
    const service = create();
    const start = assert.rejects(service.start(never()), /the service is shut down/);
    await settle();
    await service.shutdown(never());
    await start;
    assert.equal(fake.journal.includes('start "fake" receiver'), false);
  });

  it('shuts down without start', async (t) => {
    const { fake, create } = await make(t, single({}));
    await create().shutdown(never());
    assert.equal(
      fake.journal.some((entry) => entry.startsWith('shutdown')),
      false,
    );
  });

  it('goes on stopping when components fail to, and reports all of them', async (t) => {
    const { fake, create } = await make(
      t,
      single({ receiver: '{fail_shutdown: stuck}', exporter: '{fail_shutdown: 3 batches lost}' }),
    );
    const service = create();
    await service.start(never());
    await assert.rejects(service.shutdown(never()), {
      message:
        'failed to shut down "fake" receiver: stuck; failed to shut down "fake" exporter: 3 batches lost',
    });
    assert.equal(fake.journal.at(-1), 'shutdown "fake" extension');
  });

  it('names a component that does not come to an end and leaves it behind', async (t) => {
    const { fake, create, clock, messages } = await make(t, single({ exporter: '{hang_shutdown: true}' }));
    const service = create();
    await service.start(never());
    const deadline = new AbortController();
    const message = '"fake" exporter did not shut down before the deadline and was left behind';
    const down = assert.rejects(service.shutdown(deadline.signal), { message });
    await settle();
    deadline.abort();
    await clock.advance(499);
    assert.equal(fake.journal.at(-1), 'shutdown "fake" exporter');
    await clock.advance(1);
    await down;
    assert.equal(fake.journal.at(-1), 'shutdown "fake" extension');
    assert.ok(messages().includes('error shutdown is incomplete'));
  });

  it('does not let a hanging receiver take the time that exporters need', async (t) => {
    const { fake, create, clock } = await make(t, single({ receiver: '{hang_shutdown: true}' }));
    const service = create();
    await service.start(never());
    const down = assert.rejects(service.shutdown(never()), {
      message: '"fake" receiver did not shut down before the deadline and was left behind',
    });
    await clock.advance(5_499);
    assert.equal(fake.journal.includes('shutdown "fake" exporter'), false);
    await clock.advance(1);
    await down;
    assert.equal(fake.journal.includes('shutdown "fake" exporter'), true);
    assert.deepEqual(clock.pending, []);
  });

  it('hands a fatal error on and names the component', async (t) => {
    const { fake, create, messages } = await make(t, single({}));
    const service = create();
    await service.start(never());
    const host = fake.hosts.get('"fake" receiver');
    host?.reportStatus({ status: 'recoverable_error', error: new Error('slow') });
    host?.reportStatus({ status: 'recoverable_error', error: new Error('slow') });
    host?.reportStatus({ status: 'ok' });
    host?.reportStatus({ status: 'fatal_error', error: new Error('socket is gone') });
    assert.equal((await service.fatal).message, 'fatal error of "fake" receiver: socket is gone');
    assert.deepEqual(messages().slice(-3), [
      'warn component works with errors',
      'info component recovered',
      'error component failed, the collector stops',
    ]);
    assert.equal(host?.extensions.has('fake'), true);
  });
});
