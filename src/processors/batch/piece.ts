// SPDX-License-Identifier: Apache-2.0
import { mergeBatches, splitBatch } from '../../pdata/merge.ts';
import type { ProfilesBatch } from '../../pdata/profiles-batch.ts';
import type { Share } from './share.ts';

/** Samples in a row that belong to one share. */
interface Run {
  readonly share: Share;
  readonly samples: number;
}

/** A batch and whose samples it holds, in the order in which it holds them. */
export interface Piece {
  readonly batch: ProfilesBatch;
  readonly runs: readonly Run[];
}

/** All pieces as one, cut into parts of at most `maxSamples` (0: not cut). */
export function repack(pieces: readonly Piece[], maxSamples: number): Piece[] {
  const merged = mergeBatches(pieces.map((piece) => piece.batch));
  const runs = pieces.flatMap((piece) => piece.runs);
  if (maxSamples === 0 || merged.sampleCount <= maxSamples) return [{ batch: merged, runs }];
  const cursor = { run: 0, used: 0 };
  return splitBatch(merged, maxSamples).map((batch) => ({
    batch,
    runs: take(runs, cursor, batch.sampleCount),
  }));
}

/** The next `samples` samples of the runs; moves the cursor on. */
function take(runs: readonly Run[], cursor: { run: number; used: number }, samples: number): Run[] {
  const taken: Run[] = [];
  for (let left = samples; left > 0; ) {
    const run = runs[cursor.run];
    if (run === undefined) throw new Error('a split gave more samples than went in');
    const n = Math.min(left, run.samples - cursor.used);
    taken.push({ share: run.share, samples: n });
    left -= n;
    cursor.used += n;
    if (cursor.used === run.samples) {
      cursor.run++;
      cursor.used = 0;
    }
  }
  return taken;
}
