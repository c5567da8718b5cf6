// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import {
  appendFileSync,
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import type { RecordLog, StoredRecord } from '../../component/storage.ts';
import { testComponentContract } from '../../internal/testing/component-contract.ts';
import { never, testHost, testSettings } from '../../internal/testing/settings.ts';
import { systemClock } from '../../internal/clock.ts';
import { configSchema } from './config.ts';
import { FileStorageExtension } from './extension.ts';
import { fileStorageExtensionFactory } from './factory.ts';
import { HEADER_BYTES } from './record-format.ts';

const contractDir = mkdtempSync(join(tmpdir(), 'file-storage-contract-'));
process.on('exit', () => rmSync(contractDir, { recursive: true, force: true }));
testComponentContract(fileStorageExtensionFactory, { directory: contractDir });

const FOLDER = 'exporter_otlp%2Feu';
const COUNTS = { samples: 3, events: 40 };
const SMALL_SEGMENT = 1000;

let dir = '';
const running: FileStorageExtension[] = [];
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'file-storage-'));
});
afterEach(async () => {
  for (const extension of running.splice(0)) await extension.shutdown(never());
  rmSync(dir, { recursive: true, force: true });
});

async function start(config: object = {}, segmentBytes = SMALL_SEGMENT) {
  const settings = testSettings('file_storage');
  const parsed = configSchema.parse({ directory: dir, timeout: '0s', ...config });
  const extension = new FileStorageExtension(settings, parsed, systemClock, segmentBytes);
  await extension.start(testHost(), never());
  running.push(extension);
  return { extension, settings, log: await extension.openLog('exporter', 'otlp/eu') };
}

async function stop(extension: FileStorageExtension): Promise<void> {
  running.splice(running.indexOf(extension), 1);
  await extension.shutdown(never());
}

const bytes = (size: number, value: number): Uint8Array => new Uint8Array(size).fill(value);
const append = (log: RecordLog, size: number, value: number): Promise<StoredRecord> =>
  log.append([bytes(size, value)], COUNTS);
const values = async (log: RecordLog): Promise<number[]> =>
  Promise.all(log.recovered.map(async (record) => (await log.read(record))[0] ?? -1));
const files = (): string[] => readdirSync(join(dir, FOLDER)).sort();
const segment = (number: number): string => join(dir, FOLDER, `000000000${number}.log`);

