// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { describe, it, mock } from 'node:test';
import { DecodeError } from '../../internal/wire-reader.ts';
import { toFolded } from '../../pdata/folded.ts';
import { decodeJfr, decodeJfrInTurns, type JfrSeries } from './decode.ts';
import { RecordingMaker } from './testing/recording-maker.ts';

const drawn = (series: readonly JfrSeries[]): string[] =>
  series.map(({ name, batch }) => `${name}\n${toFolded(batch)}`);

/** So many events over so many stacks of `depth` frames. */
function recording(events: number, stacks: number, depth = 2): Uint8Array {
  const maker = new RecordingMaker();
  for (let i = 0; i < events; i++) {
    const frames = Array.from({ length: depth }, (_, k) => `app/C${(i % stacks) + k}.run:${k}`);
    maker.add('jdk.ExecutionSample', { stack: frames.join(';'), state: 'STATE_RUNNABLE' });
  }
  return maker.chunk();
}

/** How often the event loop came round meanwhile, where every look at the clock ends a turn. */
async function turnsOf<T>(work: () => Promise<T>): Promise<{ turns: number; result: T }> {
  let now = 0;
  let turns = 0;
  const clock = mock.method(performance, 'now', () => (now += 100));
  const beat = (): void => {
    turns++;
    next = setImmediate(beat);
  };
  let next = setImmediate(beat);
  try {
    return { result: await work(), turns };
  } finally {
    clearImmediate(next);
    clock.mock.restore();
  }
}

describe('a recording that is read in turns', () => {
  it('is the same as one that is read at once', async () => {
    const bytes = recording(3_000, 500);
    assert.deepEqual(drawn(await decodeJfrInTurns(bytes)), drawn(decodeJfr(bytes)));
  });

  it('lets the event loop go on at every part that may be large', async () => {
    const [few, events, stacks, frames] = [
      recording(1, 1),
      recording(20_000, 1),
      recording(400, 400),
      recording(40, 40, 2_000),
    ];
    const turns = async (bytes: Uint8Array): Promise<number> =>
      (await turnsOf(async () => decodeJfrInTurns(bytes))).turns;
    const least = await turns(few);
    assert.ok(least < 10, 'the shape of a recording');
    assert.ok((await turns(events)) > least + 10, 'events');
    assert.ok((await turns(stacks)) > least + 90, 'stacks');
    assert.ok((await turns(frames)) > least + 10, 'constants');
  });

  it('is given up when nobody waits any longer', async () => {
    const bytes = recording(1_000, 500);
    const stop = new AbortController();
    const { result } = await turnsOf(async () => {
      const read = decodeJfrInTurns(bytes, {}, stop.signal);
      stop.abort(new Error('gone'));
      return read.then(
        () => 'read',
        (error: Error) => error.message,
      );
    });
    assert.equal(result, 'gone');
  });

  it('waits where two large ones are read already, and small ones do not', async () => {
    const chunk = recording(1_500, 1);
    const chunks = Math.ceil((1024 * 1024) / chunk.length);
    const large = Buffer.concat(Array.from({ length: chunks }, () => chunk));
    const small = recording(400, 400);
    const ends: string[] = [];
    await turnsOf(async () => {
      const read = (name: string, bytes: Uint8Array): Promise<unknown> =>
        decodeJfrInTurns(bytes).then(() => ends.push(name));
      await Promise.all([
        read('1', large),
        read('2', large),
        read('3', large),
        read('small', small),
        assert.rejects(read('bad', large.subarray(1)), DecodeError),
      ]);
    });
    assert.deepEqual(ends, ['small', '1', '2', '3']);
    await decodeJfrInTurns(large);
  });
});
