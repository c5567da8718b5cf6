// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { sendingQueueSchema } from '../../config/sections/queue.ts';
import { rememberSeries } from '../../codecs/pyroscope/series.ts';
import { retryOnFailureSchema } from '../../config/sections/retry.ts';
import { PermanentError, RetryableError } from '../../consumer/consumer.ts';
import { FakeClock, settle } from '../../internal/testing/fake-clock.ts';
import { RecordingConsumer } from '../../internal/testing/recording-consumer.ts';
import { never, testHost, testSettings } from '../../internal/testing/settings.ts';
import { batchFromFolded } from '../../pdata/folded.ts';
import { ProfilesBatch } from '../../pdata/profiles-batch.ts';
import { TransportError } from './delivery.ts';
import { createDeliveringExporter, createExporterHelper } from './exporter-helper.ts';
import type { HelperOptions } from './helper-options.ts';

const BATCH = batchFromFolded('main;work;malloc 3\nmain;idle 1');
const down = (): RetryableError =>
  new RetryableError('connection refused', { cause: new TransportError('Unavailable', 'refused') });

interface Overrides extends Omit<HelperOptions, 'queue' | 'retry'> {
  readonly queue?: object | null;
  readonly retry?: object | null;
}

async function started({ queue = {}, retry = {}, ...rest }: Overrides = {}) {
  const clock = new FakeClock();
  const settings = testSettings('test');
  const sink = new RecordingConsumer();
  const exporter = createExporterHelper(
    settings,
    {
      ...rest,
      queue: queue === null ? undefined : sendingQueueSchema.parse(queue),
      retry: retry === null ? undefined : retryOnFailureSchema.parse({ randomization_factor: 0, ...retry }),
      clock,
    },
    (batch, signal) => sink.consumeProfiles(batch, signal),
  );
  await exporter.start(testHost(), never());
  const samples = (what: 'sent' | 'send_failed' | 'enqueue_failed', labels = {}): number =>
    settings.meter.value(`exporter_${what}_profile_samples`, labels);
  return { clock, settings, sink, exporter, samples, gauge: (name: string) => settings.meter.value(name) };
}

/** A sink that answers each batch when the test says so. */
function gate() {
  const open: (() => void)[] = [];
  return {
    answer: () => new Promise<void>((resolve) => open.push(resolve)),
    get waiting() {
      return open.length;
    },
    release: () => {
      for (const resolve of open.splice(0)) resolve();
    },
  };
}

describe('exporter helper without a queue', () => {
  it('resolves when the batch is delivered, and counts samples and events', async () => {
    const t = await started({ queue: null });
    await t.exporter.consumeProfiles(BATCH, never());
    assert.equal(t.sink.sampleCount, 2);
    assert.equal(t.samples('sent'), 2);
    assert.equal(t.settings.meter.value('exporter_sent_profile_events'), 2);
  });

  it('hands a permanent error back at once and counts it by its type', async () => {
    const t = await started({ queue: null });
    t.sink.failWith(new PermanentError('bad', { cause: new TransportError('Invalid_Argument', 'bad') }));
    await assert.rejects(t.exporter.consumeProfiles(BATCH, never()), { name: 'PermanentError' });
    assert.equal(t.sink.offered.length, 1);
    assert.equal(t.samples('send_failed', { error_type: 'Invalid_Argument' }), 2);
  });

  it('stops retrying when the receiver gives up', async () => {
    const t = await started({ queue: null });
    t.sink.failWith(down());
    const client = new AbortController();
    const consumed = assert.rejects(t.exporter.consumeProfiles(BATCH, client.signal));
    await settle();
    client.abort(new Error('client went away'));
    await consumed;
    assert.equal(t.samples('send_failed'), 2);
    assert.deepEqual(t.clock.pending, []);
  });

  it('aborts an attempt that takes longer than the timeout', async () => {
    const t = await started({ queue: null, retry: null, timeout: 5_000 });
    t.sink.answerWith(() => new Promise(() => undefined));
    const consumed = assert.rejects(t.exporter.consumeProfiles(BATCH, never()), /no answer within 5000 ms/);
    await t.clock.advance(5_000);
    await consumed;
    assert.equal(t.samples('send_failed', { error_type: 'Deadline_Exceeded' }), 2);
  });

  it('passes over a batch without profiles', async () => {
    const t = await started({ queue: null });
    await t.exporter.consumeProfiles(new ProfilesBatch(BATCH.dictionary, []), never());
    assert.equal(t.sink.offered.length, 0);
  });
});

