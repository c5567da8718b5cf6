// SPDX-License-Identifier: Apache-2.0
import { outputLimit } from '../../../compression/compression.ts';
import { codecsAddon } from '../../../native/codecs-addon.ts';
import type { ProfilesBatch } from '../../../pdata/profiles-batch.ts';
import type { PprofDeferral } from '../defer.ts';
import type { PprofDelta } from './delta.ts';
import { Totals } from './totals.ts';

/** Totals as the addon keeps them; no others can be compared with them. */
class NativeTotals {
  readonly words: BigUint64Array;

  constructor(words: BigUint64Array) {
    this.words = words;
  }

  get sizeBytes(): number {
    return this.words.byteLength + 256;
  }
}

/** What is kept of a file until the next of the same program. */
export type FileTotals = Totals | NativeTotals;

/** What a file says that the one before of the same program did not say. */
export interface FileDelta {
  readonly outcome: PprofDelta['outcome'];
  readonly totals: FileTotals;
  /** pprof, gzipped unless what comes this way is looked into, and the batch of it; undefined where nothing is new. */
  readonly made: { readonly file: Uint8Array; readonly batch: ProfilesBatch } | undefined;
  /** Whether the file itself has no samples. */
  readonly wasEmpty: boolean;
}

/** How files are compared. */
export interface FileDeltaOptions {
  /** Of a file without gzip. */
  readonly maxBytes: number;
  readonly first: 'skip' | 'send';
  /** Makes the batches. */
  readonly deferral: PprofDeferral;
}

const OUTCOMES = [undefined, 'first', 'delta', 'reset'] as const;
const NOTHING = new BigUint64Array(0);

/**
 * `pprofDelta` of files, gzipped or not, by the addon: bytes to bytes, off the event loop, decoded when somebody looks into
 * them. `no totals` where the file holds none; undefined where there is no addon, or the file is not as it should be: then
 * `pprofDelta` says more. Nobody may write to `file` until it settles.
 */
export async function fileDelta(
  file: Uint8Array,
  last: FileTotals | undefined,
  { maxBytes, first, deferral }: FileDeltaOptions,
): Promise<FileDelta | 'no totals' | undefined> {
  const words = last instanceof NativeTotals ? last.words : NOTHING;
  const limit = outputLimit(file, maxBytes);
  // Of what is looked into the gzip would soon be taken off again.
  const gzips = !deferral.wasLookedInto;
  const told = await codecsAddon()?.deltaPprof(file, limit, words, first === 'send', gzips);
  if (told === undefined) return undefined;
  const [numbers, bytes, totals] = told;
  const [code = 0, samplesBefore = 0, profiles = 0, samples = 0, plainBytes = 0] = numbers;
  const outcome = OUTCOMES[code];
  if (outcome === undefined) return 'no totals';
  const batch = deferral.ofSound(bytes, { profiles, samples, plainBytes });
  return {
    outcome,
    totals: new NativeTotals(totals),
    made: samples === 0 ? undefined : { file: bytes, batch },
    wasEmpty: samplesBefore === 0,
  };
}

/** Those that `pprofDelta` can compare with. */
export const decodedTotals = (totals: FileTotals | undefined): Totals | undefined =>
  totals instanceof Totals ? totals : undefined;
