// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { getText } from '../../src/pdata/attributes.ts';
import { stackNames } from '../../src/pdata/folded.ts';
import type { ProfilesBatch } from '../../src/pdata/profiles-batch.ts';
import { configSchema } from '../../src/receivers/profiling/config.ts';
import { openSource, type ProfileSource } from '../../src/receivers/profiling/source.ts';
import { WITHOUT_ROOT } from '../left-out.ts';
import { type Running, startWorkloads, STRIPPED_LIBRARY, WORKLOADS } from './workloads.ts';

const HZ = 499;
const scope = { name: 'test', version: '1', attributes: [], droppedAttributesCount: 0 };

/** Events of one process: how many, and the user part of their stacks, root first. */
interface Seen {
  events: number;
  readonly stacks: { readonly names: readonly string[]; readonly events: number }[];
}

function seenByPid(batches: readonly ProfilesBatch[]): Map<number, Seen> {
  const seen = new Map<number, Seen>();
  for (const batch of batches) {
    for (const { resource, profile } of batch.profiles()) {
      const pid = Number(getText(resource.resource.attributes, 'process.pid'));
      const of = seen.get(pid) ?? { events: 0, stacks: [] };
      seen.set(pid, of);
      for (let i = 0; i < profile.samples.length; i++) {
        const events =
          (profile.samples.timestampStart[i + 1] ?? 0) - (profile.samples.timestampStart[i] ?? 0);
        of.events += events;
        of.stacks.push({ names: stackNames(batch.dictionary, profile.samples.stack[i] ?? 0), events });
      }
    }
  }
  return seen;
}

const share = (seen: Seen, holds: (names: readonly string[]) => boolean): number =>
  seen.stacks.filter((s) => holds(s.names)).reduce((n, s) => n + s.events, 0) / seen.events;

describe('profiling real programs with eBPF', { timeout: 180_000, skip: WITHOUT_ROOT }, () => {
  let running: Running;
  let source: ProfileSource;
  let seen = new Map<number, Seen>();
  let stats: Record<string, number> = {};

  before(async () => {
    running = await startWorkloads();
    const opened = await openSource(configSchema.parse({ samples_per_second: HZ }), scope, false);
    source = opened.source;
    const batches: ProfilesBatch[] = [];
    // Tables of the largest binaries load beside the sampling: what is seen while they do is not judged.
    await delay(3000);
    await source.collect();
    for (let i = 0; i < 4; i++) {
      await delay(1500);
      const batch = await source.collect();
      if (batch !== undefined) batches.push(batch);
    }
    stats = source.stats();
    seen = seenByPid(batches);
  });

  after(async () => {
    running?.stop();
    await source?.stop();
  });

  for (const workload of WORKLOADS) {
    it(`shows complete, named stacks of the ${workload.name} program`, () => {
      const [pid] = [...running.byPid].find(([, w]) => w === workload) ?? [];
      const of = seen.get(pid ?? -1);
      assert.ok(of !== undefined && of.events >= 100, `${of?.events ?? 0} samples`);
      const examples = JSON.stringify(of.stacks.slice(0, 3).map((s) => s.names));
      const complete = share(of, (names) => workload.root.test(names[0] ?? ''));
      assert.ok(complete >= 0.98, `${(complete * 100).toFixed(1)} % complete: ${examples}`);
      const chained = share(of, (names) =>
        workload.chain.every((want) => names.some((name) => want.test(name))),
      );
      assert.ok(chained >= 0.9, `${(chained * 100).toFixed(1)} % with the chain: ${examples}`);
      const all = of.stacks.flatMap((s) => s.names).filter((name) => !STRIPPED_LIBRARY.test(name));
      const named = all.filter((name) => !/(^|\+)0x[0-9a-f]+$/.test(name));
      assert.ok(
        named.length / all.length >= workload.named,
        `${((named.length / all.length) * 100).toFixed(1)} % named: ${examples}`,
      );
    });
  }

  it('takes as many samples as the frequency asks', () => {
    const events = [...seen.values()].reduce((n, s) => n + s.events, 0);
    // Two seconds' worth of one busy CPU in six: far below what the programs burn, far above nothing.
    assert.ok(events > HZ * 2, `${events} samples`);
    assert.ok((stats['samples_emitted'] ?? 0) >= events, JSON.stringify(stats));
  });
});
