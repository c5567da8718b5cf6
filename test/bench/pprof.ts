// SPDX-License-Identifier: Apache-2.0
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Lane, ran, ratesOf, startOurs, startPeer, withSides } from './lanes.ts';
import { CACHE } from './payloads.ts';
import { goProgram, pprofFormatProgram } from './peers.ts';
import { makePprof, PPROF_SIZES } from './pprof-payload.ts';
import { type Goal, print, type RatioRow, ratioTable } from './report.ts';

const PPROF_FORMAT = 'pprof-format';
const GO = 'google/pprof';
const DECODE: Goal = { floor: 8, aim: 20 };
const CHAIN: Goal = { floor: 2, aim: 5 };

/** pprof without gzip: decode and encode, and the chain decode two, merge, encode. */
export async function benchPprof(names: readonly string[]): Promise<void> {
  const sides = {
    ...(await startOurs()),
    format: startPeer(PPROF_FORMAT, await pprofFormatProgram('peers/pprof-format.ts')),
    go: startPeer(GO, goProgram('measure')),
  };
  await withSides(sides, async ({ ours, format, go }) => {
    const wanted = names.length > 0 ? names : ['M'];
    const rows: RatioRow[] = [];
    for (const size of PPROF_SIZES.filter(({ name }) => wanted.includes(name))) {
      const files = [1, 2].map((seed) => join(CACHE, `${size.name}-${seed}.pb`));
      const contents = files.map((_, i) => makePprof(size, i + 1));
      files.forEach((file, i) => writeFileSync(file, contents[i] ?? new Uint8Array(0)));
      const bytes = contents[0]?.length ?? 0;
      const lane = (side: Lane['side'], op: string): Lane => ({ side, op, files });
      const [decode, decode2 = '', decode3 = ''] = await ratesOf(
        [ours, format, go].map((side) => lane(side, 'pprof decode')),
        bytes,
      );
      const [encode, encode2 = '', encode3 = ''] = await ratesOf(
        [ours, format, go].map((side) => lane(side, 'pprof encode')),
        bytes,
      );
      const [chain, chain2 = ''] = await ratesOf(
        [ours, go].map((side) => lane(side, 'pprof chain')),
        bytes * 2,
      );
      const { name } = size;
      rows.push(
        { what: `${name}: decode`, ours: ran(decode), theirs: decode2, peer: PPROF_FORMAT, goal: DECODE },
        { what: '', ours: ran(decode), theirs: decode3, peer: GO },
        { what: `${name}: encode`, ours: ran(encode), theirs: encode2, peer: PPROF_FORMAT },
        { what: '', ours: ran(encode), theirs: encode3, peer: GO },
        {
          what: `${name}: decode two, merge, encode`,
          ours: ran(chain),
          theirs: chain2,
          peer: GO,
          goal: CHAIN,
        },
      );
    }
    print(`\n### pprof\n\n${ratioTable('MB per CPU-s', rows)}`);
  });
}
