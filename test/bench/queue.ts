// SPDX-License-Identifier: Apache-2.0
import { closeSync, fdatasyncSync, mkdirSync, openSync, rmSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { CACHE, type PayloadSet, payloadSets } from './payloads.ts';
import { framesOf } from './relay.ts';
import { RelayProcess, startOurs } from './relay-process.ts';
import { type Goal, print, type RatioRow, ratioTable, table, verdict } from './report.ts';
import { interleave } from './rounds.ts';
import { Load, Sink } from './wire.ts';

const ROUNDS = 5;
const SECONDS_A_ROUND = 1.2;
const WARM_UP_SECONDS = 2;
const IN_FLIGHT = 4;
/** What the relay keeps of its throughput with queue, batch and retry. */
const KEEPS: Goal = { floor: 0.8, aim: 0.95 };
/** MB/s that the queue on the disk takes, or what the disk gives where that is less. */
const STORED: Goal = { floor: 100, aim: 200 };
const RETRY = 'retry_on_failure: { enabled: true }';

const LANES: readonly { readonly name: string; readonly delivery?: string }[] = [
  { name: 'no queue' },
  { name: 'queue, retry', delivery: `sending_queue: { block_on_overflow: true }, ${RETRY}` },
  {
    name: 'queue, batch, retry',
    delivery: `sending_queue: { block_on_overflow: true, batch: {} }, ${RETRY}`,
  },
];

/** The relay with and without what makes delivery safe, and the queue on the disk beside the disk itself. */
export async function benchQueue(names: readonly string[]): Promise<void> {
  const sets = payloadSets(names.length > 0 ? names : ['M', 'L']);
  const rows: RatioRow[] = [];
  for (const set of sets) rows.push(...(await relayRows(set)));
  print(`\n### Relay with queue, batch and retry ÷ relay without\n\n${ratioTable('MB per CPU-s', rows)}`);
  const disk: string[][] = [];
  for (const set of sets) disk.push(await diskRow(set));
  const head = ['', 'ours, MB/s', 'write + fdatasync, MB/s', 'floor · aim', 'reached'];
  print(
    `\n### Queue on the disk, destination away, beside plain writes of the same bytes\n\n${table(head, disk)}`,
  );
}

async function relayRows(set: PayloadSet): Promise<RatioRow[]> {
  const sink = await Sink.listen();
  const relays: RelayProcess[] = [];
  try {
    for (const { name, delivery } of LANES)
      relays.push(await startOurs({ name, to: sink.port, gzip: false, ...(delivery && { delivery }) }));
    const frames = framesOf(set, false);
    const loads = await Promise.all(relays.map(({ port }) => Load.connect(port, false)));
    const rates = await interleave(
      ROUNDS,
      relays.map((relay, i) => (warmUp) => rateOf(relay, loads[i], sink, frames, set, warmUp)),
    );
    for (const load of loads) load.close();
    const [without, ...rest] = rates;
    return rest.map((ours, i) => ({
      what: `${set.name}: ${LANES[i + 1]?.name ?? ''}`,
      ours,
      theirs: without ?? 'not measured',
      peer: LANES[0]?.name ?? '',
      goal: KEEPS,
    }));
  } finally {
    await Promise.all(relays.map((relay) => relay.stop()));
    sink.close();
  }
}

/** Megabytes a second of CPU time, until the last byte has left. */
async function rateOf(
  relay: RelayProcess,
  load: Load | undefined,
  sink: Sink,
  frames: readonly Buffer[],
  set: PayloadSet,
  warmUp: boolean,
): Promise<number> {
  const before = relay.cpuSeconds();
  const megabytes = await megabytesTaken(load, frames, set, warmUp);
  for (let seen = -1; seen !== sink.receivedBytes; ) {
    seen = sink.receivedBytes;
    await delay(300);
  }
  return megabytes / (relay.cpuSeconds() - before);
}

async function megabytesTaken(
  load: Load | undefined,
  frames: readonly Buffer[],
  set: PayloadSet,
  warmUp: boolean,
): Promise<number> {
  if (load === undefined) throw new Error('a relay has no load');
  const seconds = warmUp ? WARM_UP_SECONDS : SECONDS_A_ROUND;
  const { requests, failure } = await load.saturate(frames, IN_FLIGHT, seconds);
  if (failure !== undefined) throw new Error(`the program answered ${failure}`);
  return (requests * set.bytes) / 1e6;
}

/** The destination is away: all that comes goes to the disk. Both sides write to one file system, in turn. */
async function diskRow(set: PayloadSet): Promise<string[]> {
  const directory = join(CACHE, 'queue');
  rmSync(directory, { recursive: true, force: true });
  mkdirSync(directory, { recursive: true });
  const relay = await startOurs({
    name: 'queue on the disk',
    // Nobody listens on it.
    to: 1,
    gzip: false,
    delivery: `sending_queue: { storage: file_storage, queue_size: 1000000 }, ${RETRY}`,
    storage: `directory: "${directory}", max_size: 0`,
  });
  try {
    const load = await Load.connect(relay.port, false);
    const frames = framesOf(set, false);
    const [ours, theirs] = await interleave(ROUNDS, [
      async (warmUp) => {
        const start = performance.now();
        const megabytes = await megabytesTaken(load, frames, set, warmUp);
        return (megabytes / (performance.now() - start)) * 1000;
      },
      (warmUp) => Promise.resolve(plainWrites(join(directory, 'plain'), frames, warmUp)),
    ]);
    load.close();
    if (ours === undefined || theirs === undefined) throw new Error('not measured');
    const floor = Math.min(STORED.floor, theirs.median);
    const goal = { floor, aim: Math.min(STORED.aim, theirs.median) };
    const goals = `≥ ${STORED.floor} · ≥ ${STORED.aim}, or the disk's`;
    return [set.name, ours.toString(), theirs.toString(), goals, verdict(ours.median, goal)];
  } finally {
    await relay.stop();
    rmSync(directory, { recursive: true, force: true });
  }
}

/** Megabytes a second of one write a payload, as many as fit into a round, until the last is on the disk. */
function plainWrites(path: string, payloads: readonly Buffer[], warmUp: boolean): number {
  const file = openSync(path, 'w');
  try {
    const start = performance.now();
    const end = start + (warmUp ? WARM_UP_SECONDS : SECONDS_A_ROUND) * 1000;
    let bytes = 0;
    for (let i = 0; performance.now() < end; i++)
      bytes += writeSync(file, payloads[i % payloads.length] ?? Buffer.alloc(0));
    fdatasyncSync(file);
    return bytes / 1e3 / (performance.now() - start);
  } finally {
    closeSync(file);
    rmSync(path);
  }
}
