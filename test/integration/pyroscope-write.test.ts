// SPDX-License-Identifier: Apache-2.0
// What Alloy's pyroscope.write does, and what it lacks: names and labels as they came, answers that are retried or
// not, endpoints that do not feel each other, POST /ingest.
import assert from 'node:assert/strict';
import { createServer as createHttpServer } from 'node:http';
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { after, describe, it } from 'node:test';
import { gzipSync } from 'node:zlib';
import { encodePprof } from '../../src/codecs/pprof/encode.ts';
import { readPprof } from '../../src/codecs/pprof/read.ts';
import { batchOfSeries, rememberSeries } from '../../src/codecs/pyroscope/series.ts';
import { fanOut } from '../../src/consumer/fan-out.ts';
import { schema } from '../../src/exporters/pyroscope/config.ts';
import { createPyroscopeExporter } from '../../src/exporters/pyroscope/exporter.ts';
import { FakeClock } from '../../src/internal/testing/fake-clock.ts';
import { labelledBatch } from '../../src/internal/testing/labelled-batch.ts';
import { lintMetrics } from '../../src/internal/testing/metrics-lint.ts';
import { never, testHost, testSettings } from '../../src/internal/testing/settings.ts';
import { batchFromFolded, type FoldedOptions } from '../../src/pdata/folded.ts';
import { mergeBatches } from '../../src/pdata/merge.ts';
import type { ProfilesBatch } from '../../src/pdata/profiles-batch.ts';
import { MetricsRegistry } from '../../src/service/telemetry/meter.ts';
import { type FakePyroscope, type FakePyroscopeOptions, startFakePyroscope } from './fake-pyroscope.ts';

const CPU = 'process_cpu:cpu:nanoseconds:cpu:nanoseconds';
const DIRECT = { sending_queue: { enabled: false }, retry_on_failure: { enabled: false } };
const ends: (() => unknown)[] = [];
after(() => Promise.all(ends.map((end) => end())));

async function server(options: FakePyroscopeOptions = {}): Promise<FakePyroscope> {
  const started = await startFakePyroscope(options);
  ends.push(() => started.stop());
  return started;
}

/** Accepts connections and never answers. */
async function blackhole(): Promise<string> {
  const sockets = new Set<Socket>();
  const hole: Server = createServer((socket) => void sockets.add(socket.on('error', () => undefined)));
  await new Promise<void>((resolve) => hole.listen(0, '127.0.0.1', resolve));
  ends.push(() => {
    for (const socket of sockets) socket.destroy();
    hole.close();
  });
  return `http://127.0.0.1:${(hole.address() as AddressInfo).port}`;
}

const now = (): bigint => BigInt(Date.now()) * 1_000_000n;
const folded = (text: string, attributes: FoldedOptions['attributes'] = {}, options: FoldedOptions = {}) =>
  batchFromFolded(text, {
    timeUnixNano: now(),
    attributes: { 'service.name': 'shop', ...attributes },
    ...options,
  });

async function exporterTo(
  url: string,
  config: object,
  clock?: FakeClock,
  settings = testSettings('pyroscope'),
) {
  const exporter = createPyroscopeExporter(settings, schema.parse({ url, ...config }), clock && { clock });
  await exporter.start(testHost(), never());
  return { exporter, settings };
}

/** Sends batches one after the other to a server that refuses none of them. */
async function deliver(batches: readonly ProfilesBatch[], config: object = {}): Promise<FakePyroscope> {
  const fake = await server();
  const { exporter } = await exporterTo(fake.url, { ...DIRECT, ...config });
  for (const batch of batches) await exporter.consumeProfiles(batch, never());
  await exporter.shutdown(never());
  assert.deepEqual(fake.store.rejections, []);
  return fake;
}

const contentions: FoldedOptions = {
  sampleType: ['contentions', 'count'],
  periodType: ['contentions', 'count'],
  period: 1n,
};

/** A series as a receiver hands it on: read from its pprof, and remembered as it came. */
async function received(labels: Record<string, string>, pprof: Uint8Array): Promise<ProfilesBatch> {
  const set = new Map(Object.entries(labels));
  const batch = batchOfSeries(set, await readPprof(pprof));
  rememberSeries(batch, { labels: set, profiles: [pprof] });
  return batch;
}

