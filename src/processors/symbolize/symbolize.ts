// SPDX-License-Identifier: Apache-2.0
import { setImmediate as turn } from 'node:timers/promises';
import type { SymbolFile } from '../../native/addon.ts';
import { valueToText } from '../../pdata/any-value.ts';
import type { Dictionary } from '../../pdata/dictionary.ts';
import { type LocationFrame, withLocationFrames } from '../../pdata/location-frames.ts';
import type { ProfilesBatch } from '../../pdata/profiles-batch.ts';
import { listAt } from '../../pdata/tables.ts';
import { type FileIdentity, identityOf } from './build-id.ts';

/** What the profiling receiver calls functions of stripped files that have no name: file and start. */
const PLACEHOLDER = /\+0x[0-9a-f]+$/;
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

function namelessByMapping(dictionary: Dictionary): Iterable<Nameless> {
  const { length, mapping, address } = dictionary.tables.locations;
  const found = new Map<number, Nameless>();
  for (let row = 1; row < length; row++) {
    if (address[row] === 0n || !isNameless(dictionary, row)) continue;
    const of = mapping[row] ?? 0;
    const known = found.get(of);
    if (known === undefined) found.set(of, { mapping: of, rows: [row] });
    else known.rows.push(row);
  }
  return found.values();
}

/** Whether a location has no line, or one that says no more than its file and an address. */
function isNameless(dictionary: Dictionary, row: number): boolean {
  const { locations, functions, mappings } = dictionary.tables;
  const from = locations.lineStart[row] ?? 0;
  const count = (locations.lineStart[row + 1] ?? 0) - from;
  if (count !== 1) return count === 0;
  const fn = locations.lineFunction[from] ?? 0;
  if (locations.lineLine[from] !== 0n || functions.filename[fn] !== 0 || functions.systemName[fn] !== 0)
    return false;
  const name = dictionary.text(functions.name[fn] ?? 0);
  if (!PLACEHOLDER.test(name)) return false;
  const file = dictionary.text(mappings.filename[locations.mapping[row] ?? 0] ?? 0);
  return name.slice(0, name.lastIndexOf('+')) === file.slice(file.lastIndexOf('/') + 1);
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
    const addresses = BigUint64Array.from(part, (row) => address[row] ?? 0n);
    const { counts, numbers, texts } = file.lookup(addresses, place);
    const text = texts.split('\0');
    let frame = 0;
    for (const [i, row] of part.entries()) {
      const frames: LocationFrame[] = [];
      for (const end = frame + (counts[i] ?? 0); frame < end; frame++) {
        const [name = '', systemName = '', source = ''] = text.slice(3 * frame, 3 * frame + 3);
        const [line = 0, column = 0, startLine = 0] = numbers.subarray(3 * frame, 3 * frame + 3);
        frames.push({ name, systemName, file: source, line, column, startLine });
      }
      if (frames.length > 0) out.set(row, frames);
    }
  }
}
