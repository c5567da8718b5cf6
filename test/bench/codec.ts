// SPDX-License-Identifier: Apache-2.0
import { type Lane, ran, ratesOf, type Side, startOurs, startPeer, withSides } from './lanes.ts';
import { type PayloadSet, payloadSets, SETS } from './payloads.ts';
import { goProgram, protobufjsProgram } from './peers.ts';
import { type Goal, print, type RatioRow, ratioTable } from './report.ts';
import type { Rounds } from './rounds.ts';

const PROTOBUFJS = 'protobufjs static';
const GO = 'Go pdata';

type Sides = Readonly<Record<'ours' | 'plain' | 'protobufjs' | 'go', Side>>;

interface Goals {
  readonly protobufjs?: Goal;
  readonly go?: Goal;
}

const GOALS: Readonly<Record<string, Goals>> = {
  M: { protobufjs: { floor: 8, aim: 15 }, go: { floor: 2, aim: 4 } },
  L: { protobufjs: { floor: 8, aim: 15 } },
};

/** Two rows: one against each peer. */
function rows(
  what: string,
  ours: Rounds | string | undefined,
  protobufjs: Rounds | string,
  go: Rounds | string,
  goals: Goals = {},
): RatioRow[] {
  return [
    { what, ours: ran(ours), theirs: protobufjs, peer: PROTOBUFJS, goal: goals.protobufjs },
    { what: '', ours: ran(ours), theirs: go, peer: GO, goal: goals.go },
  ];
}

async function decodeRows(sides: Sides, set: PayloadSet): Promise<RatioRow[]> {
  const files = set.files.slice(0, 1);
  const lanes: Lane[] = [
    { side: sides.ours, op: 'scan', files },
    { side: sides.ours, op: 'decode', files },
    { side: sides.plain, op: 'scan', files },
    { side: sides.plain, op: 'decode', files },
    { side: sides.protobufjs, op: 'decode', files },
    { side: sides.go, op: 'decode', files },
  ];
  const [scan, decode, plainScan, plain, protobufjs = '', go = ''] = await ratesOf(lanes, set.bytes);
  return [
    ...rows(`${set.name}: decode to columns`, decode, protobufjs, go, GOALS[set.name]),
    ...rows(`${set.name}: validating scan`, scan, protobufjs, go),
    ...rows(`${set.name}: decode to columns, no addon`, plain, protobufjs, go),
    ...rows(`${set.name}: validating scan, no addon`, plainScan, protobufjs, go),
  ];
}

async function editRows(sides: Sides, set: PayloadSet): Promise<RatioRow[]> {
  const files = set.files.slice(0, 1);
  const lanes: Lane[] = [
    { side: sides.ours, op: 'edit a resource', files },
    { side: sides.plain, op: 'edit a resource', files },
    { side: sides.protobufjs, op: 'decode+encode', files },
    { side: sides.go, op: 'decode+encode', files },
  ];
  const [ours, plain, protobufjs = '', go = ''] = await ratesOf(lanes, set.bytes);
  return [
    ...rows(`${set.name}: decode, edit, encode`, ours, protobufjs, go),
    ...rows(`${set.name}: decode, edit, encode, no addon`, plain, protobufjs, go),
  ];
}

/** Decode, and decode with encode, against protobufjs and Go. */
export async function benchCodec(names: readonly string[]): Promise<void> {
  const sides = {
    ...(await startOurs()),
    protobufjs: startPeer(PROTOBUFJS, await protobufjsProgram('peers/protobufjs.ts')),
    go: startPeer(GO, goProgram('measure')),
  };
  await withSides(sides, async () => {
    const all: RatioRow[] = [];
    for (const set of payloadSets(names.length > 0 ? names : SETS)) {
      all.push(...(await decodeRows(sides, set)), ...(await editRows(sides, set)));
    }
    print(`\n### Codec\n\n${ratioTable('MB per CPU-s', all)}`);
  });
}
