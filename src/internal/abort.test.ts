// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { getEventListeners } from 'node:events';
import { describe, it } from 'node:test';
import { orAborted, withEither } from './abort.ts';

describe('orAborted', () => {
  it('gives the outcome of the promise and leaves no listener', async () => {
    const { signal } = new AbortController();
    assert.equal(await orAborted(Promise.resolve(7), signal), 7);
    await assert.rejects(orAborted(Promise.reject(new Error('own')), signal), { message: 'own' });
    assert.equal(getEventListeners(signal, 'abort').length, 0);
  });

  it('rejects with the reason when the signal comes first', async () => {
    const abort = new AbortController();
    const waiting = orAborted(new Promise(() => undefined), abort.signal);
    abort.abort(new Error('enough'));
    await assert.rejects(waiting, { message: 'enough' });
    await assert.rejects(orAborted(Promise.reject(new Error('late')), abort.signal), { message: 'enough' });
  });
});

describe('withEither', () => {
  const pair = () => [new AbortController(), new AbortController()] as const;

  it('aborts with the reason of the first that does, and listens to none afterwards', async () => {
    for (const first of [0, 1] as const) {
      const controllers = pair();
      const signals = controllers.map(({ signal }) => signal);
      const seen = await withEither(signals, async (either) => {
        assert.equal(either.aborted, false);
        controllers[first].abort(new Error(`stop ${first}`));
        controllers[1 - first]?.abort(new Error('too late'));
        return either.reason as Error;
      });
      assert.equal(seen.message, `stop ${first}`);
    }
    const [one, other] = pair();
    await withEither([one.signal, other.signal], () => Promise.resolve());
    await assert.rejects(
      withEither([one.signal, other.signal], () => Promise.reject(new Error('no'))),
      /no/,
    );
    assert.deepEqual(
      [one, other].flatMap(({ signal }) => getEventListeners(signal, 'abort')),
      [],
    );
  });

  it('is aborted from the start where one was', async () => {
    const gone = AbortSignal.abort(new Error('before'));
    const reason = await withEither([new AbortController().signal, gone], (either) =>
      Promise.resolve(either.reason as Error),
    );
    assert.equal(reason.message, 'before');
  });
});
