// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import * as z from 'zod';
import { FakeClock } from '../../internal/testing/fake-clock.ts';
import { testSettings } from '../../internal/testing/settings.ts';
import type { ProcessChanges, ProcessEvents } from '../../native/process-changes.ts';
import type { SourceContext } from '../target.ts';
import { processSdSchema } from './config.ts';
import { processSource } from './source.ts';
import { FakeProc } from './testing/fake-proc.ts';

/** Events of processes as a test tells them. */
class FakeEvents implements ProcessEvents {
  #began = new Set<number>();
  #ended = new Set<number>();
  #lost = false;
  refused = 0;
  failure: Error | undefined;
  /** How many were given in each take that gave something. */
  readonly takes: number[] = [];
  closed = 0;
  ready: () => void = () => undefined;

  tell(changes: { began?: readonly number[]; ended?: readonly number[]; lost?: boolean }): void {
    for (const pid of changes.began ?? []) this.#began.add(pid);
    for (const pid of changes.ended ?? []) this.#ended.add(pid);
    this.#lost ||= changes.lost === true;
    this.ready();
  }

  take(maxBegan: number): ProcessChanges {
    const began = [...this.#began].slice(0, maxBegan);
    const changes = {
      began: Int32Array.from(began),
      ended: Int32Array.from(this.#ended),
      lost: this.#lost,
      refused: this.refused,
      ...(this.failure !== undefined && { failure: this.failure }),
    };
    for (const pid of began) this.#began.delete(pid);
    if (began.length + this.#ended.size > 0) this.takes.push(began.length);
    this.#ended = new Set();
    this.#lost = false;
    if (this.#began.size > 0) this.ready();
    return changes;
  }

  close(): void {
    this.closed++;
  }
}

async function follow(t: TestContext, config: object = {}) {
  const root = await mkdtemp(join(tmpdir(), 'proc-'));
  t.after(() => rm(root, { recursive: true }));
  await mkdir(join(root, 'proc'));
  const fake = new FakeProc(root);
  await fake.add(1, { exe: '/sbin/init' });
  const events = new FakeEvents();
  const clock = new FakeClock();
  /** Time that work takes. */
  const worked = { ms: 0 };
  const updates: string[] = [];
  const told: string[] = [];
  const context: SourceContext = {
    settings: testSettings(),
    clock: {
      now: () => clock.now(),
      elapsed: () => clock.elapsed() + worked.ms,
      setTimeout: (run, delayMs) => clock.setTimeout(run, delayMs),
    },
    failed: (error) => told.push(String(error)),
    leftOut: (reason) => told.push(reason),
    learns: (way, why) => told.push(why === undefined ? way : `${way}: ${why}`),
  };
  const discover = { cwd: false, container_id: false, commandline: false };
  const source = processSource(
    processSdSchema(z.never()).parse({ discover_config: discover, ...config }),
    context,
    undefined,
    {
      folders: { proc: join(root, 'proc'), passwd: '/nowhere' },
      openEvents(_, ready) {
        events.ready = ready;
        return Promise.resolve(events);
      },
    },
  );
  const stop = new AbortController();
  const running = source.run((groups) => {
    const shown = groups.map(
      ({ name, targets }) =>
        `${name.slice('process/'.length)} ${targets[0]?.get('__meta_process_exe') ?? 'gone'}`,
    );
    updates.push(shown.sort().join(', '));
  }, stop.signal);
  /** Resolves when it waits for a time, or for events. */
  const settled = async (): Promise<void> => {
    for (let turns = 0; turns < 20; turns++) await new Promise(setImmediate);
    while (clock.pending.length === 0) await new Promise(setImmediate);
  };
  const end = async (): Promise<void> => {
    stop.abort();
    await running;
  };
  await settled();
  return { fake, events, clock, worked, updates, told, settled, end };
}

test('processes are read as the kernel tells of them, and no others', async (t) => {
  const { fake, events, clock, updates, told, settled, end } = await follow(t);
  assert.deepEqual([updates.splice(0), told], [['1 /sbin/init'], ['events']]);
  // Nothing is due but the reading of everything.
  assert.deepEqual(clock.pending, [60_000]);

  await fake.add(7, { exe: '/bin/web' });
  await fake.add(8, { exe: '/bin/unheard' });
  events.tell({ began: [7, 9] });
  await settled();
  assert.deepEqual(updates.splice(0), ['7 /bin/web']);

  // It becomes another program without an event: seen when it is 1 s and 10 s old.
  await fake.add(7, { exe: '/bin/renamed' });
  await clock.advance(999);
  await settled();
  assert.deepEqual(updates.splice(0), []);
  await clock.advance(1);
  await settled();
  assert.deepEqual(updates.splice(0), ['7 /bin/renamed']);
  await fake.add(7, { exe: '/bin/again' });
  await clock.advance(9_000);
  await settled();
  assert.deepEqual(updates.splice(0), ['7 /bin/again']);
  assert.deepEqual(clock.pending, [50_000]);

  events.tell({ ended: [7, 4711] });
  await settled();
  assert.deepEqual(updates.splice(0), ['7 gone']);
  await clock.advance(50_000);
  await settled();
  // What no event told of is found by reading everything; what ended is not there in the fake, for the test left it.
  assert.deepEqual(updates.splice(0), ['7 /bin/again, 8 /bin/unheard']);
  await end();
  assert.equal(events.closed, 1);
});

test('what ends while it waits to be read again is not read again', async (t) => {
  const { fake, events, clock, updates, settled, end } = await follow(t);
  await fake.add(7, { exe: '/bin/web' });
  events.tell({ began: [7] });
  await settled();
  await fake.remove(7);
  events.tell({ ended: [7] });
  await settled();
  assert.deepEqual(updates, ['1 /sbin/init', '7 /bin/web', '7 gone']);
  assert.deepEqual(clock.pending, [60_000]);
  await end();
});

test('after lost events everything is read again, and that is counted', async (t) => {
  const { fake, events, updates, told, settled, end } = await follow(t);
  await fake.add(1, { exe: '/sbin/other' });
  await fake.add(7, { exe: '/bin/web' });
  events.refused = 2;
  events.tell({ lost: true });
  await settled();
  assert.deepEqual(updates, ['1 /sbin/init', '1 /sbin/other, 7 /bin/web']);
  events.tell({ began: [7] });
  await settled();
  assert.deepEqual(told, ['events', 'lost_events', 'refused_messages']);
  assert.equal(updates.length, 2);
  await end();
});

test('of a storm a bounded number is read at a time', async (t) => {
  const { fake, events, updates, settled, end } = await follow(t);
  const pids = Array.from({ length: 2_500 }, (_, i) => 100 + i);
  await fake.add(2_599, { exe: '/bin/last' });
  events.tell({ began: pids });
  await settled();
  while (events.takes.length < 3) await new Promise(setImmediate);
  await settled();
  assert.deepEqual(events.takes, [1_000, 1_000, 500]);
  assert.deepEqual(updates, ['1 /sbin/init', '2599 /bin/last']);
  await end();
});

test('after work there is rest, nine times as long', async (t) => {
  const { events, clock, worked, settled, end } = await follow(t);
  // The work of this take lasts 20 ms.
  const take = events.take.bind(events);
  events.take = (limit) => {
    worked.ms += 20;
    return take(limit);
  };
  events.tell({ began: [7] });
  await settled();
  assert.deepEqual(clock.pending, [180]);
  assert.deepEqual(events.takes, [1]);
  // What comes meanwhile waits.
  events.tell({ began: [8] });
  await settled();
  assert.deepEqual(events.takes, [1]);
  await clock.advance(180);
  await settled();
  assert.deepEqual(events.takes, [1, 1]);
  await end();
});

test('where no events come any more, processes are looked for as without them', async (t) => {
  const { fake, events, clock, updates, told, settled, end } = await follow(t);
  events.failure = new Error('the socket is gone');
  await fake.add(7, { exe: '/bin/web' });
  events.ready();
  await settled();
  assert.equal(events.closed, 1);
  assert.deepEqual(told, ['events', 'polling: the socket is gone']);
  assert.equal(updates.at(-1), '7 /bin/web');
  await fake.add(8, { exe: '/bin/later' });
  assert.deepEqual(clock.pending, [1_000]);
  await clock.advance(1_000);
  await settled();
  assert.equal(updates.at(-1), '8 /bin/later');
  await end();
});

test('processes that cannot be listed are a failure, and it is tried again', async (t) => {
  const { fake, clock, updates, told, settled, events, end } = await follow(t);
  const { root } = fake;
  await rm(join(root, 'proc'), { recursive: true });
  events.tell({ lost: true });
  await settled();
  assert.match(told.at(-1) ?? '', /ENOENT/);
  await fake.add(7, { exe: '/bin/web' });
  assert.deepEqual(clock.pending, [1_000]);
  await clock.advance(1_000);
  await settled();
  assert.equal(updates.at(-1), '1 gone, 7 /bin/web');
  await end();
});
