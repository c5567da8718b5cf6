// SPDX-License-Identifier: Apache-2.0
import { valueToText } from '../../src/pdata/any-value.ts';
import { getText } from '../../src/pdata/attributes.ts';
import type { Dictionary } from '../../src/pdata/dictionary.ts';
import type { ProfilesBatch } from '../../src/pdata/profiles-batch.ts';
import { listAt } from '../../src/pdata/tables.ts';

/** One function of a stack; a location with inlined functions makes several. */
export interface Frame {
  /** `profile.frame.type`. */
  readonly type: string;
  /** '' without a name. */
  readonly name: string;
  /** Source file, '' without one. */
  readonly file: string;
  readonly line: number;
  /** Path of the mapping; '' without one. */
  readonly mapping: string;
  /** ELF address in it. */
  readonly address: bigint;
  /** True if the function was inlined into the frame before it. */
  readonly inlined: boolean;
}

/** One event. */
export interface Seen {
  /** Root first. */
  readonly frames: readonly Frame[];
  readonly timeNs: bigint;
  /** `thread.id` */
  readonly thread: string;
  /** `process.pid` */
  readonly pid: number;
  /** Of the sample, as text, by key. */
  readonly attributes: ReadonlyMap<string, string>;
  /** `process.executable.path` */
  readonly executable: string;
}

function frameAt(dictionary: Dictionary, location: number): Frame[] {
  const { locations, functions, mappings } = dictionary.tables;
  const type = [...listAt(locations.attributes, location)]
    .filter((row) => dictionary.attributeKey(row) === 'profile.frame.type')
    .map((row) => valueToText(dictionary.attributeValue(row)))
    .join();
  const common = {
    type,
    mapping: dictionary.text(mappings.filename[locations.mapping[location] ?? 0] ?? 0),
    address: locations.address[location] ?? 0n,
  };
  const from = locations.lineStart[location] ?? 0;
  const to = locations.lineStart[location + 1] ?? 0;
  if (from === to) return [{ ...common, name: '', file: '', line: 0, inlined: false }];
  const frames: Frame[] = [];
  for (let i = to - 1; i >= from; i--) {
    const row = locations.lineFunction[i] ?? 0;
    frames.push({
      ...common,
      name: dictionary.text(functions.name[row] ?? 0),
      file: dictionary.text(functions.filename[row] ?? 0),
      line: Number(locations.lineLine[i] ?? 0n),
      inlined: i < to - 1,
    });
  }
  return frames;
}

/** The events of the processes that `wanted` asks for, by pid and name of the executable. */
export function seenOf(batch: ProfilesBatch, wanted: (pid: number, executable: string) => boolean): Seen[] {
  const seen: Seen[] = [];
  const { dictionary } = batch;
  const framesOf = new Map<number, readonly Frame[]>();
  const stackOf = (row: number): readonly Frame[] => {
    let frames = framesOf.get(row);
    if (frames === undefined) {
      const stack = listAt(dictionary.tables.stacks.locations, row);
      frames = [...stack].reverse().flatMap((location) => frameAt(dictionary, location));
      framesOf.set(row, frames);
    }
    return frames;
  };
  for (const { resource, profile } of batch.profiles()) {
    const attributes = resource.resource.attributes;
    const pid = Number(getText(attributes, 'process.pid'));
    if (!wanted(pid, getText(attributes, 'process.executable.name') ?? '')) continue;
    const executable = getText(attributes, 'process.executable.path') ?? '';
    const { samples } = profile;
    for (let i = 0; i < samples.length; i++) {
      const own = new Map(
        [...listAt(samples.attributes, i)].map((row) => [
          dictionary.attributeKey(row),
          valueToText(dictionary.attributeValue(row)),
        ]),
      );
      const from = samples.timestampStart[i] ?? 0;
      const to = samples.timestampStart[i + 1] ?? 0;
      for (const timeNs of samples.timestamps.subarray(from, to))
        seen.push({
          frames: stackOf(samples.stack[i] ?? 0),
          timeNs,
          thread: own.get('thread.id') ?? '',
          pid,
          attributes: own,
          executable,
        });
    }
  }
  return seen;
}
