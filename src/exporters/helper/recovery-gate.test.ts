// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import dns from 'node:dns';
import { createServer, type AddressInfo } from 'node:net';
import { describe, it } from 'node:test';
import { RetryableError } from '../../consumer/consumer.ts';
import { FakeClock } from '../../internal/testing/fake-clock.ts';
import { HeldBackError, TransportError } from './delivery.ts';
import { type GateFailures, RecoveryGate } from './recovery-gate.ts';

type LookupDone = (error: null, found: string | dns.LookupAddress[], family?: number) => void;

const failure = (type: string, retryAfterMs?: number): RetryableError =>
  new RetryableError(`failed: ${type}`, {
    cause: new TransportError(type, type),
    ...(retryAfterMs !== undefined && { retryAfterMs }),
  });

function gateTo(url = 'http://127.0.0.1:1', failures?: GateFailures) {
  const clock = new FakeClock();
  const opened: number[] = [];
  const startMs = clock.elapsed();
  const onOpen = (): void => void opened.push(clock.elapsed() - startMs);
  const gate = new RecoveryGate(url, clock, onOpen, failures);
  const passes = (): boolean => {
    try {
      gate.enter();
      return true;
    } catch (error) {
      assert.ok(error instanceof HeldBackError && error.cause instanceof RetryableError);
      return false;
    }
  };
  return { clock, gate, opened, passes };
}

describe('the gate before a destination in trouble', () => {
  it('lets one pass a second until one succeeds', async () => {
    const { clock, gate, opened, passes } = gateTo();
    assert.deepEqual([passes(), passes()], [true, true]);
    gate.failed(failure('503'));
    assert.equal(passes(), false);
    await clock.advance(1_000);
    assert.deepEqual(opened, [1_000]);
    assert.deepEqual([passes(), passes()], [true, false]);
    await clock.advance(1_000);
    assert.deepEqual(opened, [1_000, 2_000]);
    assert.equal(passes(), true);
    gate.succeeded();
    assert.deepEqual([passes(), passes()], [true, true]);
    gate.stop();
  });

  it('stays shut for as long as the destination asked', async () => {
    const { clock, gate, passes } = gateTo();
    gate.failed(failure('429', 5_000));
    await clock.advance(4_999);
    assert.equal(passes(), false);
    await clock.advance(1);
    assert.equal(passes(), true);
    gate.stop();
  });

  it('does not shut for one series that is over the rate', () => {
    const { gate, passes } = gateTo();
    gate.failed(failure('429'));
    assert.equal(passes(), true);
  });

  it('that only minds whether there is a destination stays open for one that answers', () => {
    const { gate, passes } = gateTo(undefined, 'unreachable');
    for (const type of ['503', '429', '500']) gate.failed(failure(type, 5_000));
    assert.equal(passes(), true);
    gate.failed(failure('Unavailable'));
    assert.equal(passes(), false);
    // Somebody who had been let in before got an answer.
    gate.failed(failure('503'));
    assert.equal(passes(), true);
    gate.stop();
  });

  it('lets nobody pass where no connection can be made, until a probe gets through', async () => {
    const listener = createServer((socket) => socket.destroy());
    await new Promise<void>((resolve) => listener.listen(0, '127.0.0.1', resolve));
    const { port } = listener.address() as AddressInfo;
    await new Promise((resolve) => listener.close(resolve));
    const { clock, gate, opened, passes } = gateTo(`http://127.0.0.1:${port}`);
    gate.failed(failure('Unavailable'));
    gate.failed(failure('503'));
    await clock.advance(1_000);
    // The probe was refused when its next turn stands on the clock.
    while (clock.pending.length === 0) await new Promise((resolve) => setImmediate(resolve));
    assert.equal(passes(), false);
    await new Promise<void>((resolve) => listener.listen(port, '127.0.0.1', resolve));
    await clock.advance(1_000);
    while (opened.length === 0) await new Promise((resolve) => setImmediate(resolve));
    assert.equal(passes(), true);
    gate.stop();
    listener.close();
  });

  it('waits for a name that takes its time to be looked up', async (t) => {
    const listener = createServer((socket) => socket.destroy());
    await new Promise<void>((resolve) => listener.listen(0, '127.0.0.1', resolve));
    // As where the first of two name servers is dead.
    t.mock.method(dns, 'lookup', (_name: string, options: dns.LookupAllOptions, done: LookupDone) => {
      const found = [{ address: '127.0.0.1', family: 4 }];
      setTimeout(() => (options.all ? done(null, found) : done(null, '127.0.0.1', 4)), 1_500);
    });
    const { port } = listener.address() as AddressInfo;
    const { clock, gate, opened } = gateTo(`http://far.test:${port}`);
    gate.failed(failure('Unavailable'));
    await clock.advance(1_000);
    while (opened.length === 0 && clock.pending.length === 0) await new Promise((r) => setTimeout(r, 20));
    gate.stop();
    listener.close();
    assert.equal(opened.length, 1);
  });
});
