// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Authenticating } from '../../component/authenticator.ts';
import { clientMetadata, withClientMetadata } from '../../component/client-metadata.ts';
import type { Component } from '../../component/component.ts';
import type { RecordCounts, RecordLog, StorageExtension, StoredRecord } from '../../component/storage.ts';
import { sendingQueueSchema } from '../../config/sections/queue.ts';
import { retryOnFailureSchema } from '../../config/sections/retry.ts';
import { PermanentError, RetryableError } from '../../consumer/consumer.ts';
import { FakeClock, settle } from '../../internal/testing/fake-clock.ts';
import { RecordingConsumer } from '../../internal/testing/recording-consumer.ts';
import { never, testHost, testSettings } from '../../internal/testing/settings.ts';
import { joined } from '../../internal/wire-writer.ts';
import { batchFromFolded, toFolded } from '../../pdata/folded.ts';
import { createExporterHelper } from './exporter-helper.ts';

/** An authenticator that takes this from the metadata of clients. */
const needing = (metadataNames: readonly string[]): Component & Authenticating => ({
  start: async () => undefined,
  shutdown: async () => undefined,
  clientAuthenticator: { metadataNames, authorize: async (headers) => headers },
});

/** A storage in memory that outlives its "runs"; `refuse` makes appends fail. */
class FakeStorage implements StorageExtension {
  readonly kept = new Map<number, { payload: Uint8Array; counts: RecordCounts }>();
  refuse: Error | undefined;
  reads = 0;
  #next = 1;
  async start(): Promise<void> {}
  async shutdown(): Promise<void> {}
  async openLog(): Promise<RecordLog> {
    const record = (id: number): StoredRecord => {
      const entry = this.kept.get(id);
      assert.ok(entry !== undefined);
      return { id, bytes: entry.payload.length, counts: entry.counts };
    };
    return {
      recovered: [...this.kept.keys()].map(record),
      append: async (pieces, counts) => {
        if (this.refuse !== undefined) throw this.refuse;
        const id = this.#next++;
        this.kept.set(id, { payload: joined([...pieces]), counts });
        return record(id);
      },
      read: async ({ id }) => {
        this.reads++;
        const entry = this.kept.get(id);
        if (entry === undefined) throw new PermanentError('a record is damaged');
        return entry.payload;
      },
      remove: ({ id }) => void this.kept.delete(id),
      close: async () => undefined,
    };
  }
}

const BATCH = batchFromFolded('main;work;malloc 3\nmain;idle 1');
const down = (): RetryableError => new RetryableError('connection refused');

async function run(storage: Component, queue: object = {}) {
  const clock = new FakeClock();
  const settings = testSettings('test/a');
  const sink = new RecordingConsumer();
  const exporter = createExporterHelper(
    settings,
    {
      queue: sendingQueueSchema.parse({ storage: 'file_storage', ...queue }),
      retry: retryOnFailureSchema.parse({ randomization_factor: 0 }),
      clock,
      auth: { authenticator: 'tenants' },
    },
    (batch, signal) => sink.consumeProfiles(batch, signal),
  );
  const samples = (what: 'sent' | 'send_failed' | 'enqueue_failed', labels = {}): number =>
    settings.meter.value(`exporter_${what}_profile_samples`, labels);
  const start = (): Promise<void> =>
    exporter.start(testHost({ file_storage: storage, tenants: needing(['x-tenant']) }), never());
  return {
    clock,
    settings,
    sink,
    exporter,
    samples,
    start,
    gauge: (name: string) => settings.meter.value(name),
  };
}

