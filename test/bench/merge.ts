// SPDX-License-Identifier: Apache-2.0
import type { Contender } from './contender.ts';
import { BY_CALL, ran, ratesOf, secondsOf, startOurs, startPeer, withSides } from './lanes.ts';
import { type PayloadSet, payloadSets } from './payloads.ts';
import { goProgram } from './peers.ts';
import { type Goal, print, type RatioRow, ratioTable, table, verdict } from './report.ts';
import { Rounds } from './rounds.ts';

const GO = 'Go pdata';
const AGAINST_GO: Goal = { floor: 1.5, aim: 3 };
const GROWTH_ROUNDS = 5;
const GROWTH: Goal = { floor: 2.2, aim: 2.2, atMost: true };

/** Merge of two different requests (decode, merge, encode) against Go, and how its time grows with size. */
export async function benchMerge(names: readonly string[]): Promise<void> {
  const sides = { ...(await startOurs()), go: startPeer(GO, goProgram('measure')) };
  await withSides(sides, async ({ ours, plain, go }) => {
    const ratios: RatioRow[] = [];
    const growth: string[][] = [];
    for (const set of payloadSets(names.length > 0 ? names : ['M', 'L', 'recorded'])) {
      const lanes = [ours, plain, go].map((side) => ({ side, op: 'merge', files: set.files }));
      const [own, ownPlain, theirs = ''] = await ratesOf(lanes, set.bytes * 2);
      const goal = set.name === 'M' ? AGAINST_GO : undefined;
      ratios.push(
        { what: `${set.name}: merge of two`, ours: ran(own), theirs, peer: GO, goal },
        { what: `${set.name}: no addon`, ours: ran(ownPlain), theirs, peer: GO },
      );
      if (set.name === 'recorded') continue;
      const own2 = await growthOf(ours, set);
      growth.push([set.name, ours.name, own2.toString(), '≤ 2.2', verdict(own2.median, GROWTH)]);
      if (typeof go === 'string') continue;
      growth.push([set.name, go.name, (await growthOf(go, set)).toString(), '', '']);
    }
    print(`\n### Merge of two different requests: decode, merge, encode\n`);
    print(`${ratioTable('MB per CPU-s', ratios)}\n`);
    print(table(['', '', 'time of twice as much ÷ time', 'goal', 'reached'], growth));
  });
}

/** How much longer twice as many bytes take. The larger set has twice the samples, and longer indices. */
async function growthOf(side: Contender, set: PayloadSet): Promise<Rounds> {
  const [double] = payloadSets([`${set.name}×2`]);
  if (double === undefined) throw new Error(`"${set.name}" has no larger set to compare with`);
  const lanes = [set, double].map(({ files }) => ({ side, op: 'merge', files }));
  const [once, twice] = await secondsOf(lanes, BY_CALL);
  // A collection of garbage falls on one call of many: sums count it, medians of calls would not.
  const ratios = sums(ran(twice)).over(sums(ran(once)));
  return ratios.map((ratio) => (2 * ratio * set.bytes) / double.bytes);
}

function sums({ values }: Rounds): Rounds {
  const each = values.length / GROWTH_ROUNDS;
  return new Rounds(
    Array.from({ length: GROWTH_ROUNDS }, (_, i) =>
      values.slice(i * each, (i + 1) * each).reduce((sum, value) => sum + value, 0),
    ),
  );
}
