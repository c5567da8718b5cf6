// SPDX-License-Identifier: Apache-2.0
import { readFileSync } from 'node:fs';
import { gzipSync } from 'node:zlib';
import { otlpRequestType, plainOtlp } from '../../src/internal/testing/otlp-proto.ts';
import { type PayloadSet, payloadSets, SETS } from './payloads.ts';
import { goProgram, protobufjsProgram } from './peers.ts';
import { ATTRIBUTE, RelayProcess, startOurs, startPeer } from './relay-process.ts';
import { type Goal, print, type RatioRow, ratioTable, table, verdict } from './report.ts';
import { interleave, Rounds, short } from './rounds.ts';
import { frame, Load, Sink } from './wire.ts';

const ROUNDS = 5;
const SECONDS_A_ROUND = 1.2;
const WARM_UP_SECONDS = 2;
const IN_FLIGHT = 4;
const NAMES = ['ours', 'grpc-js + protobufjs static', 'Go pdata + grpc-go'] as const;
const UNIT = 'MB per CPU-s';
/** Against grpc-js and against Go. */
const RSS_GOALS: readonly Goal[] = [
  { floor: 0.5, aim: 0.25, atMost: true },
  { floor: 2, aim: 1.3, atMost: true },
];

interface Lane {
  readonly name: string;
  readonly relay: RelayProcess | string;
  readonly rates: Rounds;
  readonly wall: Rounds;
  /** Bytes that the sink got for each byte before compression. */
  readonly sent: Rounds;
  readonly peakRssMb: number;
}

/** Ours, grpc-js, Go: started afresh, checked, loaded in turn, stopped. Rates are in bytes before compression. */
async function runRelays(set: PayloadSet, gzip: boolean): Promise<Lane[]> {
  const sink = await Sink.listen();
  const options = { to: sink.port, gzip };
  const relays = [
    await startOurs({ name: NAMES[0], ...options }),
    await startPeer(await protobufjsProgram('peers/relay-grpc-js.ts'), {
      name: NAMES[1],
      ...options,
    }),
    await startPeer(goProgram('relay'), { name: NAMES[2], ...options }),
  ];
  const running = relays.filter((relay) => relay instanceof RelayProcess);
  try {
    const frames = framesOf(set, gzip);
    const loads = await Promise.all(running.map(({ port }) => Load.connect(port, gzip)));
    for (const [i, relay] of running.entries()) await check(relay, loads[i], sink, frames[0], set);
    const wall = running.map((): number[] => []);
    const sent = running.map((): number[] => []);
    const rates = await interleave(
      ROUNDS,
      running.map((relay, i) => async (warmUp) => {
        const before = relay.cpuSeconds();
        const receivedBefore = sink.receivedBytes;
        const { requests, seconds, failure } = await theLoad(loads[i]).saturate(
          frames,
          IN_FLIGHT,
          warmUp ? WARM_UP_SECONDS : SECONDS_A_ROUND,
        );
        if (failure !== undefined) throw new Error(`${relay.name} answered ${failure}`);
        const megabytes = (requests * set.bytes) / 1e6;
        wall[i]?.push(megabytes / seconds);
        sent[i]?.push((sink.receivedBytes - receivedBefore) / 1e6 / megabytes);
        return megabytes / (relay.cpuSeconds() - before);
      }),
    );
    const lanes = relays.map((relay, i): Lane => {
      const at = running.findIndex((r) => r === relay);
      return {
        name: NAMES[i] ?? '',
        relay,
        rates: rates[at] ?? new Rounds([]),
        wall: new Rounds(wall[at]?.slice(1) ?? []),
        sent: new Rounds(sent[at] ?? []),
        peakRssMb: typeof relay === 'string' ? Number.NaN : relay.peakRssMb(),
      };
    });
    for (const load of loads) load.close();
    return lanes;
  } finally {
    await Promise.all(running.map((relay) => relay.stop()));
    sink.close();
  }
}

export function framesOf(set: PayloadSet, gzip: boolean): Buffer[] {
  return set.files.map((file) => {
    const bytes = readFileSync(file);
    return frame(gzip ? gzipSync(bytes) : bytes, gzip);
  });
}

function theLoad(load: Load | undefined): Load {
  if (load === undefined) throw new Error('a relay has no load');
  return load;
}

/** One request through the relay: it must arrive whole, with the attribute on every resource. */
async function check(
  relay: RelayProcess,
  load: Load | undefined,
  sink: Sink,
  framed: Buffer | undefined,
  set: PayloadSet,
): Promise<void> {
  if (framed === undefined) throw new Error('no frame to send');
  const arriving = sink.next();
  const failure = await theLoad(load).send(framed);
  if (failure !== undefined) throw new Error(`${relay.name} answered ${failure}`);
  const type = otlpRequestType();
  const [sent = ''] = set.files;
  const got = shapeOf(plainOtlp(type, await arriving));
  const wanted = shapeOf(plainOtlp(type, readFileSync(sent)));
  if (
    got.marked !== wanted.resources ||
    got.resources !== wanted.resources ||
    got.samples !== wanted.samples
  ) {
    throw new Error(`${relay.name} relayed ${JSON.stringify(got)} of ${JSON.stringify(wanted)}`);
  }
}

interface Attribute {
  readonly key: string;
  readonly keyStrindex?: number;
  readonly value: { readonly stringValue?: string; readonly stringValueStrindex?: number };
}

