// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { RecordingConsumer } from '../internal/testing/recording-consumer.ts';
import { never } from '../internal/testing/settings.ts';
import { batchFromFolded } from '../pdata/folded.ts';
import { isPermanent, PermanentError, RetryableError } from './consumer.ts';
import { fanOut } from './fan-out.ts';

const batch = batchFromFolded('main 1');

/** Offers the batch again and again as a sender with retry does; gives back what it ended with. */
async function sendWithRetry(target: ReturnType<typeof fanOut>, attempts: number): Promise<unknown> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await target.consumeProfiles(batch, never());
    } catch (error) {
      if (isPermanent(error) || attempt === attempts) return error;
    }
  }
}

describe('a fan-out', () => {
  it('delivers once to those that work, however often the sender of a failing one would try', async () => {
    const [good, bad] = [new RecordingConsumer(), new RecordingConsumer()];
    bad.failWith(new RetryableError('queue is full'));
    const error = await sendWithRetry(fanOut([good, bad]), 5);
    assert.match(String(error), /1 of 2 consumers failed: RetryableError: queue is full/);
    assert.deepEqual([good.batches.length, bad.offered.length], [1, 1]);
  });

  it('does so through a fan-out behind a fan-out', async () => {
    const [first, second, bad] = [new RecordingConsumer(), new RecordingConsumer(), new RecordingConsumer()];
    bad.failWith(new RetryableError('queue is full'));
    // The inner one has delivered to `second`: that the outer one's other target may be tried again must not hide it.
    const busy = new RecordingConsumer();
    busy.failWith(new RetryableError('busy', { retryAfterMs: 5 }));
    await sendWithRetry(fanOut([busy, fanOut([second, bad])]), 5);
    await sendWithRetry(fanOut([first, fanOut([second, bad])]), 5);
    assert.deepEqual([first.batches.length, second.batches.length], [1, 2]);
  });

  it('may be tried again while nobody took the batch, after the longest wait that was asked for', async () => {
    const [a, b] = [new RecordingConsumer(), new RecordingConsumer()];
    a.failWith(new RetryableError('memory', { retryAfterMs: 7_000 }));
    b.failWith(new RetryableError('memory', { retryAfterMs: 1_000 }));
    await assert.rejects(fanOut([a, b]).consumeProfiles(batch, never()), (error: unknown) => {
      assert.ok(error instanceof RetryableError);
      assert.equal(error.retryAfterMs, 7_000);
      return true;
    });
    a.failWith(undefined);
    b.failWith(undefined);
    await fanOut([a, b]).consumeProfiles(batch, never());
    assert.deepEqual([a.batches.length, b.batches.length], [1, 1]);
  });

  it('is permanent as soon as one of those that failed is', async () => {
    const [a, b] = [new RecordingConsumer(), new RecordingConsumer()];
    a.failWith(new PermanentError('bad data'));
    b.failWith(new RetryableError('busy', { retryAfterMs: 5 }));
    await assert.rejects(fanOut([a, b]).consumeProfiles(batch, never()), isPermanent);
  });

  it('reaches the others when one throws instead of rejecting', async () => {
    const good = new RecordingConsumer();
    const broken = {
      consumeProfiles(): Promise<void> {
        throw new TypeError('x is not a function');
      },
    };
    await assert.rejects(fanOut([broken, good]).consumeProfiles(batch, never()), isPermanent);
    assert.equal(good.batches.length, 1);
  });
});
