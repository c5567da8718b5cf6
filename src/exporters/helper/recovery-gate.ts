// SPDX-License-Identifier: Apache-2.0
import { RetryableError } from '../../consumer/consumer.ts';
import type { Clock, Timer } from '../../internal/clock.ts';
import { errorTypeOf, HeldBackError } from './delivery.ts';
import { ReachabilityProbe } from './reachability-probe.ts';

const ATTEMPT_EVERY_MS = 1_000;

/** What shuts a gate: any failure that may pass, or only that no connection can be made. */
export type GateFailures = 'all' | 'unreachable';

/**
 * Spares a destination that is in trouble. From its first failure on there is one attempt a second, of
 * whoever comes first, until one succeeds: a queue of a thousand and its ten consumers do no more to a
 * dying server than one client. Where no connection can be made, nobody tries at all until a probe, that
 * sends nothing, got through. A wait that the destination asked for (Retry-After) holds for everybody.
 * Where only `unreachable` shuts it, whatever a destination answers is the business of who gets the answer.
 */
export class RecoveryGate {
  readonly #clock: Clock;
  readonly #probe: ReachabilityProbe;
  readonly #onOpen: () => void;
  readonly #failures: GateFailures;
  #failure: Error | undefined;
  /** When the next may try; infinite while the probe looks. */
  #opensMs = 0;
  #timer: Timer | undefined;

  /** `url`: where connections go. `onOpen` is told when it is worth trying again. */
  constructor(url: string, clock: Clock, onOpen: () => void, failures: GateFailures = 'all') {
    this.#clock = clock;
    this.#onOpen = onOpen;
    this.#failures = failures;
    this.#probe = new ReachabilityProbe(url, clock, () => this.#open());
  }

  /** Lets an attempt pass, or throws HeldBackError with the failure that keeps it from passing. */
  enter(): void {
    if (this.#failure === undefined) return;
    const now = this.#clock.elapsed();
    if (now < this.#opensMs) {
      const { message } = this.#failure;
      throw new HeldBackError(`not tried, for the destination failed: ${message}`, { cause: this.#failure });
    }
    this.#waitFor(ATTEMPT_EVERY_MS);
  }

  succeeded(): void {
    this.#failure = undefined;
    this.#timer?.cancel();
  }

  /** Tells of an attempt after which the same may be tried again; what is at fault with the data is no trouble. */
  failed(error: unknown): void {
    if (this.#failures === 'unreachable' && errorTypeOf(error) !== 'Unavailable') return this.succeeded();
    const waitMs = error instanceof RetryableError ? (error.retryAfterMs ?? 0) : 0;
    // One series that is over the rate says nothing about the others.
    if (errorTypeOf(error) === '429' && waitMs === 0) return;
    this.#failure = error instanceof Error ? error : new Error(String(error));
    if (errorTypeOf(error) === 'Unavailable') {
      this.#timer?.cancel();
      this.#opensMs = Number.POSITIVE_INFINITY;
      this.#probe.failed(error);
    } else if (this.#opensMs !== Number.POSITIVE_INFINITY) {
      this.#waitFor(Math.max(ATTEMPT_EVERY_MS, waitMs));
    }
  }

  stop(): void {
    this.#timer?.cancel();
    this.#probe.stop();
  }

  #open(): void {
    this.#opensMs = 0;
    this.#onOpen();
  }

  #waitFor(waitMs: number): void {
    this.#timer?.cancel();
    this.#opensMs = this.#clock.elapsed() + waitMs;
    this.#timer = this.#clock.setTimeout(() => this.#open(), waitMs);
  }
}