function pprofOf(batch: ProfilesBatch): Uint8Array {
  return encodePprof(
    batch.dictionary,
    [...batch.profiles()].map(({ profile }) => profile),
  );
}

describe('the series of a batch', () => {
  for (const protocol of ['push', 'ingest'] as const) {
    it(`has the name that its resource says: block is told from mutex over ${protocol}`, async () => {
      const fake = await deliver(
        ['mutex', 'block'].map((name) => folded('a 1', { __name__: name }, contentions)),
        { protocol },
      );
      assert.deepEqual(
        fake.store.types(),
        ['block', 'mutex'].map((name) => `${name}:contentions:count:contentions:count`),
      );
    });
  }

  it('keeps __delta__ and drops every other private label', async () => {
    const fake = await deliver([folded('a 1', { __delta__: 'true', __meta_x: 'y' })]);
    const { labels } = fake.store.profiles[0] ?? {};
    assert.equal(labels?.['__delta__'], 'true');
    assert.equal(labels['__meta_x'], undefined);
  });

  it('takes external labels over its own, the service and the name included, and empty ones away', async () => {
    const external_labels = { service_name: 'other', __name__: 'wall', region: '' };
    const fake = await deliver([folded('a 1', { region: 'eu' })], { external_labels });
    const { labels } = fake.store.profiles[0] ?? {};
    assert.deepEqual(labels, { __delta__: 'false', __name__: 'wall', service_name: 'other' });
  });

  it('has the names of its attributes as they are where asked', async () => {
    const fake = await deliver([folded('a 1', { 'k8s-pod.name': 'p' })], { label_names: 'as_is' });
    assert.equal(fake.store.profiles[0]?.labels['k8s-pod.name'], 'p');
  });
});

describe('profiles without a time', () => {
  it('all arrive, as profiles of now', async () => {
    const bare = () => folded('main;work 3', {}, { timeUnixNano: 0n });
    const fake = await deliver([bare(), bare(), bare()]);
    assert.equal(fake.store.total(CPU), 90_000_000n);
  });
});

describe('a series that nobody touched', () => {
  const LABELS = { __name__: 'process_cpu', service_name: 'shop', 'pod-name': 'p', __tmp: 'x' };

  it('goes out as the bytes that came in, with its labels and the external ones', async () => {
    const gzip = gzipSync(pprofOf(folded('main;work 3')), { level: 1 });
    const batch = await received(LABELS, gzip);
    const fake = await deliver([batch], { external_labels: { region: 'eu' } });
    assert.ok(fake.requests[0]?.body.includes(gzip), 'the bytes as they came');
    const { __delta__, ...labels } = fake.store.profiles[0]?.labels ?? {};
    assert.equal(__delta__, 'false');
    assert.deepEqual(labels, {
      __name__: 'process_cpu',
      'pod-name': 'p',
      region: 'eu',
      service_name: 'shop',
    });
  });

  it('goes out encoded anew where an edit made another batch of it', async () => {
    const gzip = gzipSync(pprofOf(folded('main;work 3')), { level: 1 });
    const batch = await received(LABELS, gzip);
    const edited = batch.mapResources((rp) => ({ ...rp, scopes: rp.scopes, schemaUrl: 'x' }));
    const fake = await deliver([edited]);
    assert.equal(fake.requests[0]?.body.includes(gzip), false);
    assert.equal(fake.store.folded(CPU, { pod_name: 'p' }), 'main;work 30000000');
  });

  it('is encoded anew where the server would refuse it as it came', async () => {
    const many = Object.fromEntries(Array.from({ length: 40 }, (_, i) => [`l${i}`, 'x']));
    const long = pprofOf(folded(Array.from({ length: 16_500 }, (_, i) => `main;f${i} 1`).join('\n')));
    const small = pprofOf(folded('main 3'));
    const query = pprofOf(labelledBatch({ query: 'x'.repeat(3_000) }));
    for (const [labels, pprof, total] of [
      [{ ...LABELS, ...many }, small, 30_000_000n],
      [LABELS, query, 10_000_000n],
      [{ ...LABELS, long: 'x'.repeat(3_000) }, small, 30_000_000n],
      [LABELS, long, 165_000_000_000n],
      [{ service_name: 'shop' }, small, 30_000_000n],
    ] as const) {
      const fake = await deliver([await received(labels, pprof)]);
      assert.equal(fake.store.total(CPU), total);
    }
  });

  it('is encoded anew where its sample types are those of .NET, which the server refuses', async () => {
    const types = { sampleType: ['lock-count', 'count'], periodType: ['', ''], period: 0n } as const;
    const fake = await deliver([
      await received({ ...LABELS, __name__: 'lock_count' }, pprofOf(folded('main 3', {}, types))),
    ]);
    assert.equal(fake.store.folded('lock_count:lock_count:count::'), 'main 3');
  });

  it('is encoded anew where an option asks for other labels of its samples', async () => {
    const gzip = gzipSync(pprofOf(folded('main 3')));
    const fake = await deliver([await received(LABELS, gzip)], { sample_labels: [] });
    assert.equal(fake.requests[0]?.body.includes(gzip), false);
  });
});