describe('a sending queue with storage', () => {
  it('keeps what the client said, as far as sending needs it, over a restart, and keeps it to itself', async () => {
    const storage = new FakeStorage();
    for (const queue of [{}, { batch: { min_size: 0 } }]) {
      const before = await run(storage, queue);
      await before.start();
      before.sink.failWith(down());
      for (const [tenant, folded] of [
        ['red', 'main;red 1'],
        ['blue', 'main;blue 1'],
      ] as const) {
        const metadata = new Map([
          ['x-tenant', [tenant]],
          ['authorization', ['Bearer secret']],
        ]);
        await withClientMetadata(metadata, () =>
          before.exporter.consumeProfiles(batchFromFolded(folded), never()),
        );
      }
      await before.exporter.consumeProfiles(batchFromFolded('main;nobody 1'), never());
      await settle();
      await before.exporter.shutdown(AbortSignal.abort());
      const stored = Buffer.concat([...storage.kept.values()].map(({ payload }) => payload)).toString(
        'latin1',
      );
      assert.ok(stored.includes('x-tenant'));
      assert.ok(!stored.includes('secret'));

      const after = await run(storage, queue);
      const seen: string[] = [];
      after.sink.answerWith((batch) => {
        assert.equal(batch.unknown.length, 0, 'what is kept beside a request is no part of it');
        seen.push(`${clientMetadata()?.get('x-tenant')?.join() ?? '-'} ${toFolded(batch)}`);
      });
      await after.start();
      await settle();
      await after.clock.advance(1000);
      await settle();
      assert.deepEqual(seen.sort(), ['- main;nobody 1', 'blue main;blue 1', 'red main;red 1']);
      assert.equal(storage.kept.size, 0);
    }
  });

  it('acknowledges what is stored, delivers it, and forgets it', async () => {
    const storage = new FakeStorage();
    const t = await run(storage);
    await t.start();
    t.sink.failWith(down());
    await t.exporter.consumeProfiles(BATCH, never());
    assert.equal(storage.kept.size, 1);
    t.sink.failWith(undefined);
    await t.clock.advance(7000);
    await settle();
    assert.equal(t.samples('sent'), 2);
    assert.equal(storage.kept.size, 0);
    // It went on from memory.
    assert.equal(storage.reads, 0);
  });

  it('leaves what a shutdown cuts short to the next run, which delivers it first', async () => {
    const storage = new FakeStorage();
    const first = await run(storage, { num_consumers: 1 });
    await first.start();
    first.sink.failWith(down());
    await first.exporter.consumeProfiles(BATCH, never());
    await first.exporter.consumeProfiles(batchFromFolded('main;second 1'), never());
    await settle();
    await first.exporter.shutdown(never());
    assert.equal(storage.kept.size, 2);
    assert.equal(first.samples('send_failed', { error_type: 'Shutdown' }), 0);
    const kept = first.settings.logger.entries.find((e) => e.message.includes('stays in the storage'));
    assert.deepEqual(kept?.fields, { batches: 2, samples: 3 });

    const second = await run(storage, { num_consumers: 1, queue_size: 1 });
    await second.start();
    assert.equal(second.gauge('exporter_queue_size'), 2);
    await assert.rejects(second.exporter.consumeProfiles(BATCH, never()), /sending queue is full/);
    await settle();
    assert.deepEqual(
      second.sink.batches.map((batch) => toFolded(batch)),
      [toFolded(BATCH), 'main;second 1'],
    );
    assert.equal(second.samples('sent'), 3);
    assert.equal(storage.kept.size, 0);
    assert.equal(second.gauge('exporter_queue_size'), 0);
  });

  it('refuses, and acknowledges nothing, where the storage has no room', async () => {
    const storage = new FakeStorage();
    const t = await run(storage, { queue_size: 1 });
    await t.start();
    storage.refuse = new RetryableError('storage is full');
    await assert.rejects(t.exporter.consumeProfiles(BATCH, never()), /storage is full/);
    assert.equal(t.samples('enqueue_failed'), 2);
    storage.refuse = undefined;
    // The room in the queue was given back.
    await t.exporter.consumeProfiles(BATCH, never());
    await settle();
    assert.equal(t.samples('sent'), 2);
  });

  it('counts and forgets what the destination can never take, and what cannot be read any more', async () => {
    const storage = new FakeStorage();
    const first = await run(storage);
    await first.start();
    first.sink.failWith(new PermanentError('bad'));
    await first.exporter.consumeProfiles(BATCH, never());
    await settle();
    assert.equal(first.samples('send_failed', { error_type: '_OTHER' }), 2);
    assert.equal(storage.kept.size, 0);

    storage.kept.set(99, { payload: Uint8Array.of(0xff), counts: { samples: 5, events: 6 } });
    const second = await run(storage);
    await second.start();
    await settle();
    assert.equal(second.samples('send_failed', { error_type: 'Corrupted' }), 5);
    assert.equal(storage.kept.size, 0);
  });

  it('keeps a part of a long queue in memory, and reads the rest when its turn comes', async () => {
    const storage = new FakeStorage();
    const t = await run(storage, { num_consumers: 1, queue_size: 10_000 });
    await t.start();
    t.sink.failWith(down());
    const large = batchFromFolded(
      Array.from({ length: 50_000 }, (_, i) => `main;function_${i} 1`).join('\n'),
    );
    const count = 12;
    for (let i = 0; i < count; i++) await t.exporter.consumeProfiles(large, never());
    assert.ok(t.gauge('exporter_queue_memory_bytes') <= 32 * 1024 * 1024);
    assert.equal(storage.kept.size, count);
    t.sink.failWith(undefined);
    await t.clock.advance(7000);
    for (let i = 0; i < 200 && storage.kept.size > 0; i++) await settle();
    assert.equal(t.samples('sent'), count * large.sampleCount);
    assert.ok(storage.reads > 0 && storage.reads < count, `${storage.reads}`);
  });

  it('joins what is stored, and forgets each when all of it is delivered', async () => {
    const storage = new FakeStorage();
    const t = await run(storage, { batch: { min_size: 3, max_size: 3, flush_timeout: '1h' } });
    await t.start();
    // Two samples each: the second is delivered in part.
    await t.exporter.consumeProfiles(BATCH, never());
    await t.exporter.consumeProfiles(BATCH, never());
    await settle();
    assert.deepEqual(
      t.sink.batches.map((batch) => batch.sampleCount),
      [3],
    );
    assert.equal(storage.kept.size, 1);
    t.sink.failWith(down());
    await t.exporter.shutdown(never());
    assert.equal(storage.kept.size, 1);

    const next = await run(storage, { batch: { min_size: 3, flush_timeout: '1s' } });
    await next.start();
    await next.clock.advance(1000);
    await settle();
    assert.equal(next.sink.sampleCount, 2);
    assert.equal(storage.kept.size, 0);
  });

  it('ends when what it reads to be joined turns out damaged at the shutdown', async () => {
    const storage = new FakeStorage();
    storage.kept.set(99, { payload: Uint8Array.of(0xff), counts: { samples: 5, events: 6 } });
    const { exporter, samples, start } = await run(storage, { batch: {} });
    await start();
    const ended = exporter.shutdown(never()).then(() => 'ended');
    assert.equal(await Promise.race([ended, settle().then(() => 'hangs')]), 'ended');
    assert.equal(samples('send_failed', { error_type: 'Corrupted' }), 5);
  });

  it('tells the age of the oldest batch', async () => {
    const t = await run(new FakeStorage());
    await t.start();
    t.sink.failWith(down());
    await t.exporter.consumeProfiles(BATCH, never());
    await settle();
    await t.clock.advance(3000);
    assert.equal(t.gauge('exporter_queue_oldest_age_seconds'), 3);
    t.sink.failWith(undefined);
    await t.clock.advance(4000);
    assert.equal(t.gauge('exporter_queue_oldest_age_seconds'), 0);
  });

  it('does not start with an extension that is not there, or keeps nothing', async () => {
    const other = await run({ start: async () => undefined, shutdown: async () => undefined });
    await assert.rejects(other.start(), /sending_queue::storage: extension "file_storage" stores nothing/);
    const missing = await run(new FakeStorage(), { storage: 'file_storage/2' });
    await assert.rejects(missing.start(), /extension "file_storage\/2" is not running/);
  });
});
