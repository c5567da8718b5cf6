// SPDX-License-Identifier: Apache-2.0
import { type Clock, sleep } from '../../internal/clock.ts';

/** Lets `burst` requests through at once and then `perSecond`; whoever comes too early waits. */
export class RateLimiter {
  readonly #intervalMs: number;
  readonly #burst: number;
  readonly #clock: Clock;
  /** When the bucket would be full again. */
  #fullAtMs = 0;

  constructor(perSecond: number, burst: number, clock: Clock) {
    this.#intervalMs = 1000 / perSecond;
    this.#burst = burst;
    this.#clock = clock;
  }

  /** Rejects with the signal's reason when it aborts first. */
  async take(signal: AbortSignal): Promise<void> {
    const nowMs = this.#clock.now();
    this.#fullAtMs = Math.max(this.#fullAtMs, nowMs) + this.#intervalMs;
    const waitMs = this.#fullAtMs - nowMs - this.#burst * this.#intervalMs;
    if (waitMs > 0) await sleep(this.#clock, waitMs, signal);
  }
}
