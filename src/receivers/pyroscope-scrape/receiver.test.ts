// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, describe, it } from 'node:test';
import { gzipSync } from 'node:zlib';
import { encodePprof } from '../../codecs/pprof/encode.ts';
import { rememberedSeries } from '../../codecs/pyroscope/series.ts';
import { statusTables } from '../../component/status-tables.ts';
import { PermanentError, RetryableError } from '../../consumer/consumer.ts';
import { testComponentContract } from '../../internal/testing/component-contract.ts';
import { RecordingConsumer } from '../../internal/testing/recording-consumer.ts';
import { never, testHost, testSettings } from '../../internal/testing/settings.ts';
import { getText } from '../../pdata/attributes.ts';
import { batchFromFolded } from '../../pdata/folded.ts';
import type { ProfilesBatch } from '../../pdata/profiles-batch.ts';
import { configSchema } from './config.ts';
import { pyroscopeScrapeReceiverFactory } from './factory.ts';
import { PyroscopeScrapeReceiver } from './receiver.ts';

testComponentContract(pyroscopeScrapeReceiverFactory, { targets: [{ __address__: '127.0.0.1:1' }] });

/** A pprof file of these stacks. */
function pprof(folded: string, sampleType: [string, string] = ['goroutine', 'count']): Buffer {
  const [type, unit] = sampleType;
  const batch = batchFromFolded(folded, { sampleType: [type, unit] });
  return gzipSync(encodePprof(batch.dictionary, batch.resources[0]?.scopes[0]?.profiles ?? []));
}

type Answer = (request: IncomingMessage, response: ServerResponse) => void;
const ok =
  (body: Uint8Array): Answer =>
  (_, response) =>
    response.writeHead(200, { 'content-type': 'application/octet-stream' }).end(body);

