// SPDX-License-Identifier: Apache-2.0
import type { RetryOnFailureConfig } from '../../config/sections/retry.ts';
import { RetryableError } from '../../consumer/consumer.ts';
import { type Clock, sleep } from '../../internal/clock.ts';

/** Intervals of one delivery: exponential, randomized, up to the elapsed time that is allowed. */
export class RetrySchedule {
  readonly #config: RetryOnFailureConfig;
  readonly #clock: Clock;
  readonly #random: () => number;
  readonly #startedMs: number;
  #intervalMs: number;

  constructor(config: RetryOnFailureConfig, clock: Clock, random: () => number) {
    this.#config = config;
    this.#clock = clock;
    this.#random = random;
    this.#startedMs = clock.elapsed();
    this.#intervalMs = config.initial_interval;
  }

  /** Milliseconds until the next attempt, at least what the other side asked for; undefined: give up. */
  nextDelayMs(error: unknown): number | undefined {
    const { enabled, randomization_factor, multiplier, max_interval, max_elapsed_time } = this.#config;
    if (!enabled) return undefined;
    const spread = this.#intervalMs * randomization_factor;
    const backoffMs = this.#intervalMs - spread + this.#random() * 2 * spread;
    const grown = this.#intervalMs * multiplier;
    this.#intervalMs = max_interval > 0 ? Math.min(max_interval, grown) : grown;
    const delayMs = Math.max(backoffMs, throttleMs(error));
    const elapsedMs = this.#clock.elapsed() - this.#startedMs;
    if (max_elapsed_time > 0 && elapsedMs + delayMs > max_elapsed_time) return undefined;
    return delayMs;
  }
}

/** How long the other side asked us to stay away. */
export function throttleMs(error: unknown): number {
  return error instanceof RetryableError ? (error.retryAfterMs ?? 0) : 0;
}

/** Those who sit out a backoff, so that they can be called early when the receiver is back. */
export class BackoffRoom {
  readonly #clock: Clock;
  /** Who sleeps, and whether the other side asked for it. */
  readonly #sleepers = new Map<AbortController, boolean>();
  #open = true;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /**
   * Resolves after `delayMs`, when `signal` aborts, on `close`, or on `wake`. Where the other side asked
   * to stay away (`throttled`), `wake` does not shorten the wait.
   */
  async wait(delayMs: number, throttled: boolean, signal: AbortSignal): Promise<void> {
    if (!this.#open || signal.aborted) return;
    const woken = new AbortController();
    const onAbort = (): void => woken.abort();
    signal.addEventListener('abort', onAbort, { once: true });
    this.#sleepers.set(woken, throttled);
    try {
      await sleep(this.#clock, delayMs, woken.signal);
    } catch (reason) {
      if (!woken.signal.aborted) throw reason;
    } finally {
      this.#sleepers.delete(woken);
      signal.removeEventListener('abort', onAbort);
    }
  }

  wake(): void {
    for (const [sleeper, throttled] of this.#sleepers) if (!throttled) sleeper.abort();
  }

  /** Wakes everybody, and lets nobody wait any more. */
  close(): void {
    this.#open = false;
    for (const sleeper of this.#sleepers.keys()) sleeper.abort();
  }
}