/** The part of a decoded request that is compared. */
interface PlainRequest {
  readonly dictionary: { readonly stringTable: readonly string[] };
  readonly resourceProfiles: readonly {
    readonly resource: { readonly attributes: readonly Attribute[] };
    readonly scopeProfiles: readonly {
      readonly profiles: readonly { readonly samples: readonly unknown[] }[];
    }[];
  }[];
}

/** How many resources and samples a request has, and resources with the attribute, told apart by text or by reference. */
function shapeOf(plain: Record<string, unknown>): { resources: number; samples: number; marked: number } {
  const { dictionary, resourceProfiles } = plain as object as PlainRequest;
  const strings = dictionary.stringTable;
  const text = (direct: string | undefined, row: number | undefined): string | undefined =>
    direct !== undefined && direct !== '' ? direct : strings[row ?? 0];
  const marks = (a: Attribute): boolean =>
    text(a.key, a.keyStrindex) === ATTRIBUTE.key &&
    text(a.value.stringValue, a.value.stringValueStrindex) === ATTRIBUTE.value;
  return {
    resources: resourceProfiles.length,
    samples: resourceProfiles
      .flatMap((rp) => rp.scopeProfiles.flatMap((sp) => sp.profiles))
      .reduce((sum, profile) => sum + profile.samples.length, 0),
    marked: resourceProfiles.filter((rp) => rp.resource.attributes.some(marks)).length,
  };
}

interface RelayGoals {
  readonly grpcJs?: Goal;
  readonly go?: Goal;
}

function rowsOf(set: PayloadSet, [ours, ...peers]: readonly Lane[], goals: RelayGoals): RatioRow[] {
  if (ours === undefined) return [];
  return peers.map(({ relay, name, rates }, i) => ({
    what: i === 0 ? set.name : '',
    ours: ours.rates,
    theirs: typeof relay === 'string' ? relay : rates,
    peer: name,
    goal: i === 0 ? goals.grpcJs : goals.go,
  }));
}

function resourceRows(set: PayloadSet, lanes: readonly Lane[]): string[][] {
  return lanes.map(({ name, relay, wall, sent, peakRssMb }) => [
    set.name,
    typeof relay === 'string' ? `${name}: ${relay}` : name,
    wall.toString(),
    short(sent.median),
    short(peakRssMb),
  ]);
}

const WALL_HEAD = ['', 'relay', 'wall, MB/s', 'bytes out ÷ raw bytes', 'peak RSS, MB'];
const TITLE = `receive, validate, one more resource attribute, send; ${IN_FLIGHT} in flight`;

/** The relay without compression, and its peak memory. */
export async function benchRelay(names: readonly string[]): Promise<void> {
  const rows: RatioRow[] = [];
  const rss: string[][] = [];
  const resources: string[][] = [];
  for (const set of payloadSets(names.length > 0 ? names : SETS)) {
    const lanes = await runRelays(set, false);
    const goals: RelayGoals =
      set.name === 'M' ? { grpcJs: { floor: 5, aim: 10 }, go: { floor: 2, aim: 4 } } : {};
    rows.push(...rowsOf(set, lanes, goals));
    resources.push(...resourceRows(set, lanes));
    rss.push(...rssRows(set, lanes));
  }
  print(`\n### Relay: ${TITLE}\n\n${ratioTable(UNIT, rows)}\n\n${table(WALL_HEAD, resources)}`);
  printRss(rss);
}

/** The relay with gzip on both sides at the level that both take by default, 6. */
export async function benchGzip(names: readonly string[]): Promise<void> {
  const rows: RatioRow[] = [];
  const resources: string[][] = [];
  for (const set of payloadSets(names.length > 0 ? names : ['M', 'recorded'])) {
    const lanes = await runRelays(set, true);
    rows.push(...rowsOf(set, lanes, set.name === 'M' ? { go: { floor: 2, aim: 4 } } : {}));
    resources.push(...resourceRows(set, lanes));
  }
  print(`\n### Relay, gzip in and gzip out, level 6: ${TITLE}\n\n${ratioTable(`raw ${UNIT}`, rows)}`);
  print(`\n${table(WALL_HEAD, resources)}`);
}

function rssRows(set: PayloadSet, [ours, ...peers]: readonly Lane[]): string[][] {
  return peers.map(({ relay, name, peakRssMb }, i) => {
    const ratio = (ours?.peakRssMb ?? Number.NaN) / peakRssMb;
    const goal = set.name === 'M' ? RSS_GOALS[i] : undefined;
    return [
      set.name,
      short(ours?.peakRssMb),
      typeof relay === 'string' ? `${name}: ${relay}` : name,
      short(peakRssMb),
      short(ratio),
      goal === undefined ? '' : `≤ ${goal.floor} · ≤ ${goal.aim}`,
      goal === undefined ? '' : verdict(ratio, goal),
    ];
  });
}

function printRss(rows: readonly string[][]): void {
  const head = ['', 'ours, MB', 'peer', 'peer, MB', 'ratio', 'floor · aim', 'reached'];
  print(`\n### Peak RSS (VmHWM) of a relay, ${IN_FLIGHT} in flight\n\n${table(head, rows)}`);
}

/** Peak memory alone; `benchRelay` tells it too. */
export async function benchRss(names: readonly string[]): Promise<void> {
  const rows: string[][] = [];
  for (const set of payloadSets(names.length > 0 ? names : ['M'])) {
    rows.push(...rssRows(set, await runRelays(set, false)));
  }
  printRss(rows);
}
