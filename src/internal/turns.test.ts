// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { describe, it, mock } from 'node:test';
import { atOnce, inTurns, type Steps } from './turns.ts';

/** Every look at the clock is later than a turn may last. */
function hurry(): () => void {
  let now = 0;
  const clock = mock.method(performance, 'now', () => (now += 100));
  return () => clock.mock.restore();
}

function* noting(log: string[], name: string, steps: number): Steps<string> {
  for (let i = 0; i < steps; i++) {
    log.push(name);
    yield;
  }
  return name;
}

describe('computations in turns', () => {
  it('go on one after the other, and the event loop goes on between any two steps', async () => {
    const log: string[] = [];
    const restore = hurry();
    try {
      const all = Promise.all([inTurns(noting(log, 'a', 3)), inTurns(noting(log, 'b', 3))]);
      const beat = (): void => {
        log.push('loop');
        if (log.length < 12) setImmediate(beat);
      };
      setImmediate(beat);
      assert.deepEqual(await all, ['a', 'b']);
    } finally {
      restore();
    }
    assert.deepEqual(log.slice(0, 9), ['a', 'a', 'loop', 'b', 'loop', 'a', 'loop', 'b', 'loop']);
  });

  it('that are short are done at once', async () => {
    const log: string[] = [];
    const clock = mock.method(performance, 'now', () => 0);
    try {
      const result = inTurns(noting(log, 'a', 1_000));
      assert.equal(log.length, 1_000);
      assert.equal(await result, 'a');
    } finally {
      clock.mock.restore();
    }
  });

  it('share one turn: many of them hold the event loop no longer than one', async () => {
    const log: string[] = [];
    const restore = hurry();
    try {
      const all = ['a', 'b', 'c', 'd', 'e'].map((name) => inTurns(noting(log, name, 2)));
      log.length = 0;
      await new Promise((resolve) => void setImmediate(resolve));
      assert.equal(log.length, 1);
      await Promise.all(all);
    } finally {
      restore();
    }
  });

  it('end with the reason of the signal, and with what a step throws; the others go on', async () => {
    const log: string[] = [];
    const restore = hurry();
    const reason = new Error('gone');
    const fault = new Error('bad');
    function* failing(): Steps<void> {
      yield;
      throw fault;
    }
    try {
      const stop = new AbortController();
      const stopped = inTurns(noting(log, 'a', 1_000), stop.signal);
      const failed = inTurns(failing());
      const other = inTurns(noting(log, 'b', 5));
      stop.abort(reason);
      await assert.rejects(stopped, reason);
      await assert.rejects(failed, fault);
      assert.equal(await other, 'b');
      assert.equal(log.filter((name) => name === 'a').length, 1);
    } finally {
      restore();
    }
  });

  it('can be had without turns', () => {
    assert.equal(atOnce(noting([], 'a', 10)), 'a');
  });
});