describe('the file storage', () => {
  it('keeps what was appended, in order and by pieces, for the next run', async () => {
    const first = await start();
    await first.log.append([bytes(2, 1), bytes(0, 0), bytes(3, 2)], COUNTS);
    await append(first.log, 10, 7);
    await stop(first.extension);
    const second = await start();
    assert.deepEqual(
      second.log.recovered.map((r) => [r.bytes, r.counts]),
      [
        [5, COUNTS],
        [10, COUNTS],
      ],
    );
    const [record] = second.log.recovered;
    assert.ok(record !== undefined);
    assert.deepEqual([...(await second.log.read(record))], [1, 1, 2, 2, 2]);
    assert.equal(second.settings.meter.value('extension_storage_recovered_records'), 2);
  });

  it('keeps what was appended when the process is killed: nothing is written at the end', async () => {
    const first = await start();
    await append(first.log, 10, 1);
    // What a killed process leaves behind, its lock included.
    writeFileSync(join(dir, 'lock'), '1 1 another-boot');
    const other = await start();
    assert.deepEqual(await values(other.log), [1]);
  });

  it('forgets what was removed, and keeps no file of which nothing is wanted', async () => {
    const first = await start();
    const records = await Promise.all([1, 2, 3, 4, 5, 6].map((value) => append(first.log, 400, value)));
    // Written together: one segment. The next one goes to another.
    const last = await append(first.log, 400, 7);
    assert.deepEqual(files(), ['0000000001.log', '0000000002.log']);
    for (const record of records.slice(1)) first.log.remove(record);
    await stop(first.extension);
    const second = await start();
    assert.deepEqual(await values(second.log), [1, 7]);
    for (const record of second.log.recovered) second.log.remove(record);
    await stop(second.extension);
    assert.deepEqual(files(), []);
    assert.equal(last.bytes, 400);
  });

  it('gives its room back as soon as all is removed, and refuses what does not fit', async () => {
    const { log, settings } = await start({ max_size: 1000 });
    const record = await append(log, 900, 1);
    assert.equal(settings.meter.value('extension_storage_size_bytes'), 900 + HEADER_BYTES);
    await assert.rejects(append(log, 100, 2), {
      name: 'RetryableError',
      message: /storage is full: 936 of 1000/,
    });
    log.remove(record);
    for (let i = 0; i < 1000 && settings.meter.value('extension_storage_size_bytes') > 0; i++)
      await new Promise(setImmediate);
    await append(log, 900, 3);
  });

  it('passes over a record that was not written to its end', async () => {
    const first = await start();
    await append(first.log, 100, 1);
    await append(first.log, 100, 2);
    await stop(first.extension);
    truncateSync(segment(1), statSync(segment(1)).size - 1);
    const second = await start();
    assert.deepEqual(await values(second.log), [1]);
    assert.equal(second.settings.meter.value('extension_storage_skipped_bytes'), HEADER_BYTES + 99);
    assert.match(second.settings.logger.messages('error').join(), /are no whole record/);
    // What comes next is not written behind the torn one.
    await append(second.log, 100, 3);
    await stop(second.extension);
    assert.deepEqual(await values((await start()).log), [1, 3]);
  });

  it('finds the records behind a damaged header, and none in a payload that looks like one', async () => {
    const first = await start();
    await append(first.log, 100, 1);
    const lookalike = readFileSync(segment(1));
    await append(first.log, 100, 2);
    await first.log.append([lookalike], COUNTS);
    await append(first.log, 100, 4);
    await stop(first.extension);
    damage(segment(1), HEADER_BYTES + 100 + 4);
    const second = await start();
    assert.deepEqual(await values(second.log), [1, 0x4f, 4]);
    assert.equal(second.settings.meter.value('extension_storage_skipped_bytes'), HEADER_BYTES + 100);
  });

  it('refuses to hand out a damaged payload', async () => {
    const first = await start();
    const record = await append(first.log, 100, 1);
    damage(segment(1), HEADER_BYTES + 50);
    await assert.rejects(first.log.read(record), { name: 'PermanentError', message: /is damaged/ });
  });

  it('hands out each record as it is, many at a time, while others are appended behind them', async () => {
    const { log } = await start({}, 64 * 1024 * 1024);
    const sizes = (i: number): number => (i % 50 === 49 ? 100_000 : 500 + i);
    const appendFrom = (first: number): Promise<StoredRecord[]> =>
      Promise.all(Array.from({ length: 700 }, (_, i) => append(log, sizes(first + i), (first + i) % 251)));
    const records = await appendFrom(0);
    const [read, added] = await Promise.all([Promise.all(records.map((r) => log.read(r))), appendFrom(700)]);
    read.push(...(await Promise.all(added.map((r) => log.read(r)))));
    for (const [i, payload] of read.entries())
      assert.ok(Buffer.from(bytes(sizes(i), i % 251)).equals(payload), `record ${i}`);
  });

  it('brings back what a torn list of removals does not name', async () => {
    const first = await start();
    const records = [
      await append(first.log, 10, 1),
      await append(first.log, 10, 2),
      await append(first.log, 10, 3),
    ];
    for (const record of records.slice(0, 2)) first.log.remove(record);
    await stop(first.extension);
    const done = segment(1).replace('.log', '.done');
    truncateSync(done, 12);
    appendFileSync(done, 'garbage garbage garbage!');
    assert.deepEqual(await values((await start()).log), [2, 3]);
  });

  it('survives garbage in place of its files', async () => {
    mkdirSync(join(dir, FOLDER), { recursive: true });
    writeFileSync(segment(3), Buffer.from('OPQ1'.repeat(50_000)));
    writeFileSync(segment(5).replace('.log', '.done'), 'x');
    writeFileSync(join(dir, FOLDER, 'README'), 'not ours');
    const { log, settings } = await start();
    assert.equal(log.recovered.length, 0);
    assert.equal(settings.meter.value('extension_storage_skipped_bytes'), 200_000);
    await append(log, 10, 1);
    assert.deepEqual(files(), ['0000000004.log', 'README']);
  });

  it('rejects an append that the disk refuses, and goes on when it takes some again', async () => {
    const { log } = await start();
    rmSync(join(dir, FOLDER), { recursive: true });
    await assert.rejects(append(log, 10, 1), {
      name: 'RetryableError',
      message: /cannot write to the storage: ENOENT/,
    });
    mkdirSync(join(dir, FOLDER));
    await append(log, 10, 2);
  });

  it('begins its numbers again when they are used up, once nothing is left', async () => {
    // An idle log makes a new file for each record: at one a second the numbers last for 24 days.
    mkdirSync(join(dir, FOLDER), { recursive: true });
    writeFileSync(join(dir, FOLDER, '0002097151.log'), '');
    const { log } = await start();
    for (const value of [1, 2]) {
      const record = await append(log, 10, value);
      assert.equal((await log.read(record))[0], value);
      log.remove(record);
    }
  });

  it('belongs to one process at a time, and an owner has one log', async () => {
    const { extension } = await start();
    await assert.rejects(start(), /another process has the storage/);
    await assert.rejects(extension.openLog('exporter', 'otlp/eu'), /is open already/);
    const other = await extension.openLog('exporter', 'otlp/../../x');
    await append(other, 1, 1);
    assert.ok(existsSync(join(dir, 'exporter_otlp%2F%2E%2E%2F%2E%2E%2Fx')));
  });

  it('tells what is wrong with its directory', async () => {
    await assert.rejects(
      start({ directory: join(dir, 'no'), create_directory: false }),
      /is no directory \(create_directory: true makes it\)/,
    );
    writeFileSync(join(dir, 'file'), '');
    await assert.rejects(start({ directory: join(dir, 'file'), create_directory: false }), /is no directory/);
    chmodSync(dir, 0o777);
    const { settings, log } = await start();
    assert.deepEqual(settings.logger.messages('warn'), ['the storage directory is writable by others']);
    await append(log, 1, 1);
    assert.equal(statSync(segment(1)).mode & 0o777, 0o600);
  });

  function damage(path: string, at: number): void {
    const content = readFileSync(path);
    content[at] = (content[at] ?? 0) ^ 0xff;
    writeFileSync(path, content);
  }
});
