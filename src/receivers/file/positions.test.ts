// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { RecordLog, StorageExtension, StoredRecord } from '../../component/storage.ts';
import { RetryableError } from '../../consumer/consumer.ts';
import { testHost, testSettings } from '../../internal/testing/settings.ts';
import { Positions } from './positions.ts';

/** A log in memory. */
class FakeStorage implements StorageExtension {
  readonly records = new Map<number, Uint8Array>();
  isFull = false;
  appended = 0;

  async start(): Promise<void> {}

  async shutdown(): Promise<void> {}

  async openLog(kind: string, owner: string): Promise<RecordLog> {
    assert.deepEqual([kind, owner], ['receiver', 'file/a']);
    const stored = (id: number, bytes: number): StoredRecord => ({
      ...{ id, bytes, counts: { samples: 0, events: 0 } },
    });
    return {
      recovered: [...this.records].map(([id, payload]) => stored(id, payload.length)),
      append: async (pieces) => {
        if (this.isFull) throw new RetryableError('no room');
        const payload = Buffer.concat(pieces);
        this.records.set(++this.appended, payload);
        return stored(this.appended, payload.length);
      },
      read: async ({ id }) => this.records.get(id) ?? assert.fail(`no record ${id}`),
      remove: ({ id }) => void this.records.delete(id),
      close: async () => undefined,
    };
  }
}

const at = (offset: number) => ({ offset, passing: false, beginBytes: 3, beginHash: 'abc' });

async function opened(storage: FakeStorage) {
  const settings = testSettings('file/a');
  const positions = await Positions.open(settings, testHost({ store: storage }), 'store');
  return { settings, positions, errors: () => settings.meter.value('receiver_file_position_errors') };
}

describe('places in files', () => {
  it('are there in the next run, the last of each file alone', async () => {
    const storage = new FakeStorage();
    const { positions } = await opened(storage);
    await positions.save('1:2', at(10));
    await positions.save('1:3', at(5));
    await positions.save('1:2', at(20));
    await positions.save('1:2', at(20));
    assert.deepEqual([storage.appended, storage.records.size], [3, 2]);
    positions.forget('1:3');
    const next = await opened(storage);
    assert.deepEqual([next.positions.get('1:2'), next.positions.get('1:3')], [at(20), undefined]);
  });

  it('do not hold an old part of the log', async () => {
    const storage = new FakeStorage();
    const { positions } = await opened(storage);
    await positions.save('idle', at(1));
    for (let offset = 1; offset < 4096; offset++) await positions.save('busy', at(offset));
    assert.ok(Math.min(...storage.records.keys()) > 4096, 'the idle file was noted anew');
    assert.deepEqual(positions.get('idle'), at(1));
  });

  it('are passed over and counted where they are damaged', async () => {
    const storage = new FakeStorage();
    for (const text of ['{', '{}', '7', JSON.stringify({ file: 'x', ...at(-1) }), ' '.repeat(5_000)])
      storage.records.set(++storage.appended, Buffer.from(text));
    const { errors, settings } = await opened(storage);
    assert.deepEqual([errors(), storage.records.size], [5, 0]);
    assert.equal(settings.logger.entries.filter(({ level }) => level === 'error').length, 1);
  });

  it('that cannot be kept are counted and told of once', async () => {
    const storage = new FakeStorage();
    const { positions, errors, settings } = await opened(storage);
    storage.isFull = true;
    await positions.save('1:2', at(10));
    await positions.save('1:2', at(20));
    assert.deepEqual([errors(), settings.logger.entries.length], [2, 1]);
    storage.isFull = false;
    await positions.save('1:2', at(30));
    assert.deepEqual(positions.get('1:2'), at(30));
  });

  it('need an extension that stores', async () => {
    const settings = testSettings('file/a');
    await assert.rejects(
      Positions.open(settings, testHost(), 'store'),
      /storage: extension "store" is not running/,
    );
    const other = { start: async () => undefined, shutdown: async () => undefined };
    await assert.rejects(Positions.open(settings, testHost({ store: other }), 'store'), /stores nothing/);
  });
});
