// SPDX-License-Identifier: Apache-2.0
import type { ProfilesBatch } from '../../pdata/profiles-batch.ts';

/** Samples as the Collector counts them, and the sampled events that they stand for. */
export interface Quantity {
  readonly samples: number;
  readonly events: number;
}

/** One batch on its way. It remembers what need not be made or sent again. */
export interface Delivery {
  /**
   * Sends all that is not delivered yet. Rejects with PermanentError where nothing more can be done,
   * with anything else where a later attempt may help. Must stop soon after `signal` aborts.
   */
  attempt(signal: AbortSignal): Promise<void>;
  /** What is not delivered so far. Without it a delivery succeeds or fails as a whole. */
  undelivered?(): Quantity;
  /** Told once when what is not delivered is lost: no further attempt follows. */
  gaveUp?(): void;
}

/** Nothing was tried: the destination failed a moment ago, and its failure is the cause. */
export class HeldBackError extends Error {
  override readonly name = 'HeldBackError';
}

/** What went wrong on the wire; `errorType` is the `error_type` label of the failure counters. */
export class TransportError extends Error {
  override readonly name = 'TransportError';
  readonly errorType: string;

  constructor(errorType: string, message: string, options?: ErrorOptions) {
    super(message, options);
    this.errorType = errorType;
  }
}

/** The `error_type` of an error or of what it wraps; `_OTHER` where nobody named it. */
export function errorTypeOf(error: unknown): string {
  for (let e = error, depth = 0; e instanceof Error && depth < 8; e = e.cause, depth++) {
    if (e instanceof TransportError) return e.errorType;
    if (e.name === 'AbortError') return 'Canceled';
    if (e.name === 'TimeoutError') return 'Deadline_Exceeded';
  }
  return '_OTHER';
}

export function quantityOf(batch: ProfilesBatch): Quantity {
  return { samples: batch.sampleCount, events: batch.eventCount };
}

/** All of them together. */
export function sumOf(quantities: readonly Quantity[]): Quantity {
  let [samples, events] = [0, 0];
  for (const one of quantities) {
    samples += one.samples;
    events += one.events;
  }
  return { samples, events };
}

/**
 * The part of a quantity that `samples` of its samples are. Its events are in proportion: exact for none
 * and all, close for what lies between.
 */
export function shareOf(total: Quantity, samples: number): Quantity {
  const events = total.samples === 0 ? total.events : Math.round((total.events * samples) / total.samples);
  return { samples, events };
}
