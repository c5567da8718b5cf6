// SPDX-License-Identifier: Apache-2.0
import type { Clock, Timer } from '../internal/clock.ts';

/** After a run comes so many times as long without one: it never costs more than a twentieth of a CPU. */
const REST_FACTOR = 19;

/** Runs something that is asked for again and again at most once in a span of time: the first time at once. */
export class Throttle {
  readonly #clock: Clock;
  readonly #intervalMs: number;
  readonly #run: () => void;
  #timer: Timer | undefined;
  #dueAt = Number.POSITIVE_INFINITY;
  #ranAt = Number.NEGATIVE_INFINITY;
  #tookMs = 0;
  #isStopped = false;

  constructor(clock: Clock, intervalMs: number, run: () => void) {
    this.#clock = clock;
    this.#intervalMs = intervalMs;
    this.#run = run;
  }

  /** Runs it as soon as it may. `hurryMs` is a shorter span, which counts where a run is short enough for it. */
  request(hurryMs = this.#intervalMs): void {
    if (this.#isStopped) return;
    const spanMs = Math.min(this.#intervalMs, Math.max(hurryMs, this.#tookMs * REST_FACTOR));
    const dueAt = this.#ranAt + spanMs;
    if (this.#timer !== undefined && this.#dueAt <= dueAt) return;
    const waitMs = dueAt - this.#clock.elapsed();
    if (waitMs <= 0) {
      this.runNow();
      return;
    }
    this.#timer?.cancel();
    this.#dueAt = dueAt;
    this.#timer = this.#clock.setTimeout(() => this.runNow(), waitMs);
  }

  /** Runs it although it may be too soon. */
  runNow(): void {
    if (this.#isStopped) return;
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#ranAt = this.#clock.elapsed();
    this.#run();
    this.#tookMs = this.#clock.elapsed() - this.#ranAt;
  }

  /** It is not run any more. */
  stop(): void {
    this.#isStopped = true;
    this.#timer?.cancel();
  }
}
