// SPDX-License-Identifier: Apache-2.0
import type { Settings } from '../../component/component.ts';
import type { Counter, Logger } from '../../component/telemetry.ts';
import type { ProfilesConsumer } from '../../consumer/consumer.ts';
import { DecodeError } from '../../internal/wire-reader.ts';
import type { ProfilesBatch } from '../../pdata/profiles-batch.ts';
import { Code, Refusal } from './refusal.ts';

export type Transport = 'grpc' | 'http';

/** Why a request did not reach the pipeline. */
export type RefusalReason = 'malformed' | 'too_large' | 'unsupported' | 'busy' | 'incomplete';

/** A decoded request; `revision` says how it was written, for the counter. */
export interface Decoded {
  readonly batch: ProfilesBatch;
  readonly revision: string;
}

/** Encoded bytes of all requests that wait for the pipeline at one time. Beyond, clients are told to come again. */
const MAX_IN_FLIGHT_BYTES = 256 * 1024 * 1024;
const BUSY_RETRY_AFTER_MS = 1_000;

/** The way of a request from bytes to the pipeline, the same for both transports. */
export class Intake {
  readonly #next: ProfilesConsumer;
  readonly #logger: Logger;
  readonly #requests: Counter;
  readonly #refused: Counter;
  readonly #maxInFlightBytes: number;
  #inFlightBytes = 0;

  constructor(settings: Settings, next: ProfilesConsumer, maxInFlightBytes = MAX_IN_FLIGHT_BYTES) {
    this.#next = next;
    this.#logger = settings.logger;
    this.#maxInFlightBytes = maxInFlightBytes;
    this.#requests = settings.meter.counter(
      'receiver_otlp_requests',
      'Number of well-formed OTLP requests, by transport and wire revision.',
      ['transport', 'revision'],
    );
    this.#refused = settings.meter.counter(
      'receiver_refused_requests',
      'Number of requests that were refused before the pipeline saw them.',
      ['transport', 'reason'],
    );
  }

  /**
   * Decodes and hands on; resolves when the pipeline took the batch, which is when the client may be
   * answered. Rejects with Refusal. A request without samples is well-formed and not handed on.
   */
  async accept(
    transport: Transport,
    sizeBytes: number,
    decode: () => Decoded,
    signal: AbortSignal,
  ): Promise<void> {
    if (this.#inFlightBytes + sizeBytes > this.#maxInFlightBytes && this.#inFlightBytes > 0) {
      const message = `${this.#inFlightBytes} bytes of requests are waiting for the pipeline already`;
      throw this.refuse(
        transport,
        'busy',
        new Refusal(Code.unavailable, message, { retryAfterMs: BUSY_RETRY_AFTER_MS }),
      );
    }
    this.#inFlightBytes += sizeBytes;
    try {
      const { batch, revision } = this.#decode(transport, decode);
      this.#requests.add(1, { transport, revision });
      if (batch.sampleCount > 0) await this.#next.consumeProfiles(batch, signal);
    } catch (error) {
      throw Refusal.from(error);
    } finally {
      this.#inFlightBytes -= sizeBytes;
    }
  }

  #decode(transport: Transport, decode: () => Decoded): Decoded {
    try {
      return decode();
    } catch (error) {
      const isKnown = error instanceof DecodeError;
      if (!isKnown) this.#logger.error('decoding failed unexpectedly', { transport, error });
      const refusal = isKnown
        ? Refusal.from(error)
        : new Refusal(Code.internal, 'decoding failed', { cause: error });
      throw this.refuse(transport, 'malformed', refusal);
    }
  }

  /** Counts a refusal and gives it back, to be thrown. */
  refuse(transport: Transport, reason: RefusalReason, refusal: Refusal): Refusal {
    this.count(transport, reason);
    return refusal;
  }

  count(transport: Transport, reason: RefusalReason): void {
    this.#refused.add(1, { transport, reason });
  }
}
