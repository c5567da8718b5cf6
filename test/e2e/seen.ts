// SPDX-License-Identifier: Apache-2.0
import { valueToText } from '../../src/pdata/any-value.ts';
import { getText } from '../../src/pdata/attributes.ts';
import type { Dictionary } from '../../src/pdata/dictionary.ts';
import type { ProfilesBatch } from '../../src/pdata/profiles-batch.ts';
import { listAt } from '../../src/pdata/tables.ts';

/** A source-level frame. */
export interface Frame {
  readonly type: string;
  /** '' without a name. */
  readonly name: string;
  readonly file: string;
  readonly line: number;
}

/** One event: root first. */
export interface Seen {
  readonly frames: readonly Frame[];
  readonly timeNs: bigint;
  readonly thread: string;
  /** Of the sample, as text, by key. */
  readonly attributes: ReadonlyMap<string, string>;
}

function frameAt(dictionary: Dictionary, location: number): Frame[] {
  const { locations, functions } = dictionary.tables;
  const types = [...listAt(locations.attributes, location)]
    .filter((row) => dictionary.attributeKey(row) === 'profile.frame.type')
    .map((row) => valueToText(dictionary.attributeValue(row)));
  const type = types.join();
  const from = locations.lineStart[location] ?? 0;
  const to = locations.lineStart[location + 1] ?? 0;
  if (from === to) return [{ type, name: '', file: '', line: 0 }];
  const frames: Frame[] = [];
  for (let i = to - 1; i >= from; i--) {
    const row = locations.lineFunction[i] ?? 0;
    frames.push({
      type,
      name: dictionary.text(functions.name[row] ?? 0),
      file: dictionary.text(functions.filename[row] ?? 0),
      line: Number(locations.lineLine[i] ?? 0n),
    });
  }
  return frames;
}

/** The events of some processes. */
export function seenOf(batch: ProfilesBatch, pids: ReadonlySet<number>): Seen[] {
  const seen: Seen[] = [];
  const { dictionary } = batch;
  for (const { resource, profile } of batch.profiles()) {
    if (!pids.has(Number(getText(resource.resource.attributes, 'process.pid')))) continue;
    const { samples } = profile;
    for (let i = 0; i < samples.length; i++) {
      const stack = listAt(dictionary.tables.stacks.locations, samples.stack[i] ?? 0);
      const frames = [...stack].reverse().flatMap((location) => frameAt(dictionary, location));
      const attributes = new Map(
        [...listAt(samples.attributes, i)].map((row) => [
          dictionary.attributeKey(row),
          valueToText(dictionary.attributeValue(row)),
        ]),
      );
      const thread = attributes.get('thread.id') ?? '';
      const from = samples.timestampStart[i] ?? 0;
      const to = samples.timestampStart[i + 1] ?? 0;
      for (const timeNs of samples.timestamps.subarray(from, to))
        seen.push({ frames, timeNs, thread, attributes });
    }
  }
  return seen;
}
