// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { FakeClock } from '../../internal/testing/fake-clock.ts';
import { RecordingLogger } from '../../internal/testing/recording-telemetry.ts';
import type { ScrapeJob } from './plan.ts';
import { TargetHealth } from './target-health.ts';

/** The jobs of one target. */
function target(instance: string, kinds: readonly string[] = ['memory', 'mutex']): ScrapeJob[] {
  const base = new Map([
    ['instance', instance],
    ['service_name', 'shop'],
  ]);
  return kinds.map((kind) => ({
    id: `${instance} ${kind}`,
    url: `http://${instance}/${kind}`,
    kind,
    base,
    name: kind,
    computesDelta: false,
    timeoutMs: 1_000,
    target: base,
  }));
}

function watching(...targets: ScrapeJob[][]) {
  const clock = new FakeClock();
  const logger = new RecordingLogger();
  const health = new TargetHealth(logger, clock);
  const jobs = targets.flat();
  health.update(jobs);
  /** Scrapes of all jobs, of which those fail whose id says so. */
  const round = async (fails: (id: string) => boolean = () => false): Promise<void> => {
    for (const job of jobs) health.scraped(job, clock.now(), 5, fails(job.id) ? 'boom' : undefined);
    await clock.advance(1_000);
  };
  const told = (): string[] => logger.entries.splice(0).map(({ level, message }) => `${level} ${message}`);
  return { health, logger, clock, round, told };
}

describe('the health of targets', () => {
  it('tells of each change once, and not that a new target is well', async () => {
    const { health, round, told } = watching(target('a:1'));
    assert.deepEqual(health.counts(), { unknown: 1, up: 0, degraded: 0, down: 0 });
    await round();
    assert.deepEqual([health.counts().up, told()], [1, []]);
    await round((id) => id === 'a:1 mutex');
    await round((id) => id === 'a:1 mutex');
    assert.deepEqual(
      [health.counts().degraded, told()],
      [1, ['warn target gives some of its profiles only']],
    );
    await round(() => true);
    assert.deepEqual([health.counts().down, told()], [1, ['warn target gives no profiles']]);
    await round();
    await round();
    assert.deepEqual(told(), ['info target is well again']);
  });

  it('says which profile of which target failed, and how', async () => {
    const { logger, round } = watching(target('a:1'));
    await round((id) => id.endsWith('mutex'));
    assert.deepEqual(logger.entries[0]?.fields, {
      instance: 'a:1',
      service: 'shop',
      profile: 'mutex',
      error: 'boom',
    });
  });

  it('is silent on a target that fails and is well again within a second', async () => {
    const { health, clock, told } = watching(target('a:1', ['memory']));
    const [job] = target('a:1', ['memory']) as [ScrapeJob];
    health.scraped(job, 0, 1);
    await clock.advance(1_000);
    health.scraped(job, 0, 1, 'boom');
    health.scraped(job, 0, 1);
    await clock.advance(1_000);
    assert.deepEqual(told(), []);
  });

  it('tells of many targets in one line', async () => {
    const { logger, round } = watching(...Array.from({ length: 6 }, (_, i) => target(`t${i}:1`)));
    await round(() => true);
    assert.deepEqual(logger.messages('warn'), ['targets give no profiles']);
    assert.deepEqual(logger.entries[0]?.fields, {
      targets: 6,
      among_them: 't0:1 t1:1 t2:1 t3:1 t4:1',
      error: 'boom',
    });
  });

  it('keeps what it knows over a discovery that finds the same, under other objects or labels', async () => {
    const { health, round, told } = watching(target('a:1'));
    await round(() => true);
    told();
    const [memory, mutex] = target('a:1') as [ScrapeJob, ScrapeJob];
    health.update([memory, mutex]);
    assert.equal(health.counts().down, 1);
    assert.equal(health.statuses()[0]?.lastError, 'boom');
    health.scraped(memory, 0, 1, 'boom');
    health.scraped(mutex, 0, 1, 'boom');
    await round(() => true);
    assert.deepEqual(told(), [], 'it was told before');
  });

  it('forgets targets that are gone, and what they wanted to tell', async () => {
    const { health, clock, told } = watching(target('a:1'));
    const [memory] = target('a:1') as [ScrapeJob];
    health.scraped(memory, 0, 1, 'boom');
    health.update([]);
    health.scraped(memory, 0, 1, 'boom');
    await clock.advance(1_000);
    assert.deepEqual(told(), []);
    assert.deepEqual(health.statuses(), []);
    health.stop();
    assert.deepEqual(clock.pending, []);
  });
});
