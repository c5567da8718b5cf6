// SPDX-License-Identifier: Apache-2.0
import { Contender } from './contender.ts';
import { nodeProgram, type Peer } from './peers.ts';
import { interleave, Rounds } from './rounds.ts';

/** Long enough for V8 to have compiled what it will compile. */
const WARM_UP_CPU_SECONDS = 3;

/** A running side of a comparison, or why there is none. */
export type Side = Contender | string;

export const startPeer = (name: string, peer: Peer): Side =>
  'missing' in peer ? peer.missing : new Contender(name, peer.command, peer.args);

/** Ours as it is installed, and without the addon. */
export async function startOurs(): Promise<{ ours: Contender; plain: Contender }> {
  const program = await nodeProgram('ours.ts');
  const without = { OTELCOL_PROFILES_NO_ADDON: '1' };
  return {
    ours: new Contender('ours', process.execPath, [program]),
    plain: new Contender('ours without addon', process.execPath, [program], without),
  };
}

/** Runs `work`, and stops the sides whatever becomes of it. */
export async function withSides<T extends Readonly<Record<string, Side>>>(
  sides: T,
  work: (sides: T) => Promise<void>,
): Promise<void> {
  try {
    await work(sides);
  } finally {
    for (const side of Object.values(sides)) if (side instanceof Contender) side.stop();
  }
}

/** One operation of one side on some files. */
export interface Lane {
  readonly side: Side;
  readonly op: string;
  readonly files: readonly string[];
}

/** How often and how long a lane is measured. */
interface Effort {
  readonly rounds: number;
  readonly cpuSecondsARound: number;
}
const EFFORT: Effort = { rounds: 5, cpuSecondsARound: 0.25 };
/**
 * One call of a lane after one of the other. A lane that has the processor's caches to itself for many calls would
 * be compared with one that does not fit into them.
 */
export const BY_CALL: Effort = { rounds: 50, cpuSecondsARound: 0 };

/** CPU seconds of a call in each lane, lanes in turn; or why a lane has none. */
export async function secondsOf(
  lanes: readonly Lane[],
  { rounds, cpuSecondsARound } = EFFORT,
): Promise<(Rounds | string)[]> {
  const tasks = lanes.map(({ side, op, files }) => async (warmUp: boolean) => {
    if (typeof side === 'string') return Number.NaN;
    return side.measure(op, files, warmUp ? WARM_UP_CPU_SECONDS : cpuSecondsARound);
  });
  const all = await interleave(rounds, tasks);
  return lanes.map(({ side }, i) => (typeof side === 'string' ? side : (all[i] ?? 'not measured')));
}

/** Rates of each lane in MB of `bytes` per CPU second. */
export async function ratesOf(lanes: readonly Lane[], bytes: number): Promise<(Rounds | string)[]> {
  const seconds = await secondsOf(lanes);
  return seconds.map((s) => (typeof s === 'string' ? s : s.map((value) => bytes / 1e6 / value)));
}

/** The rounds of a lane that cannot be missing. */
export function ran(rounds: Rounds | string | undefined): Rounds {
  if (rounds instanceof Rounds) return rounds;
  throw new Error(rounds ?? 'a lane was not measured');
}
