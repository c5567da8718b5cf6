// SPDX-License-Identifier: Apache-2.0
import { once } from 'node:events';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { packageRoot } from '../../src/internal/package-root.ts';
import { payloadSets } from './payloads.ts';
import { framesOf } from './relay.ts';
import { startOurs } from './relay-process.ts';
import { type Goal, print, table, verdict } from './report.ts';
import { short } from './rounds.ts';
import { Load, Sink } from './wire.ts';

const MB_PER_SECOND = 50;
const WARM_UP_SECONDS = 3;
const SECONDS = 8;
/** Of the rate, below which the delay says nothing about the goal. */
const LEAST_SHARE = 0.95;
const MOST_UNDER_WAY = 32;
const GOAL: Goal = { floor: 25, aim: 10, atMost: true };

interface Delays {
  readonly p50: number;
  readonly p99: number;
  readonly max: number;
}

/** Delay of the program's event loop while it relays at a steady rate, gzip in and gzip out. */
export async function benchLoop(names: readonly string[]): Promise<void> {
  const rows: string[][] = [];
  for (const set of payloadSets(names.length > 0 ? names : ['M'])) {
    const sink = await Sink.listen();
    const preload = pathToFileURL(join(packageRoot(), 'test', 'bench', 'loop-delay.mjs')).href;
    const relay = await startOurs({ name: 'ours', to: sink.port, gzip: true, preload });
    try {
      const load = await Load.connect(relay.port, true);
      const frames = framesOf(set, true);
      const perSecond = (MB_PER_SECOND * 1e6) / set.bytes;
      await load.pace(frames, perSecond, MOST_UNDER_WAY, WARM_UP_SECONDS);
      relay.child.send('reset');
      const cpu = relay.cpuSeconds();
      const { requests, seconds, failure } = await load.pace(frames, perSecond, MOST_UNDER_WAY, SECONDS);
      if (failure !== undefined) throw new Error(`the program answered ${failure}`);
      const answer = once(relay.child, 'message');
      relay.child.send('read');
      const [delays] = (await answer) as [Delays];
      const reached = (requests * set.bytes) / 1e6 / seconds;
      rows.push([
        set.name,
        short(reached),
        short((relay.cpuSeconds() - cpu) / seconds),
        `${short(delays.p50)} · **${short(delays.p99)}** · ${short(delays.max)}`,
        `≤ ${GOAL.floor} · ≤ ${GOAL.aim}`,
        reached < MB_PER_SECOND * LEAST_SHARE ? '**rate missed**' : verdict(delays.p99, GOAL),
      ]);
      load.close();
    } finally {
      await relay.stop();
      sink.close();
    }
  }
  const head = ['', 'rate, raw MB/s', 'CPUs', 'p50 · p99 · max, ms', 'floor · aim', 'reached'];
  print(
    `\n### Event-loop delay while relaying ${MB_PER_SECOND} MB/s (raw), gzip in and out\n\n${table(head, rows)}`,
  );
}