describe('exporter helper with retry', () => {
  it('backs off exponentially up to the longest interval', async () => {
    const t = await started({ retry: { initial_interval: '1s', multiplier: 2, max_interval: '3s' } });
    t.sink.failWith(down());
    await t.exporter.consumeProfiles(BATCH, never());
    const waits: number[] = [];
    for (let i = 0; i < 4; i++) {
      await settle();
      const wait = t.clock.pending[0] ?? 0;
      waits.push(wait);
      await t.clock.advance(wait);
    }
    assert.deepEqual(waits, [1_000, 2_000, 3_000, 3_000]);
    await t.exporter.shutdown(never());
  });

  it('spreads the intervals by the randomization factor', async () => {
    for (const [random, want] of [
      [0, 2_500],
      [0.5, 5_000],
    ] as const) {
      const t = await started({ retry: { randomization_factor: 0.5 }, random: () => random });
      t.sink.failWith(down());
      await t.exporter.consumeProfiles(BATCH, never());
      await settle();
      assert.deepEqual(t.clock.pending, [want]);
      await t.exporter.shutdown(never());
    }
  });

  it('waits at least as long as the other side asks, even when others get through', async () => {
    const t = await started();
    t.sink.failWith(new RetryableError('throttled', { retryAfterMs: 60_000 }));
    await t.exporter.consumeProfiles(BATCH, never());
    await settle();
    assert.deepEqual(t.clock.pending, [60_000]);
    t.sink.failWith(undefined);
    await t.exporter.consumeProfiles(BATCH, never());
    await settle();
    assert.deepEqual(t.clock.pending, [60_000]);
    await t.clock.advance(60_000);
    assert.equal(t.samples('sent'), 4);
  });

  it('gives up after the elapsed time that is allowed and counts the loss', async () => {
    const t = await started({
      retry: { initial_interval: '1s', multiplier: 1, max_interval: '1s', max_elapsed_time: '3s' },
    });
    t.sink.failWith(down());
    await t.exporter.consumeProfiles(BATCH, never());
    await t.clock.advance(10_000);
    assert.equal(t.sink.offered.length, 4);
    assert.equal(t.samples('send_failed', { error_type: 'Unavailable' }), 2);
    assert.deepEqual(t.settings.logger.messages('error'), ['exporting failed, dropping data']);
  });

  it('drains what waits in backoff as soon as one batch gets through', async () => {
    const t = await started();
    t.sink.failWith(down());
    for (let i = 0; i < 5; i++) await t.exporter.consumeProfiles(BATCH, never());
    await settle();
    assert.equal(t.clock.pending.length, 5);
    t.sink.failWith(undefined);
    await t.exporter.consumeProfiles(BATCH, never());
    await settle();
    await settle();
    assert.equal(t.samples('sent'), 12);
    assert.deepEqual(t.clock.pending, []);
  });

  it('tries again at once when it is told that the destination is back', async () => {
    const t = await started();
    t.sink.failWith(down());
    await t.exporter.consumeProfiles(BATCH, never());
    await settle();
    t.sink.failWith(undefined);
    t.exporter.retryNow();
    await settle();
    assert.equal(t.samples('sent'), 2);
  });

  it('tells of an outage once, and of its end', async () => {
    const t = await started();
    t.sink.failWith(down());
    for (let i = 0; i < 8; i++) await t.exporter.consumeProfiles(BATCH, never());
    await t.clock.advance(59_000);
    assert.deepEqual(t.settings.logger.messages(), ['exporting failed, will retry']);
    t.sink.failWith(undefined);
    t.exporter.retryNow();
    await settle();
    assert.deepEqual(t.settings.logger.messages('info'), ['exporting works again']);
    const failedAttempts = t.settings.logger.entries.at(-1)?.fields['failed_attempts'];
    assert.equal(failedAttempts, t.sink.offered.length - 8);
  });
});

