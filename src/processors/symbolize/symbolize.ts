// SPDX-License-Identifier: Apache-2.0
import { setImmediate as turn } from 'node:timers/promises';
import type { SymbolFile } from '../../native/addon.ts';
import { valueToText } from '../../pdata/any-value.ts';
import type { Dictionary } from '../../pdata/dictionary.ts';
import { type LocationFrame, withLocationFrames } from '../../pdata/location-frames.ts';
import type { ProfilesBatch } from '../../pdata/profiles-batch.ts';
import { listAt } from '../../pdata/tables.ts';
import { type FileIdentity, identityOf } from './build-id.ts';

/** Addresses that are looked up before others get the event loop. */
const ADDRESSES_A_TURN = 512;

/** What became of locations without a name. */
export type Outcome = 'named' | 'unknown_address' | 'no_file' | 'pending' | 'no_build_id';

/** Locations of one mapping that have an address and no name. */
interface Nameless {
  readonly mapping: number;
  readonly rows: number[];
}

/**
 * Gives names to the locations that have none, from the files that `find` knows. Batches where it finds none come
 * back as they are. `count` is told of every location without a name.
 */
export async function symbolize(
  batch: ProfilesBatch,
  find: (identity: FileIdentity) => Promise<SymbolFile | 'none' | 'pending'>,
  count: (outcome: Outcome, locations: number) => void,
): Promise<ProfilesBatch> {
  const { dictionary } = batch;
  const frames = new Map<number, readonly LocationFrame[]>();
  for (const { mapping, rows } of namelessByMapping(dictionary)) {
    const identity = mapping === 0 ? undefined : identityOfMapping(dictionary, mapping);
    if (identity === undefined) {
      count('no_build_id', rows.length);
      continue;
    }
    const found = await find(identity);
    if (typeof found === 'string') {
      count(found === 'pending' ? 'pending' : 'no_file', rows.length);
      continue;
    }
    const before = frames.size;
    await lookUp(dictionary, mapping, rows, found, frames);
    count('named', frames.size - before);
    count('unknown_address', rows.length - (frames.size - before));
  }
  return withLocationFrames(batch, frames);
}

function namelessByMapping({ tables: { locations } }: Dictionary): Iterable<Nameless> {
  const { length, mapping, address, lineStart } = locations;
  const found = new Map<number, Nameless>();
  for (let row = 1; row < length; row++) {
    if (lineStart[row] !== lineStart[row + 1] || address[row] === 0n) continue;
    const of = mapping[row] ?? 0;
    const known = found.get(of);
    if (known === undefined) found.set(of, { mapping: of, rows: [row] });
    else known.rows.push(row);
  }
  return found.values();
}

function identityOfMapping(dictionary: Dictionary, mapping: number): FileIdentity | undefined {
  const { mappings } = dictionary.tables;
  const attributes = new Map<string, string>();
  for (const row of listAt(mappings.attributes, mapping)) {
    attributes.set(dictionary.attributeKey(row), valueToText(dictionary.attributeValue(row)));
  }
  return identityOf(attributes, dictionary.text(mappings.filename[mapping] ?? 0));
}

async function lookUp(
  { tables: { locations, mappings } }: Dictionary,
  mapping: number,
  rows: readonly number[],
  file: SymbolFile,
  out: Map<number, readonly LocationFrame[]>,
): Promise<void> {
  const { memoryStart, memoryLimit, fileOffset } = mappings;
  const { address } = locations;
  const place = BigUint64Array.of(
    memoryStart[mapping] ?? 0n,
    memoryLimit[mapping] ?? 0n,
    fileOffset[mapping] ?? 0n,
  );
  for (let at = 0; at < rows.length; at += ADDRESSES_A_TURN) {
    if (at > 0) await turn();
    const part = rows.slice(at, at + ADDRESSES_A_TURN);
    const found = file.lookup(
      BigUint64Array.from(part, (row) => address[row] ?? 0n),
      place,
    );
    for (const [i, row] of part.entries()) {
      const frames = found[i] ?? [];
      if (frames.length > 0) out.set(row, frames);
    }
  }
}
