// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { afterEach, describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { Destination, duplicates, Line, type LineOptions, missing, Source } from '../faults/line.ts';

const ROUNDS = 4;
/** Of one exporter: its consumers, and what was answered and not yet noted. */
const DUPLICATES_A_KILL = 40;

describe('the built program with a queue on the disk', { timeout: 120_000 }, () => {
  const cleanups: (() => Promise<unknown>)[] = [];
  afterEach(async () => {
    for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
  });

  async function lineWith(options: LineOptions) {
    const destination = new Destination();
    await destination.up();
    const line = await Line.to(destination, options);
    const source = new Source(line.url);
    cleanups.push(
      () => destination.down(),
      () => line.dispose(),
      () => source.stop(),
    );
    return { destination, line, source };
  }

  it('loses nothing that it acknowledged when it is killed again and again', async () => {
    const { destination, line, source } = await lineWith({ queue: 'queue_size: 100000', storage: '' });
    await line.start();
    source.start();
    for (let round = 0; round < ROUNDS; round++) {
      // Every other time the destination is away, so that the queue fills and is found again.
      if (round % 2 === 1) await destination.down();
      const before = source.accepted.size;
      while (source.accepted.size < before + 50) await delay(10);
      await line.end('SIGKILL');
      if (round % 2 === 1) await destination.up();
      await line.start();
    }
    await source.stop();
    assert.equal(await missing(source, destination, 20_000), 0);
    assert.ok(source.accepted.size >= ROUNDS * 50);
    assert.ok(duplicates(destination) <= ROUNDS * DUPLICATES_A_KILL, `${duplicates(destination)} duplicates`);
  });

  it('loses nothing on the way to Pyroscope when it is killed during an outage', async () => {
    const { destination, line, source } = await lineWith({
      queue: 'queue_size: 100000',
      storage: '',
      exporter: 'pyroscope',
    });
    await line.start();
    source.start();
    while (destination.seen.size < 20) await delay(10);
    await destination.down();
    // Nobody is there to take them, and their senders are answered all the same.
    const before = source.accepted.size;
    while (source.accepted.size < before + 200) await delay(10);
    assert.equal(source.refused, 0);
    await line.end('SIGKILL');
    await destination.up();
    await line.start();
    await source.stop();
    assert.equal(await missing(source, destination, 20_000), 0);
    assert.ok(duplicates(destination) <= DUPLICATES_A_KILL, `${duplicates(destination)} duplicates`);
  });

  it('stops on SIGTERM with everything kept, and the next run delivers it', async () => {
    const { destination, line, source } = await lineWith({ queue: 'queue_size: 100000', storage: '' });
    await line.start();
    await destination.down();
    source.start();
    while (source.accepted.size < 100) await delay(10);
    await source.stop();
    assert.equal(await line.end('SIGTERM'), 0, line.log);
    assert.match(line.log, /what is not delivered stays in the storage.*"samples":\d{3}/);
    await destination.up();
    await line.start();
    assert.match(line.log, /found what an earlier run had left to deliver/);
    assert.equal(await missing(source, destination, 20_000), 0);
  });

  it('refuses what the storage has no room for, and takes requests again when it has', async () => {
    const { destination, line, source } = await lineWith({
      queue: 'queue_size: 100000',
      storage: 'max_size: 20000',
    });
    await line.start();
    await destination.down();
    source.start();
    while (source.refused < 20) await delay(10);
    assert.ok((await line.metric('extension_storage_size_bytes')) <= 20_000);
    // The source goes on meanwhile: what it was told before is counted, and what is counted it is told.
    const told = source.refused;
    const counted = await line.metric('exporter_enqueue_failed_profile_samples');
    assert.ok(counted >= told, `${counted} counted, ${told} told`);
    while (source.refused < counted) await delay(10);
    await destination.up();
    const before = source.accepted.size;
    while (source.accepted.size < before + 50) await delay(10);
    await source.stop();
    assert.equal(await missing(source, destination, 20_000), 0);
  });

  it('delivers when the destination is back, however long the backoff', async () => {
    const { destination, line, source } = await lineWith({
      queue: 'queue_size: 100000, num_consumers: 2',
      storage: '',
      retry: 'initial_interval: 1h, max_interval: 1h',
    });
    await line.start();
    await destination.down();
    source.start();
    while ((await line.metric('exporter_in_flight_requests')) < 2) await delay(10);
    while (source.accepted.size < 100) await delay(10);
    await source.stop();
    await destination.up();
    assert.equal(await missing(source, destination, 20_000), 0);
  });
});
