// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Turnstile } from './turnstile.ts';

/** Enters and notes when it is in. */
function enter(turnstile: Turnstile, name: string, log: string[], signal?: AbortSignal): Promise<() => void> {
  const entered = turnstile.enter(signal);
  void entered.then(
    () => log.push(name),
    () => log.push(`${name} left`),
  );
  return entered;
}

const settled = (): Promise<void> => new Promise((resolve) => void setImmediate(resolve));

describe('a turnstile', () => {
  it('lets in as many as it is told, and the next when one leaves, in their order', async () => {
    const log: string[] = [];
    const turnstile = new Turnstile(2);
    const [a, , c] = ['a', 'b', 'c', 'd'].map((name) => enter(turnstile, name, log));
    await settled();
    assert.deepEqual(log, ['a', 'b']);
    (await a)?.();
    await settled();
    assert.deepEqual(log, ['a', 'b', 'c']);
    (await c)?.();
    await settled();
    assert.deepEqual(log, ['a', 'b', 'c', 'd']);
  });

  it('lets go who does not wait any longer, whether it was called in or not', async () => {
    const log: string[] = [];
    const turnstile = new Turnstile(1);
    const leave = await turnstile.enter();
    const [waiting, called] = [new AbortController(), new AbortController()];
    const first = enter(turnstile, 'waiting', log, waiting.signal);
    const second = enter(turnstile, 'called', log, called.signal);
    const third = enter(turnstile, 'third', log);
    waiting.abort(new Error('gone'));
    await assert.rejects(first, /gone/);
    // In one go: it is called in, and goes before it can know.
    called.abort(new Error('gone too'));
    leave();
    await assert.rejects(second, /gone too/);
    (await third)();
    await settled();
    assert.deepEqual(log, ['waiting left', 'called left', 'third']);
    await assert.rejects(turnstile.enter(AbortSignal.abort(new Error('never came'))), /never came/);
    (await turnstile.enter())();
  });
});
