// SPDX-License-Identifier: Apache-2.0
import { decodePprof, isGzip } from '../../codecs/pprof/decode.ts';
import type { PprofDeferral } from '../../codecs/pprof/defer.ts';
import { CompressionError, decompress } from '../../compression/compression.ts';
import type { Hold } from '../../internal/in-flight.ts';
import type { ProfilesBatch } from '../../pdata/profiles-batch.ts';
import { Refusal } from './refusal.ts';

/** What the profiles of one request may take. */
interface ReaderLimits {
  /** Bytes of all of them, decompressed. */
  readonly maxBytes: number;
  /** Sample records of each. */
  readonly maxSamples: number;
  /** Where the memory is accounted. */
  readonly hold: Hold;
  readonly deferral: PprofDeferral;
  /** Gives what is to be thrown where there is no room. */
  readonly busy: (hold: Hold) => Error;
  /** Aborted when nobody waits for the answer any more. */
  readonly signal: AbortSignal;
}

/** Reads the profiles of one request, all of them within its limits. */
export class ProfileReader {
  readonly #limits: ReaderLimits;
  #leftBytes: number;

  constructor(limits: ReaderLimits) {
    this.#limits = limits;
    this.#leftBytes = limits.maxBytes;
  }

  /** Bytes that are gzip data or what they should be; rejects with Refusal. */
  async plain(bytes: Uint8Array, what: string): Promise<Uint8Array> {
    const { hold, busy, maxBytes } = this.#limits;
    let plain = bytes;
    if (isGzip(bytes)) {
      try {
        plain = await decompress('gzip', bytes, { maxBytes: this.#leftBytes });
      } catch (cause) {
        if (!(cause instanceof CompressionError)) throw cause;
        const reason = cause.reason === 'malformed' ? 'malformed' : 'too_large';
        throw new Refusal(reason, `${what}: ${cause.message}`, { cause });
      }
      if (!hold.grow(plain.length)) throw busy(hold);
    }
    if (plain.length > this.#leftBytes)
      throw new Refusal('too_large', `${what}: profiles take more than ${maxBytes} bytes decompressed`);
    this.#leftBytes -= plain.length;
    return plain;
  }

  /** A pprof file, gzipped or not; rejects with Refusal or DecodeError. */
  async pprof(bytes: Uint8Array): Promise<ProfilesBatch> {
    const plain = await this.plain(bytes, 'pprof');
    const batch = decodePprof(plain, { maxBytes: this.#limits.maxBytes });
    // Random bytes that happen to be fields that pprof does not have are no profile.
    if (batch.profileCount === 0) throw new Refusal('malformed', 'pprof: no sample types');
    this.check(batch);
    return batch;
  }

  /** The same, decoded when somebody looks into it: one that is relayed untouched never is. */
  async deferredPprof(bytes: Uint8Array): Promise<ProfilesBatch> {
    const { deferral } = this.#limits;
    const seen = await deferral.lookOver(bytes, this.#leftBytes);
    if (seen !== undefined) this.#leftBytes -= seen.plainBytes;
    const batch = seen?.batch ?? deferral.defer(bytes, await this.plain(bytes, 'pprof'));
    if (batch.profileCount === 0) throw new Refusal('malformed', 'pprof: no sample types');
    this.#checkSamples(batch.sampleCount / batch.profileCount);
    return batch;
  }

  /** What takes long, for as long as the sender waits; rejects with Refusal where it has gone. */
  async whileAwaited<T>(work: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const { signal } = this.#limits;
    try {
      return await work(signal);
    } catch (error) {
      if (!signal.aborted) throw error;
      throw new Refusal('incomplete', 'the sender went away before all was read', { cause: error });
    }
  }

  /** Throws Refusal where one profile has too many samples. */
  check(batch: ProfilesBatch): void {
    for (const { profile } of batch.profiles()) this.#checkSamples(profile.samples.length);
  }

  #checkSamples(length: number): void {
    const { maxSamples } = this.#limits;
    if (length > maxSamples)
      throw new Refusal('too_large', `${length} samples; a profile may have ${maxSamples} ("max_samples")`);
  }
}
