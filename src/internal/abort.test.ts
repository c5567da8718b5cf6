// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { getEventListeners } from 'node:events';
import { describe, it } from 'node:test';
import { orAborted } from './abort.ts';

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