/** A target under test: answers as the test says. */
class FakeTarget {
  readonly requests: IncomingMessage[] = [];
  answer: Answer = ok(pprof('main;work 3'));
  readonly #server = createServer((request, response) => {
    this.requests.push(request);
    this.answer(request, response);
  });

  async listen(): Promise<this> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve));
    return this;
  }

  get address(): string {
    return `127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  close(): void {
    this.#server.closeAllConnections();
    this.#server.close();
  }
}

const open: (() => Promise<void> | void)[] = [];
after(async () => {
  for (const close of open.toReversed()) await close();
});

async function fakeTarget(): Promise<FakeTarget> {
  const target = await new FakeTarget().listen();
  open.push(() => target.close());
  return target;
}

const onlyGoroutine = {
  memory: { enabled: false },
  block: { enabled: false },
  mutex: { enabled: false },
  process_cpu: { enabled: false },
};

/** A receiver that scrapes goroutines ten times a second. */
async function scraping(config: object, next = new RecordingConsumer()) {
  const settings = testSettings('pyroscope_scrape/test');
  const parsed = configSchema.parse({
    scrape_interval: '100ms',
    profiling_config: onlyGoroutine,
    ...config,
  });
  const receiver = new PyroscopeScrapeReceiver(settings, parsed, next);
  open.push(() => receiver.shutdown(AbortSignal.timeout(5_000)));
  await receiver.start(testHost(), never());
  return { settings, receiver, next };
}

const labelsOf = (batch: ProfilesBatch | undefined): Record<string, string> =>
  Object.fromEntries(
    (batch?.resources[0]?.resource.attributes ?? []).map(({ key }) => [
      key,
      getText(batch?.resources[0]?.resource.attributes ?? [], key) ?? '',
    ]),
  );

/** Waits for what comes in its own time, for as long as the test may run. */
async function until(isDone: () => boolean): Promise<void> {
  while (!isDone()) await new Promise((resolve) => setTimeout(resolve, 5));
}

describe('the pyroscope_scrape receiver', () => {
  it('gives what a target answers to the pipeline, under its labels and with its bytes', async () => {
    const target = await fakeTarget();
    const body = pprof('main;work 3\nmain;idle 1');
    target.answer = ok(body);
    const { next, settings } = await scraping({
      targets: [{ __address__: target.address, service_name: 'shop', __meta_x: 'y', team: 'a' }],
    });
    await next.taken(2);
    assert.match(next.folded, /main;idle 1\nmain;work 3/);
    const [batch] = next.batches;
    assert.deepEqual(labelsOf(batch), {
      __name__: 'goroutine',
      'service.name': 'shop',
      instance: target.address,
      job: 'pyroscope_scrape/test',
      team: 'a',
    });
    const [raw] = (batch && rememberedSeries(batch)) ?? [];
    assert.deepEqual(raw?.profiles, [body]);
    const [request] = target.requests;
    assert.equal(request?.url, '/debug/pprof/goroutine');
    assert.equal(request?.headers['user-agent'], 'otelcol-profiles/0.0.0-test');
    assert.ok(settings.meter.value('receiver_scrapes', { profile: 'goroutine', result: 'ok' }) >= 1);
    assert.equal(settings.meter.value('receiver_scrape_targets', { health: 'up' }), 1);
    assert.ok(settings.meter.recorded('pyroscope_fanout_latency').length >= 1);
  });

  it('keeps private labels where told', async () => {
    const target = await fakeTarget();
    const { next } = await scraping({
      targets: [{ __address__: target.address, __meta_x: 'y' }],
      private_labels: 'keep',
    });
    await next.taken(1);
    assert.equal(labelsOf(next.batches[0])['__meta_x'], 'y');
  });

  it('counts a failure by its reason and tells of a target once when it fails and once when it is well', async () => {
    const cases: readonly (readonly [string, Answer, RegExp])[] = [
      ['http_status', (_, r) => r.writeHead(500).end('boom\n'), /^server returned HTTP status \(500\) boom$/],
      ['http_status', (_, r) => r.writeHead(404).end(), /^server returned HTTP status \(404\) Not Found$/],
      ['invalid_body', ok(Buffer.alloc(0)), /^empty goroutine profile$/],
      ['connection', (q) => q.destroy(), /^no answer from http:/],
      [
        'malformed',
        ok(Buffer.from([0x1f, 0x8b, 1, 2, 3])),
        /^invalid profile data: invalid pprof at byte 0: /,
      ],
      ['timeout', () => undefined, /^no profile within 0.2s$/],
      ['too_large', ok(Buffer.alloc(1024 * 1024 + 1)), /is larger than 1048576 bytes$/],
      [
        'too_large',
        (_, r) => r.writeHead(200, { 'transfer-encoding': 'chunked' }).end(Buffer.alloc(1024 * 1024 + 1)),
        /is larger than 1048576 bytes$/,
      ],
    ];
    const fails = async ([reason, answer, message]: (typeof cases)[number]): Promise<void> => {
      const target = await fakeTarget();
      target.answer = answer;
      const { settings, receiver, next } = await scraping({
        targets: [{ __address__: target.address }],
        // Long enough on a busy host, where the end of it is not what the test waits for.
        scrape_timeout: reason === 'timeout' ? '200ms' : '10s',
        max_profile_size_mib: 1,
      });
      const { logger, meter } = settings;
      await until(() => meter.value('receiver_scrapes', { result: reason }) >= 2);
      assert.equal(meter.value('receiver_scrape_targets', { health: 'down' }), 1);
      await until(() => logger.messages('warn').length > 0);
      target.answer = ok(pprof('main 1'));
      await next.taken(1);
      await until(() => logger.messages('info').includes('target is well again'));
      assert.deepEqual(logger.messages('warn'), ['target gives no profiles']);
      const told = logger.entries.find(({ level }) => level === 'warn')?.fields ?? {};
      assert.match(String(told['error']), message);
      assert.equal(told['instance'], target.address);
      await receiver.shutdown(never());
    };
    await Promise.all(cases.map(fails));
  });

  it('reads no more at once than there is room for', async () => {
    const [slow, other] = [await fakeTarget(), await fakeTarget()];
    // Half of a profile stays in memory for as long as the other half does not come.
    slow.answer = (_, response) => void response.writeHead(200).write(Buffer.alloc(1024 * 1024 - 10));
    const { settings } = await scraping({
      targets: [{ __address__: slow.address }, { __address__: other.address }],
      max_in_flight_mib: 1,
    });
    await until(() => settings.meter.value('receiver_scrapes', { result: 'no_room' }) >= 2);
    const told = (): unknown =>
      settings.logger.entries.find(({ level }) => level === 'warn')?.fields['error'];
    await until(() => told() !== undefined);
    assert.match(String(told()), /raise "max_in_flight_mib"$/);
    slow.close();
    await until(() => settings.meter.value('receiver_scrapes', { result: 'ok' }) >= 1);
  });

  it('goes on where targets cannot be scraped, and tells of them once', async () => {
    const target = await fakeTarget();
    const { next, settings } = await scraping({
      targets: [{ a: 'b' }, { __address__: target.address }, { __address__: 'x/y' }],
    });
    await next.taken(2);
    assert.deepEqual(settings.logger.messages('warn'), [
      'targets cannot be scraped',
      'targets cannot be scraped',
    ]);
    const table = statusTables.list().find(({ rows }) => rows().some((row) => row[2] === target.address));
    assert.deepEqual(
      table?.rows().map((row) => [row[0], row[2], row[4]]),
      [
        ['refused', '', ''],
        ['refused', 'x/y', ''],
        ['up', target.address, `http://${target.address}/debug/pprof/goroutine`],
      ],
    );
    for (const reason of ['no_address', 'invalid_address'])
      assert.equal(settings.meter.value('receiver_scrape_refused_targets', { reason }), 1);
  });

  it('sends differences of totals, and what is in use as it is', async () => {
    const target = await fakeTarget();
    let scrapes = 0;
    target.answer = (_, response) => {
      scrapes++;
      const { dictionary, resources } = batchFromFolded(`main;lock ${scrapes * 10}\nmain;once 7`, {
        sampleType: ['contentions', 'count'],
      });
      ok(encodePprof(dictionary, resources[0]?.scopes[0]?.profiles ?? []))(
        target.requests[0] as IncomingMessage,
        response,
      );
    };
    const { next, settings } = await scraping({
      targets: [{ __address__: target.address }],
      profiling_config: { ...onlyGoroutine, goroutine: { enabled: false }, mutex: { enabled: true } },
    });
    await next.taken(3);
    assert.deepEqual(new Set(next.folded.split('\n')), new Set(['main;lock 10']));
    assert.equal(labelsOf(next.batches[0])['__delta__'], 'false');
    assert.equal(settings.meter.value('receiver_scrape_deltas', { outcome: 'first' }), 1);
    scrapes = 0;
    await until(() => settings.meter.value('receiver_scrape_deltas', { outcome: 'reset' }) === 1);
    await until(() => next.folded.includes('main;once 7'));
    assert.ok(settings.meter.value('receiver_scrape_delta_state_bytes') > 0);
  });

  it('passes on what holds no totals, though a difference is asked for', async () => {
    const target = await fakeTarget();
    const { next, settings } = await scraping({
      targets: [{ __address__: target.address }],
      profiling_config: { ...onlyGoroutine, goroutine: { enabled: true, compute_delta: true } },
    });
    await next.taken(1);
    const [batch = assert.fail()] = next.batches;
    assert.equal(batch.deferredBytes, rememberedSeries(batch)?.[0]?.profiles[0]?.length);
    assert.ok(batch.deferredBytes !== undefined && batch.sampleCount > 0);
    assert.equal(settings.meter.value('receiver_scrape_deltas', { outcome: 'first' }), 0);
  });

  it('scrapes its own part of the targets where they are spread over a cluster', async () => {
    const targets = await Promise.all(Array.from({ length: 16 }, fakeTarget));
    const members = { static: ['a:1', 'b:1'] };
    for (const self of ['a:1', 'b:1']) {
      const { settings } = await scraping({
        targets: targets.map(({ address }) => ({ __address__: address, service_name: 'shop' })),
        clustering: { enabled: true, members, self },
      });
      await until(() => settings.meter.value('receiver_scrapes', { result: 'ok' }) >= 16);
      assert.ok(settings.meter.value('receiver_scrape_jobs') < 16);
    }
    await until(() => targets.every(({ requests }) => requests.length > 0));
  });

  it('goes on scraping while the pipeline is stuck, within a budget', async () => {
    const target = await fakeTarget();
    let release = (): void => undefined;
    const stuck = new Promise<void>((resolve) => (release = resolve));
    const next = new RecordingConsumer(() => stuck);
    const { settings } = await scraping({ targets: [{ __address__: target.address }] }, next);
    await until(() => target.requests.length >= 4 && next.offered.length >= 3);
    assert.equal(next.batches.length, 0);
    release();
    await next.taken(3);
    assert.equal(settings.meter.value('receiver_scrape_dropped_samples'), 0);
    assert.equal(new Set(next.offered).size, next.offered.length);
    await until(() => settings.meter.value('receiver_scrape_pending_bytes') === 0);
  });

  it('stops soon where the pipeline is stuck, and counts what is lost', async () => {
    const target = await fakeTarget();
    const next = new RecordingConsumer(
      (_, signal) =>
        new Promise((_resolve, reject) => {
          signal.addEventListener('abort', () => reject(new Error('stopped')));
        }),
    );
    const { settings, receiver } = await scraping({ targets: [{ __address__: target.address }] }, next);
    await until(() => next.offered.length > 1);
    await receiver.shutdown(never());
    await until(() => settings.meter.value('receiver_scrape_pending_bytes') === 0);
    const lost = settings.meter.value('receiver_scrape_dropped_samples', { reason: 'shutdown' });
    assert.equal(lost, next.offered.length);
  });

  it('offers again what a busy pipeline refuses, and counts what it never takes', async () => {
    const target = await fakeTarget();
    const next = new RecordingConsumer();
    next.failWith(new RetryableError('busy'));
    const { settings } = await scraping({ targets: [{ __address__: target.address }] }, next);
    await until(() => next.offered.length > 0);
    next.failWith(undefined);
    await next.taken(2);
    assert.equal(next.batches[0], next.offered[0]);
    next.failWith(new PermanentError('never'));
    await until(() => settings.meter.value('receiver_scrape_dropped_samples', { reason: 'refused' }) >= 2);
    assert.deepEqual(settings.logger.messages('error'), ['scraped profiles are dropped']);
  });
});