describe('POST /ingest', () => {
  for (const ingest_body of ['multipart', 'bare'] as const) {
    it(`takes profiles as ${ingest_body}, with labels, time and agent`, async () => {
      const batch = folded('main;work 3', { pyroscope_spy: 'gospy', note: 'a,b}c', 'k8s.pod.name': 'p' });
      const fake = await deliver([batch], {
        protocol: 'ingest',
        ingest_body,
        external_labels: { region: 'eu' },
      });
      assert.equal(fake.store.folded(CPU), 'main;work 30000000');
      assert.deepEqual(fake.store.profiles[0]?.labels, {
        __delta__: 'false',
        __name__: 'process_cpu',
        k8s_pod_name: 'p',
        note: 'a_b_c',
        pyroscope_spy: 'gospy',
        region: 'eu',
        service_name: 'shop',
      });
      const query = new URL(fake.requests[0]?.path ?? '', fake.url).searchParams;
      const [from, until] = [Number(query.get('from')), Number(query.get('until'))];
      assert.ok(from > 1_700_000_000 && until > from, `${from} to ${until}`);
      assert.equal(query.get('format'), ingest_body === 'bare' ? 'pprof' : null);
    });
  }

  it('gives services and labels names that the server takes', async () => {
    const batch = folded('main;work 3', { 'service.name': 'unknown_service:node', 'a-b': 'c' });
    const fake = await deliver([batch], { protocol: 'ingest', label_names: 'as_is' });
    assert.equal(
      fake.store.folded(CPU, { service_name: 'unknown_service_node', a_b: 'c' }),
      'main;work 30000000',
    );
  });

  it('sends one profile a request, and each on its own', async () => {
    const fake = await deliver([folded('a 1', { __name__: 'wall' }), folded('a 1')], { protocol: 'ingest' });
    assert.equal(fake.requests.length, 2);
  });
});

describe('an answer', () => {
  const answerTo = async (fault: Parameters<FakePyroscope['failWith']>[0], config: object = {}) => {
    const fake = await server();
    fake.failWith(fault);
    const { exporter } = await exporterTo(fake.url, { ...DIRECT, ...config });
    const [outcome] = await Promise.allSettled([exporter.consumeProfiles(folded('a 1'), never())]);
    await exporter.shutdown(never());
    return outcome.status === 'rejected' ? (outcome.reason as Error).name : 'taken';
  };

  for (const [status, code, name] of [
    [500, 'unknown', 'RetryableError'],
    [409, 'aborted', 'RetryableError'],
    [500, 'data_loss', 'RetryableError'],
    [429, 'resource_exhausted', 'RetryableError'],
    [503, 'invalid_argument', 'PermanentError'],
    [501, 'unimplemented', 'PermanentError'],
    [400, 'failed_precondition', 'PermanentError'],
  ] as const) {
    it(`of code ${code} counts as ${name}`, async () => {
      assert.equal(await answerTo({ status, body: JSON.stringify({ code, message: 'no' }) }), name);
    });
  }

  it('of 429 is final where retry_on_http_429 is off', async () => {
    const body = JSON.stringify({ code: 'resource_exhausted', message: 'rate' });
    assert.equal(await answerTo({ status: 429, body }, { retry_on_http_429: false }), 'PermanentError');
    assert.equal(await answerTo({ status: 429 }, { retry_on_http_429: false }), 'PermanentError');
  });
});

