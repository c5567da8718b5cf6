// SPDX-License-Identifier: Apache-2.0
import { mergeBatches } from '../../pdata/merge.ts';
import type { ProfilesBatch } from '../../pdata/profiles-batch.ts';
import { splitBatch } from '../../pdata/split.ts';
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

/** All pieces as one, cut into parts of at most `maxSamples` (0: not cut), each full but the last. */
export function repack(pieces: readonly Piece[], maxSamples: number): Piece[] {
  if (maxSamples === 0) return [joined(pieces)];
  const parts: Piece[] = [];
  let group: Piece[] = [];
  let room = maxSamples;
  const close = (): void => {
    parts.push(joined(group));
    group = [];
    room = maxSamples;
  };
  for (const piece of pieces) {
    if (room === 0) close();
    for (const part of cut(piece, room, maxSamples)) {
      if (part.batch.sampleCount > room) close();
      group.push(part);
      room -= part.batch.sampleCount;
    }
  }
  if (group.length > 0) close();
  return parts;
}

function joined(pieces: readonly Piece[]): Piece {
  return {
    batch: mergeBatches(pieces.map((piece) => piece.batch)),
    runs: pieces.flatMap((piece) => piece.runs),
  };
}

/** The piece in parts: the first fills up `room`, the others are of at most `maxSamples`. */
function cut(piece: Piece, room: number, maxSamples: number): Piece[] {
  const cursor = { run: 0, used: 0 };
  return splitBatch(piece.batch, maxSamples, room).map((batch) => ({
    batch,
    runs: batch === piece.batch ? piece.runs : take(piece.runs, cursor, batch.sampleCount),
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
