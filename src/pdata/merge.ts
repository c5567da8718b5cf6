// SPDX-License-Identifier: Apache-2.0
import { DictionaryBuilder } from './dictionary-builder.ts';
import type { Dictionary } from './dictionary.ts';
import { ProfilesBatch, type ResourceProfiles } from './profiles-batch.ts';
import { Remapper } from './remap.ts';

/** Room that is made ahead for the rows of other dictionaries, as a multiple of the largest. */
const MAX_GROWTH = 4;

/**
 * One batch with everything the given ones have, in their order, under one dictionary. Linear.
 *
 * The largest dictionary is built upon: its rows keep their indices, so the profiles under it are shared
 * as they are, encoded forms included. Of the others comes what is referenced and not there already.
 * Where the largest is not orderly (equal rows, a zero row that is not zero), all are copied. Unknown
 * fields of the other dictionaries are left behind, for nobody knows which rows they mean.
 */
export function mergeBatches(batches: readonly ProfilesBatch[]): ProfilesBatch {
  const [first] = batches;
  if (first === undefined) return new ProfilesBatch(new DictionaryBuilder().build(), []);
  if (batches.length === 1) return first;
  const largest = batches.reduce((a, b) => (rowsOf(b.dictionary) > rowsOf(a.dictionary) ? b : a)).dictionary;
  const unknown = Buffer.concat(batches.map((batch) => batch.unknown));
  if (batches.every((batch) => batch.dictionary === largest)) {
    return new ProfilesBatch(
      largest,
      batches.flatMap((batch) => batch.resources),
      unknown,
    );
  }
  const dictionaries = [...new Set(batches.map((batch) => batch.dictionary))];
  const rows = dictionaries.reduce((sum, dictionary) => sum + rowsOf(dictionary), 0);
  const growth = Math.min(rows / Math.max(rowsOf(largest), 1), MAX_GROWTH);
  let builder = new DictionaryBuilder(largest, { growth });
  const base = builder.isOrderly() ? largest : undefined;
  if (base === undefined) builder = new DictionaryBuilder();
  const remappers = new Map<Dictionary, Remapper>();
  const resources: ResourceProfiles[] = [];
  for (const { dictionary, resources: own } of batches) {
    if (dictionary === base) {
      for (const rp of own) resources.push(rp);
      continue;
    }
    const remap = remappers.get(dictionary) ?? new Remapper(dictionary, builder);
    remappers.set(dictionary, remap);
    for (const rp of own) resources.push(remap.resourceProfiles(rp));
  }
  return new ProfilesBatch(builder.build(), resources, unknown);
}

function rowsOf({ tables: t }: Dictionary): number {
  return t.strings.length + t.functions.length + t.locations.length + t.stacks.length + t.attributes.length;
}
