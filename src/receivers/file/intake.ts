// SPDX-License-Identifier: Apache-2.0
import { decodeOtlpLeniently, type PartlyDecodedOtlp } from '../../codecs/otlp/decode.ts';
import { decodeOtlpJsonLeniently } from '../../codecs/otlp/json.ts';
import { CompressionError, decompress } from '../../compression/compression.ts';
import type { Settings } from '../../component/component.ts';
import type { Counter, Logger } from '../../component/telemetry.ts';
import { isPermanent, type ProfilesConsumer, RetryableError } from '../../consumer/consumer.ts';
import { type Clock, sleep } from '../../internal/clock.ts';
import { DecodeError } from '../../internal/wire-reader.ts';
import type { ProfilesBatch } from '../../pdata/profiles-batch.ts';
import type { MessageSink, SkipReason } from './message-reader.ts';
import { compressionOf } from './watched-file.ts';

const FIRST_WAIT_MS = 1_000;
const LONGEST_WAIT_MS = 30_000;
const OPEN_BRACE = 0x7b;

/** The way of messages from their bytes to the pipeline. */
export class Intake {
  readonly #next: ProfilesConsumer;
  readonly #logger: Logger;
  readonly #clock: Clock;
  readonly #maxBytes: number;
  readonly #signal: AbortSignal;
  readonly #messages: Counter;
  readonly #skipped: Counter;
  readonly #rejected: Counter;
  readonly #retries: Counter;

  /** `signal` ends waiting for a pipeline that is busy. */
  constructor(
    { logger, meter }: Settings,
    next: ProfilesConsumer,
    maxBytes: number,
    signal: AbortSignal,
    clock: Clock,
  ) {
    this.#next = next;
    this.#logger = logger;
    this.#clock = clock;
    this.#maxBytes = maxBytes;
    this.#signal = signal;
    this.#messages = meter.counter('receiver_file_messages', 'Number of messages that the pipeline took', [
      'format',
    ]);
    this.#skipped = meter.counter('receiver_file_skipped', 'Number of messages and files passed over', [
      'reason',
    ]);
    this.#rejected = meter.counter(
      'receiver_rejected_profiles',
      'Number of profiles that were refused while the rest of their request was taken.',
      ['transport', 'reason'],
    );
    this.#retries = meter.counter(
      'receiver_file_retries',
      'Number of times that a message was offered again to a busy pipeline',
    );
  }

  /** Where the messages of one file go. Its methods reject only when `signal` has aborted. */
  sinkOf(path: string): MessageSink {
    const skip = (reason: SkipReason, offset: number, detail: string): void =>
      this.skipped(path, reason, offset, detail);
    return {
      skipped: skip,
      takeFrame: async (message, offset) => {
        try {
          await this.#deliver(await this.#decodeFrame(message), path, offset);
        } catch (error) {
          const [reason, detail] = verdict(error);
          skip(reason, offset, detail);
        }
      },
      takeLine: async (line, offset, mayGrow) => {
        try {
          await this.#deliver({ ...decodeOtlpJsonLeniently(line), format: 'json' }, path, offset);
        } catch (error) {
          const [reason, detail] = verdict(error);
          if (mayGrow) return false;
          skip(reason, offset, detail);
        }
        return true;
      },
    };
  }

  /** Counts and tells of something that is passed over. */
  skipped(path: string, reason: SkipReason, offset: number, detail: string): void {
    this.#skipped.add(1, { reason });
    // Files of all signals are read as well as those of profiles alone: what is none of ours is no news.
    if (reason === 'no_profiles') return;
    this.#logger.warn('passed over a part of a file', { path, offset, reason, error: detail });
  }

  async #decodeFrame(message: Uint8Array): Promise<Decoded> {
    const name = compressionOf(message);
    const plain =
      name === undefined ? message : await decompress(name, message, { maxBytes: this.#maxBytes });
    return plain[0] === OPEN_BRACE
      ? { ...decodeOtlpJsonLeniently(plain), format: 'json' }
      : { ...decodeOtlpLeniently(plain), format: 'proto' };
  }

  async #deliver({ batch, rejected, format }: Decoded, path: string, offset: number): Promise<void> {
    if (rejected !== undefined) {
      this.#rejected.add(rejected.profiles, { transport: 'file', reason: 'malformed' });
      this.#logger.warn('refused malformed profiles of a message that was taken otherwise', {
        path,
        offset,
        profiles: rejected.profiles,
        reason: rejected.message,
      });
    }
    if (batch.sampleCount === 0) {
      this.skipped(path, 'no_profiles', offset, '');
      return;
    }
    const error = await this.#offer(batch);
    if (error === undefined) this.#messages.add(1, { format });
    else this.skipped(path, 'refused', offset, error.message);
  }

  /** Offers until the batch is taken; gives back the error where that can never be. */
  async #offer(batch: ProfilesBatch): Promise<Error | undefined> {
    for (let waitMs = FIRST_WAIT_MS; ; waitMs = Math.min(LONGEST_WAIT_MS, waitMs * 2)) {
      try {
        await this.#next.consumeProfiles(batch, this.#signal);
        return undefined;
      } catch (error) {
        this.#throwIfStopped(error);
        if (isPermanent(error)) return error instanceof Error ? error : new Error(String(error));
        this.#retries.add(1);
        const askedMs = error instanceof RetryableError ? (error.retryAfterMs ?? 0) : 0;
        try {
          await sleep(this.#clock, Math.max(askedMs, waitMs), this.#signal);
        } catch (reason) {
          throw new Stopped(reason);
        }
      }
    }
  }

  #throwIfStopped(error: unknown): void {
    if (this.#signal.aborted) throw new Stopped(error);
  }
}

interface Decoded extends PartlyDecodedOtlp {
  readonly format: 'json' | 'proto';
}

/** The receiver is shut down; what was on its way is read again by the next one. */
export class Stopped extends Error {
  override readonly name = 'Stopped';

  constructor(cause: unknown) {
    super('the receiver is shut down', { cause });
  }
}

/** What an error says of a message; other errors are thrown. */
function verdict(error: unknown): [SkipReason, string] {
  if (error instanceof DecodeError) return ['malformed', error.message];
  if (error instanceof CompressionError)
    return [error.reason === 'too_large' ? 'too_large' : 'malformed', error.message];
  throw error;
}
