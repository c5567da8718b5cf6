// SPDX-License-Identifier: Apache-2.0
import { type DecompressLimits, gunzipNow, outputLimit } from '../../compression/compression.ts';
import { WireReader } from '../../internal/wire-reader.ts';
import { codecsAddon } from '../../native/codecs-addon.ts';
import { ProfilesBatch } from '../../pdata/profiles-batch.ts';
import { MemoryBudget } from './budget.ts';
import { decodePprof, FORMAT, isGzip } from './decode.ts';
import { decodePprofAsOtlp } from './decode-as-otlp.ts';
import { Field, scanLayout } from './scan.ts';

/** A file that was looked over without being kept in memory. */
export interface LookedOver {
  readonly batch: ProfilesBatch;
  /** Bytes without gzip. */
  readonly plainBytes: number;
}

/** How much a file says. */
export interface PprofSize {
  readonly profiles: number;
  readonly samples: number;
  /** Bytes without gzip. */
  readonly plainBytes: number;
}

/**
 * Makes batches of pprof files that are decoded when somebody looks into them; one for each way into a pipeline. As
 * long as nobody has looked into any, files are inflated into memory that is used again at once.
 */
export class PprofDeferral {
  #wasLookedInto = false;

  /**
   * The batch of a gzipped file, which was inflated to its end and walked over, as `deferPprof` does. Undefined where
   * it has to be inflated to be kept: it is not as it should be, or what comes this way is looked into.
   */
  async lookOver(file: Uint8Array, maxBytes: number): Promise<LookedOver | undefined> {
    if (this.#wasLookedInto || !isGzip(file)) return undefined;
    const counts = await codecsAddon()?.countPprof(file, outputLimit(file, maxBytes));
    if (counts === undefined) return undefined;
    const [profiles = 0, samples = 0, strings = 0, plainBytes = 0] = counts;
    if (strings === 0) return undefined;
    return { batch: this.ofSound(file, { profiles, samples, plainBytes }), plainBytes };
  }

  /** The batch of a file, gzipped or not, that was looked over elsewhere. `samples`: of each profile. */
  ofSound(file: Uint8Array, { profiles, samples, plainBytes }: PprofSize): ProfilesBatch {
    const limits = { maxBytes: Math.max(1, plainBytes) };
    return new ProfilesBatch({
      counts: { profiles, samples: profiles * samples, events: profiles * samples },
      heldBytes: file.length,
      make: (forOtlp) => {
        this.#wasLookedInto = true;
        return decoded(isGzip(file) ? gunzipNow(file, limits) : file, limits, forOtlp);
      },
    });
  }

  /** Whether somebody has looked into a file that came this way. */
  get wasLookedInto(): boolean {
    return this.#wasLookedInto;
  }

  /** `deferPprof`. */
  defer(file: Uint8Array, inflated: Uint8Array): ProfilesBatch {
    return deferPprof(file, inflated, () => (this.#wasLookedInto = true));
  }
}

/**
 * A pprof file as a batch that is decoded when somebody looks into it: `file` as it came, gzipped or not, and
 * `inflated` without gzip (the same object where it had none). The fields of its top level are walked over at once,
 * which refuses whatever is no pprof, and counts samples; what refers to what is checked with the decoding.
 * Throws DecodeError, as whoever looks into the batch of a file that breaks a rule of the format may get one.
 */
export function deferPprof(file: Uint8Array, inflated: Uint8Array, onLook?: () => void): ProfilesBatch {
  const reader = new WireReader(inflated, FORMAT);
  const { regions } = scanLayout(reader, new MemoryBudget(inflated.length));
  if ((regions[Field.string]?.count ?? 0) === 0) reader.fail('no string table');
  const profiles = regions[Field.sampleType]?.count ?? 0;
  const samples = profiles * (regions[Field.sample]?.count ?? 0);
  // What waits in a queue costs its compressed size alone; what is used at once is not inflated again.
  const held = file === inflated ? undefined : new WeakRef(inflated);
  const limits = { maxBytes: Math.max(1, inflated.length) };
  return new ProfilesBatch({
    counts: { profiles, samples, events: samples },
    heldBytes: file.length,
    make(forOtlp) {
      onLook?.();
      return decoded(held === undefined ? file : (held.deref() ?? gunzipNow(file, limits)), limits, forOtlp);
    },
  });
}

/** Throws DecodeError. */
function decoded(plain: Uint8Array, limits: DecompressLimits, forOtlp: boolean): ProfilesBatch {
  return forOtlp ? decodePprofAsOtlp(plain, limits) : decodePprof(plain, limits);
}
