// SPDX-License-Identifier: Apache-2.0
import { DictionaryBuilder } from './dictionary-builder.ts';
import { Dictionary } from './dictionary.ts';
import { ProfilesBatch } from './profiles-batch.ts';
import type { LocationTable } from './tables.ts';

/** A function at an address; what is not known is "" or 0. */
export interface LocationFrame {
  readonly name: string;
  readonly systemName: string;
  readonly file: string;
  readonly line: number;
  readonly column: number;
  readonly startLine: number;
}

/**
 * Gives locations their lines, in place of those that they have; `frames` is by location row, innermost frame
 * first. All rows keep their indices, so everything but the tables of strings, functions and locations is shared,
 * encoded forms included. The same batch where `frames` is empty.
 */
export function withLocationFrames(
  batch: ProfilesBatch,
  frames: ReadonlyMap<number, readonly LocationFrame[]>,
): ProfilesBatch {
  if (frames.size === 0) return batch;
  const builder = new DictionaryBuilder(batch.dictionary);
  const locations = withLines(batch.dictionary.tables.locations, frames, (frame) =>
    builder.function(
      builder.string(frame.name),
      builder.string(frame.systemName),
      builder.string(frame.file),
      BigInt(frame.startLine),
    ),
  );
  const { tables, unknown } = builder.build();
  return new ProfilesBatch(new Dictionary({ ...tables, locations }, unknown), batch.resources, batch.unknown);
}

function withLines(
  t: LocationTable,
  frames: ReadonlyMap<number, readonly LocationFrame[]>,
  functionOf: (frame: LocationFrame) => number,
): LocationTable {
  const { length, mapping, address, attributes, lineStart: start } = t;
  const before = { function: t.lineFunction, line: t.lineLine, column: t.lineColumn };
  let lines = before.function.length;
  for (const [row, of] of frames) {
    if (!(row > 0 && row < length))
      throw new RangeError(`location index ${row} is out of range [1..${length})`);
    lines += of.length - ((start[row + 1] as number) - (start[row] as number));
  }
  const lineStart = new Uint32Array(length + 1);
  const lineFunction = new Int32Array(lines);
  const lineLine = new BigInt64Array(lines);
  const lineColumn = new BigInt64Array(lines);
  let at = 0;
  for (let row = 0; row < length; row++) {
    const from = start[row] as number;
    const to = start[row + 1] as number;
    const of = frames.get(row);
    if (of === undefined) {
      lineFunction.set(before.function.subarray(from, to), at);
      lineLine.set(before.line.subarray(from, to), at);
      lineColumn.set(before.column.subarray(from, to), at);
      at += to - from;
    } else {
      for (const frame of of) {
        lineFunction[at] = functionOf(frame);
        lineLine[at] = BigInt(frame.line);
        lineColumn[at++] = BigInt(frame.column);
      }
    }
    lineStart[row + 1] = at;
  }
  return { length, mapping, address, attributes, lineStart, lineFunction, lineLine, lineColumn };
}
