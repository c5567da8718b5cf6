// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { deferred } from '../../internal/deferred.ts';
import { FakeClock, settle } from '../../internal/testing/fake-clock.ts';
import { Schedule } from './schedule.ts';

const INTERVAL_MS = 10_000;

type Run = (signal: AbortSignal) => Promise<void>;

/** A schedule that writes down when it ran what, and what it missed. */
function scheduling(clock: FakeClock, run: Run = async () => undefined) {
  const startMs = clock.elapsed();
  const runs: { id: string; atMs: number }[] = [];
  const missed: string[] = [];
  const schedule = new Schedule<{ id: string }>({
    clock,
    intervalMs: INTERVAL_MS,
    run: (job, signal) => {
      runs.push({ id: job.id, atMs: clock.elapsed() - startMs });
      return run(signal);
    },
    onMissed: ({ id }) => void missed.push(id),
  });
  const timesOf = (id: string): number[] => runs.filter((one) => one.id === id).map(({ atMs }) => atMs);
  return { schedule, runs, missed, timesOf };
}

const jobs = (count: number): { id: string }[] =>
  Array.from({ length: count }, (_, i) => ({ id: `job ${i}` }));

describe('the schedule of scrapes', () => {
  it('runs each job within 2 s, then once an interval at its own place, which a restart keeps', async () => {
    const clock = new FakeClock();
    const { schedule, timesOf } = scheduling(clock);
    schedule.update(jobs(50));
    await clock.advance(5 * INTERVAL_MS);
    const places: number[] = [];
    for (const { id } of jobs(50)) {
      const [first = Number.NaN, second = Number.NaN, ...others] = timesOf(id);
      assert.ok(first <= 2_000, `${id} ran first after ${first} ms`);
      assert.ok(second - first >= INTERVAL_MS / 2 && second - first <= 1.5 * INTERVAL_MS);
      assert.deepEqual(
        others,
        others.map((_, i) => second + (i + 1) * INTERVAL_MS),
      );
      places.push(second % INTERVAL_MS);
    }
    assert.ok(new Set(places).size > 40, 'jobs are spread over the interval');
    await schedule.stop();

    const later = new FakeClock(clock.now() + 1_234);
    const again = scheduling(later);
    again.schedule.update(jobs(50));
    await later.advance(2 * INTERVAL_MS);
    for (const [i, { id }] of jobs(50).entries()) {
      const [, second = Number.NaN] = again.timesOf(id);
      const since = clock.now() + 1_234 - 1_700_000_000_000;
      assert.equal((second + since) % INTERVAL_MS, places[i], id);
    }
    await again.schedule.stop();
  });

  it('spreads the first round of very many jobs, one a millisecond', async () => {
    const clock = new FakeClock();
    const { schedule, runs } = scheduling(clock);
    schedule.update(jobs(5_000));
    await clock.advance(2_500);
    assert.ok(Math.abs(runs.length - 2_500) < 250, `${runs.length} ran in 2.5 s`);
    await clock.advance(2_500);
    assert.equal(new Set(runs.map(({ id }) => id)).size, 5_000);
    await schedule.stop();
  });

  it('never runs a job twice at once, and counts what did not take place', async () => {
    const clock = new FakeClock();
    const slow = deferred();
    const { schedule, missed, timesOf } = scheduling(clock, () => slow.promise);
    schedule.update([{ id: 'slow' }]);
    await clock.advance(3 * INTERVAL_MS);
    assert.equal(timesOf('slow').length, 1);
    assert.ok(missed.length >= 2 && missed.every((id) => id === 'slow'));
    slow.resolve();
    await clock.advance(INTERVAL_MS);
    assert.equal(timesOf('slow').length, 2);
    await schedule.stop();
  });

  it('counts intervals that went by while the process did not run, and catches up with one run', async () => {
    const clock = new FakeClock();
    let lateMs = 0;
    const { schedule, missed, timesOf } = scheduling(
      Object.assign(Object.create(clock) as FakeClock, {
        elapsed: () => clock.elapsed() + lateMs,
        now: () => clock.now() + lateMs,
        setTimeout: clock.setTimeout.bind(clock),
      }),
    );
    schedule.update([{ id: 'a' }]);
    await clock.advance(2 * INTERVAL_MS);
    const before = timesOf('a').length;
    lateMs = 3 * INTERVAL_MS;
    await clock.advance(INTERVAL_MS);
    assert.equal(timesOf('a').length, before + 1);
    assert.equal(missed.length, 3);
    await schedule.stop();
  });

  it('ends runs of jobs that are no longer wanted, and lets others be', async () => {
    const clock = new FakeClock();
    const signals: AbortSignal[] = [];
    const { schedule, timesOf } = scheduling(clock, (signal) => {
      signals.push(signal);
      return new Promise((resolve) => signal.addEventListener('abort', () => resolve()));
    });
    schedule.update([{ id: 'a' }, { id: 'b' }]);
    await clock.advance(2_000);
    assert.equal(signals.length, 2);
    assert.deepEqual(schedule.update([{ id: 'b' }]), { removed: ['a'] });
    assert.equal(signals.filter(({ aborted }) => aborted).length, 1);
    await clock.advance(3 * INTERVAL_MS);
    assert.equal(timesOf('a').length, 1);
    let hasStopped = false;
    const stopped = schedule.stop().then(() => (hasStopped = true));
    await settle();
    assert.ok(hasStopped, 'the stop ended the run of b and waited for it');
    await stopped;
    assert.deepEqual(clock.pending, []);
    assert.deepEqual(schedule.update([{ id: 'c' }]), { removed: [] });
    assert.deepEqual(clock.pending, []);
  });
});