describe('two endpoints', () => {
  it('do not feel each other: one swallows all and answers nothing', async () => {
    const good = await server();
    const clock = new FakeClock();
    const queue = { sending_queue: { queue_size: 100 } };
    const dead = await exporterTo(await blackhole(), queue, clock);
    const alive = await exporterTo(good.url, queue);
    const both = fanOut([dead.exporter, alive.exporter]);
    // The clock of the dead one stands still: whoever waited for it would wait for ever.
    for (let i = 0; i < 50; i++) await both.consumeProfiles(folded(`main;f${i} 1`), never());
    await until(() => alive.settings.meter.value('exporter_sent_profile_samples') === 50);
    assert.equal(good.store.total(CPU), 500_000_000n);
    const down = dead.exporter.shutdown(never());
    await clock.advance(4_000);
    await down;
    await alive.exporter.shutdown(never());
    assert.equal(dead.settings.meter.value('exporter_send_failed_profile_samples'), 50);
  });
});

describe('a server that is down', () => {
  it('is asked once a second by one, however many wait', async () => {
    const fake = await server();
    fake.failWith({ status: 503 });
    const { exporter, settings } = await exporterTo(fake.url, {
      retry_on_failure: { initial_interval: '100ms' },
    });
    const startMs = performance.now();
    for (let i = 0; i < 100; i++) await exporter.consumeProfiles(folded(`main;f${i} 1`), never());
    // Those that were on their way when the first answer came, and then one a second.
    await until(() => fake.requests.length >= 12);
    fake.failWith(undefined);
    await until(() => settings.meter.value('exporter_sent_profile_samples') === 100);
    const seconds = Math.ceil((performance.now() - startMs) / 1000);
    const failed = fake.requests.length - 100;
    assert.ok(failed <= 10 + seconds, `${failed} attempts failed in ${seconds} s`);
    assert.equal(fake.store.total(CPU), 1_000_000_000n);
    assert.equal(settings.meter.value('pyroscope_write_retries_total'), failed);
    await exporter.shutdown(never());
  });

  it('is asked each time where nothing may be sent again', async () => {
    const fake = await server();
    fake.failWith({ status: 503 });
    const { exporter } = await exporterTo(fake.url, DIRECT);
    for (let i = 0; i < 3; i++)
      await assert.rejects(exporter.consumeProfiles(folded('a 1'), never()), { name: 'RetryableError' });
    assert.equal(fake.requests.length, 3);
    await exporter.shutdown(never());
  });

  it('loses the one profile that it cannot read, and no other of the same batch', async () => {
    const fake = await server();
    fake.failWith({ status: 500, body: '{"code":"unknown","message":"proto: wrong wireType"}' });
    const clock = new FakeClock();
    const { exporter } = await exporterTo(fake.url, {}, clock);
    const batch = folded('a 1');
    const other = folded('b 1', { 'service.name': 'other' });
    await exporter.consumeProfiles(mergeBatches([batch, other]), never());
    await until(() => fake.requests.length === 1);
    await until(() => clock.pending.length > 0);
    fake.failWith(undefined);
    await until(
      () => fake.requests.length >= 3,
      () => clock.advance(1_000),
    );
    await exporter.shutdown(never());
    assert.equal(fake.requests.length, 3, 'each series alone after the request was refused');
    assert.equal(fake.store.total(CPU), 20_000_000n);
  });
});