describe('exporter helper with a queue', () => {
  it('acknowledges at once and sends with as many consumers as configured', async () => {
    const t = await started({ queue: { num_consumers: 3 } });
    const sink = gate();
    t.sink.answerWith(sink.answer);
    for (let i = 0; i < 5; i++) await t.exporter.consumeProfiles(BATCH, never());
    assert.equal(sink.waiting, 3);
    assert.equal(t.gauge('exporter_queue_size'), 5);
    assert.equal(t.gauge('exporter_queue_capacity'), 1000);
    assert.equal(t.gauge('exporter_in_flight_requests'), 3);
    assert.ok(t.gauge('exporter_queue_memory_bytes') > 1_000);
    while (sink.waiting > 0) {
      sink.release();
      await settle();
    }
    assert.equal(t.samples('sent'), 10);
    assert.equal(t.gauge('exporter_queue_size'), 0);
    assert.equal(t.gauge('exporter_queue_memory_bytes'), 0);
  });

  it('refuses what does not fit with a retryable error, and counts it', async () => {
    for (const queue of [{ queue_size: 2 }, { queue_size: 5, sizer: 'items' }]) {
      const t = await started({ queue });
      t.sink.answerWith(gate().answer);
      await t.exporter.consumeProfiles(BATCH, never());
      await t.exporter.consumeProfiles(BATCH, never());
      await assert.rejects(t.exporter.consumeProfiles(BATCH, never()), {
        name: 'RetryableError',
        message: 'sending queue is full',
      });
      assert.equal(t.samples('enqueue_failed'), 2);
      assert.deepEqual(t.settings.logger.messages('warn'), ['batch refused']);
    }
  });

  it('bounds the memory of what is queued, whatever the number of requests', async () => {
    const t = await started({ maxQueuedBytes: 1 });
    t.sink.answerWith(gate().answer);
    await t.exporter.consumeProfiles(BATCH, never());
    await assert.rejects(t.exporter.consumeProfiles(BATCH, never()), { message: 'sending queue is full' });
  });

  it('counts the files of a series that came as such, for they are kept as long as the batch', async () => {
    const t = await started({ maxQueuedBytes: 3_000_000, queue: { num_consumers: 1 } });
    t.sink.answerWith(gate().answer);
    const series = (bytes: number): ProfilesBatch => {
      const batch = new ProfilesBatch(BATCH.dictionary, BATCH.resources);
      rememberSeries(batch, { labels: new Map(), profiles: [new Uint8Array(bytes)] });
      return batch;
    };
    await t.exporter.consumeProfiles(series(2_000_000), never());
    assert.ok(t.gauge('exporter_queue_memory_bytes') > 2_000_000);
    await t.exporter.consumeProfiles(series(10), never());
    await assert.rejects(t.exporter.consumeProfiles(series(2_000_000), never()), {
      message: 'sending queue is full',
    });
  });

  it('refuses for good what can never fit', async () => {
    const t = await started({ queue: { sizer: 'items', queue_size: 1 } });
    await assert.rejects(t.exporter.consumeProfiles(BATCH, never()), { name: 'PermanentError' });
    assert.equal(t.samples('enqueue_failed'), 2);
  });

  it('makes producers wait for room when it blocks on overflow', async () => {
    const t = await started({ queue: { queue_size: 1, block_on_overflow: true } });
    const sink = gate();
    t.sink.answerWith(sink.answer);
    await t.exporter.consumeProfiles(BATCH, never());
    let isTaken = false;
    const second = t.exporter.consumeProfiles(BATCH, never()).then(() => (isTaken = true));
    const client = new AbortController();
    const third = assert.rejects(
      t.exporter.consumeProfiles(BATCH, client.signal),
      /gave up waiting for room/,
    );
    await settle();
    assert.equal(isTaken, false);
    client.abort();
    await third;
    sink.release();
    await second;
    assert.equal(t.samples('enqueue_failed'), 2);
  });

  it('hands the outcome back when asked to wait for it', async () => {
    const t = await started({ queue: { wait_for_result: true } });
    await t.exporter.consumeProfiles(BATCH, never());
    assert.equal(t.samples('sent'), 2);
    t.sink.failWith(new PermanentError('bad data'));
    await assert.rejects(t.exporter.consumeProfiles(BATCH, never()), { message: 'bad data' });
  });
});

describe('exporter helper at shutdown', () => {
  it('sends what is queued and gives those in backoff a last try', async () => {
    const t = await started({ queue: { num_consumers: 2 } });
    t.sink.failWith(down());
    for (let i = 0; i < 6; i++) await t.exporter.consumeProfiles(BATCH, never());
    await settle();
    t.sink.failWith(undefined);
    await t.exporter.shutdown(never());
    assert.equal(t.samples('sent'), 12);
    assert.deepEqual(t.settings.logger.messages('error'), []);
  });

  it('counts what a dead destination did not take, and says so once', async () => {
    const t = await started({ queue: { num_consumers: 2 } });
    t.sink.failWith(down());
    for (let i = 0; i < 6; i++) await t.exporter.consumeProfiles(BATCH, never());
    await t.exporter.shutdown(never());
    assert.equal(t.samples('send_failed', { error_type: 'Shutdown' }), 12);
    const errors = t.settings.logger.entries.filter((e) => e.level === 'error');
    assert.deepEqual(
      errors.map((e) => [e.message, e.fields['dropped_samples'], e.fields['dropped_batches']]),
      [['shut down before everything was sent', 12, 6]],
    );
    assert.deepEqual(t.clock.pending, []);
  });

  it('ends soon after the deadline when the destination hangs', async () => {
    const t = await started({ queue: { num_consumers: 2 } });
    t.sink.answerWith(() => new Promise(() => undefined));
    for (let i = 0; i < 6; i++) await t.exporter.consumeProfiles(BATCH, never());
    const deadline = new AbortController();
    const stopped = t.exporter.shutdown(deadline.signal);
    await settle();
    deadline.abort();
    await stopped;
    assert.equal(t.samples('send_failed', { error_type: 'Shutdown' }), 12);
  });

  it('takes nothing any more', async () => {
    for (const queue of [{}, null]) {
      const t = await started({ queue });
      await t.exporter.shutdown(never());
      await assert.rejects(t.exporter.consumeProfiles(BATCH, never()), { name: 'RetryableError' });
    }
  });
});

describe('exporter helper with partial deliveries', () => {
  it('counts what arrived as sent and the rest as failed', async () => {
    const settings = testSettings('test');
    const exporter = createDeliveringExporter(settings, {}, () => ({
      attempt: () => Promise.reject(new PermanentError('one part refused')),
      undelivered: () => ({ samples: 1, events: 1 }),
    }));
    await assert.rejects(exporter.consumeProfiles(BATCH, never()));
    assert.equal(settings.meter.value('exporter_sent_profile_samples'), 1);
    assert.equal(settings.meter.value('exporter_send_failed_profile_samples'), 1);
  });
});
