// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { PermanentError, RetryableError } from '../../consumer/consumer.ts';
import { FakeClock, settle } from '../../internal/testing/fake-clock.ts';
import { RecordingConsumer } from '../../internal/testing/recording-consumer.ts';
import { never } from '../../internal/testing/settings.ts';
import { batchFromFolded, toFolded } from '../../pdata/folded.ts';
import { Outbox } from './outbox.ts';

function outboxTo(next: RecordingConsumer, maxBytes = 1_000) {
  const clock = new FakeClock();
  const dropped: string[] = [];
  const delivered: number[] = [];
  const outbox = new Outbox({
    next,
    clock,
    maxBytes,
    onDropped: (batch, reason) => void dropped.push(`${nameOf(batch)} ${reason}`),
    onDelivered: (ms) => void delivered.push(ms),
  });
  const add = (name: string, bytes = 100): void => outbox.add(named(name), bytes);
  return { outbox, clock, dropped, delivered, add };
}

const named = (name: string) => batchFromFolded(`${name} 1`);
const nameOf = (batch: ReturnType<typeof named>): string => toFolded(batch).split(' ')[0] ?? '';
const names = (batches: readonly ReturnType<typeof named>[]): string[] => batches.map(nameOf);

/** Answers when the test says. */
function stuck() {
  const answers: { resolve: () => void; reject: (error: Error) => void; signal: AbortSignal }[] = [];
  const next = new RecordingConsumer(
    (_, signal) =>
      new Promise<void>((resolve, reject) => {
        answers.push({ resolve, reject, signal });
        signal.addEventListener('abort', () => reject(signal.reason as Error));
      }),
  );
  return { next, answers };
}

describe('the outbox of a scraper', () => {
  it('gives at most 64 batches to the pipeline at a time, the others in their order', async () => {
    const { next, answers } = stuck();
    const { outbox, add, delivered, clock } = outboxTo(next, 100_000);
    for (let i = 0; i < 70; i++) add(`b${i}`);
    await settle();
    assert.equal(next.offered.length, 64);
    assert.equal(outbox.sizeBytes, 7_000);
    await clock.advance(250);
    answers[3]?.resolve();
    await settle();
    assert.deepEqual(names(next.offered).slice(64), ['b64']);
    assert.deepEqual(delivered, [250]);
    assert.equal(outbox.sizeBytes, 6_900);
  });

  it('drops the oldest that waits where the budget is used up', async () => {
    const next = new RecordingConsumer();
    next.failWith(new RetryableError('busy'));
    const { outbox, add, dropped } = outboxTo(next, 300);
    add('a');
    await settle();
    for (const name of ['b', 'c', 'd', 'e']) add(name);
    assert.deepEqual(dropped, ['a pending_full', 'b pending_full']);
    assert.equal(outbox.sizeBytes, 300);
  });

  it('offers again after 1 s, then later and later up to 30 s, first what was first', async () => {
    const next = new RecordingConsumer();
    next.failWith(new RetryableError('busy'));
    const { add, clock, outbox } = outboxTo(next);
    add('a');
    await settle();
    add('b');
    const pauses: number[] = [];
    for (let i = 0; i < 7; i++) {
      await settle();
      const [pause = 0] = clock.pending;
      pauses.push(pause);
      await clock.advance(pause);
    }
    assert.deepEqual(pauses, [1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000]);
    next.failWith(undefined);
    await clock.advance(30_000);
    assert.deepEqual(names(next.batches), ['a', 'b']);
    assert.equal(outbox.sizeBytes, 0);
    next.failWith(new RetryableError('busy'));
    add('c');
    await settle();
    assert.deepEqual(clock.pending, [1_000], 'a success begins anew');
  });

  it('waits for as long as the pipeline asks', async () => {
    const next = new RecordingConsumer();
    next.failWith(new RetryableError('busy', { retryAfterMs: 7_000 }));
    const { add, clock } = outboxTo(next);
    add('a');
    await settle();
    assert.deepEqual(clock.pending, [7_000]);
  });

  it('drops what the pipeline never takes, and goes on', async () => {
    const next = new RecordingConsumer();
    next.failWith(new PermanentError('never'));
    const { add, dropped, outbox, clock } = outboxTo(next);
    add('a');
    await settle();
    next.failWith(undefined);
    add('b');
    await settle();
    assert.deepEqual([dropped, names(next.batches)], [['a refused'], ['b']]);
    assert.equal(outbox.sizeBytes, 0);
    assert.deepEqual(clock.pending, []);
  });

  it('closes once all is delivered', async () => {
    const { next, answers } = stuck();
    const { outbox, add, dropped } = outboxTo(next);
    add('a');
    add('b');
    await settle();
    let isClosed = false;
    const closed = outbox.close(never()).then(() => (isClosed = true));
    answers[0]?.resolve();
    await settle();
    assert.equal(isClosed, false);
    answers[1]?.resolve();
    await closed;
    assert.deepEqual([dropped, names(next.batches)], [[], ['a', 'b']]);
  });

  it('closes after 2 s, or when the deadline is over, and reports every batch that is left', async () => {
    for (const [deadlineMs, tookMs] of [
      [60_000, 2_000],
      [500, 500],
    ] as const) {
      const { next } = stuck();
      const { outbox, add, dropped, clock } = outboxTo(next, 100_000);
      for (let i = 0; i < 66; i++) add(`b${i}`);
      const deadline = new AbortController();
      clock.setTimeout(() => deadline.abort(), deadlineMs);
      const startMs = clock.elapsed();
      let endMs = 0;
      const closed = outbox.close(deadline.signal).then(() => (endMs = clock.elapsed()));
      await clock.advance(3_000);
      await closed;
      await settle();
      assert.equal(endMs - startMs, tookMs);
      assert.equal(dropped.length, 66);
      assert.ok(dropped.every((one) => one.endsWith(' shutdown')));
      assert.equal(outbox.sizeBytes, 0);
      add('late');
      assert.equal(dropped.at(-1), 'late shutdown');
    }
  });

  it('ends the pause of a pipeline that was busy when it closes', async () => {
    const next = new RecordingConsumer();
    next.failWith(new RetryableError('busy'));
    const { outbox, add, dropped, clock } = outboxTo(next);
    add('a');
    await settle();
    const closed = outbox.close(never());
    await clock.advance(1_999);
    assert.deepEqual(dropped, []);
    await clock.advance(1);
    await closed;
    assert.deepEqual(dropped, ['a shutdown']);
    await settle();
    assert.deepEqual(clock.pending, []);
  });
});
