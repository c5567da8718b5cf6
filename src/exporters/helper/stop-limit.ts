// SPDX-License-Identifier: Apache-2.0
import type { Clock, Timer } from '../../internal/clock.ts';

/** A destination that takes nothing for so long has no right to hold up the end of the collector. */
const WITHOUT_SUCCESS_MS = 4_000;

/**
 * How long a shutdown may go on delivering: to its deadline while profiles are being taken, four seconds
 * where none is. What is in a storage stays there, the rest is counted as lost.
 */
export class StopLimit {
  readonly #clock: Clock;
  readonly #limit = new AbortController();
  #lastMs = 0;
  #timer: Timer | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** The deadline of a shutdown that begins now. */
  begin(deadline: AbortSignal): AbortSignal {
    this.succeeded();
    this.#wait(WITHOUT_SUCCESS_MS);
    return AbortSignal.any([deadline, this.#limit.signal]);
  }

  succeeded(): void {
    this.#lastMs = this.#clock.elapsed();
  }

  end(): void {
    this.#timer?.cancel();
  }

  #wait(ms: number): void {
    this.#timer?.cancel();
    this.#timer = this.#clock.setTimeout(() => {
      const leftMs = this.#lastMs + WITHOUT_SUCCESS_MS - this.#clock.elapsed();
      if (leftMs > 0) this.#wait(leftMs);
      else this.#limit.abort(new Error(`nothing was taken for ${WITHOUT_SUCCESS_MS} ms`));
    }, ms);
  }
}