describe('the metrics of pyroscope.write', () => {
  it('stand on the page under their names', async () => {
    const fake = await server();
    const registry = new MetricsRegistry();
    const settings = { ...testSettings('pyroscope'), meter: registry.meter({ exporter: 'pyroscope' }) };
    const config = schema.parse({ url: fake.url.replace('//', '//user:secret@'), ...DIRECT });
    const exporter = createPyroscopeExporter(settings, config);
    await exporter.start(testHost(), never());
    await exporter.consumeProfiles(folded('a 1'), never());
    fake.failWith({ status: 400 });
    await assert.rejects(exporter.consumeProfiles(folded('a 1'), never()));
    await exporter.shutdown(never());
    const page = await registry.page();
    assert.deepEqual(lintMetrics(page), []);
    const value = (series: string): number =>
      Number(
        page
          .split('\n')
          .find((line) => line.startsWith(`${series} `))
          ?.slice(series.length + 1),
      );
    const labels = `{component_id="exporter/pyroscope",endpoint="${fake.url}"}`;
    assert.equal(value(`pyroscope_write_sent_profiles_total${labels}`), 1);
    assert.equal(value(`pyroscope_write_dropped_profiles_total${labels}`), 1);
    assert.ok(value(`pyroscope_write_sent_bytes_total${labels}`) > 50);
    assert.ok(value(`pyroscope_write_dropped_bytes_total${labels}`) > 50);
    assert.equal(value('pyroscope_forwarded_entries_total{component_id="exporter/pyroscope"}'), 1);
    assert.equal(value('pyroscope_fanout_latency_count{component_id="exporter/pyroscope"}'), 2);
    for (const [endpoint, type] of [
      [fake.url, 'push_downstream'],
      [fake.url, 'push_endpoint'],
      ['-', 'push_total'],
    ])
      assert.equal(
        value(
          `pyroscope_write_latency_count{component_id="exporter/pyroscope",endpoint="${endpoint}",type="${type}"}`,
        ),
        2,
        type,
      );
  });
});

async function until(
  holds: () => boolean,
  between: () => Promise<void> = async () => undefined,
): Promise<void> {
  while (!holds()) {
    await between();
    await new Promise((resolve) => setImmediate(resolve));
  }
}

describe('the HTTP client of the exporter', () => {
  /** Answers with redirects to a server. */
  const redirecting = async (status: number, to: string): Promise<string> => {
    const gate = createHttpServer((request, response) => {
      request.resume();
      response.writeHead(status, { location: `${to}${request.url ?? ''}` }).end();
    });
    await new Promise<void>((resolve) => gate.listen(0, '127.0.0.1', resolve));
    ends.push(() => gate.close());
    return `http://127.0.0.1:${(gate.address() as AddressInfo).port}`;
  };

  it('goes where 307 points to, and tells of a 301 that would lose the body', async () => {
    const fake = await server();
    const { exporter } = await exporterTo(await redirecting(307, fake.url), DIRECT);
    await exporter.consumeProfiles(folded('a 1'), never());
    assert.equal(fake.store.total(CPU), 10_000_000n);
    const lossy = await exporterTo(await redirecting(301, fake.url), DIRECT);
    await assert.rejects(lossy.exporter.consumeProfiles(folded('a 1'), never()), {
      name: 'PermanentError',
      message: /server answered 301: .*it points to "http:/,
    });
    const strict = await exporterTo(await redirecting(307, fake.url), { ...DIRECT, follow_redirects: false });
    await assert.rejects(strict.exporter.consumeProfiles(folded('a 1'), never()), { name: 'PermanentError' });
    for (const each of [exporter, lossy.exporter, strict.exporter]) await each.shutdown(never());
  });

  it('sends the headers that are configured, and the user of the URL', async () => {
    const fake = await server();
    const url = fake.url.replace('//', '//user:pass@');
    const { exporter } = await exporterTo(url, { ...DIRECT, http_headers: { 'X-Team': ['a'] } });
    await exporter.consumeProfiles(folded('a 1'), never());
    await exporter.shutdown(never());
    const { headers } = fake.requests[0] ?? {};
    assert.equal(headers?.['connect-protocol-version'], '1');
    assert.equal(headers['connect-timeout-ms'], '10000');
    assert.equal(headers['x-team'], 'a');
    assert.equal(headers['authorization'], `Basic ${Buffer.from('user:pass').toString('base64')}`);
  });
});
