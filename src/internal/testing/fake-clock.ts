// SPDX-License-Identifier: Apache-2.0
import type { Clock, Timer } from '../clock.ts';

/** A clock that moves only when a test says so. */
export class FakeClock implements Clock {
  #now: number;
  #timers: { at: number; run: () => void }[] = [];

  constructor(startMs = 1_700_000_000_000) {
    this.#now = startMs;
  }

  now(): number {
    return this.#now;
  }

  elapsed(): number {
    return this.now();
  }

  setTimeout(run: () => void, delayMs: number): Timer {
    const timer = { at: this.#now + Math.max(0, delayMs), run };
    this.#timers.push(timer);
    return { cancel: () => void (this.#timers = this.#timers.filter((t) => t !== timer)) };
  }

  /** Timers that wait, as milliseconds from now, soonest first. */
  get pending(): readonly number[] {
    return this.#timers.map((t) => t.at - this.#now).sort((a, b) => a - b);
  }

  /** Moves time on, firing timers in order; pending promises run before and after each. */
  async advance(ms: number): Promise<void> {
    const end = this.#now + ms;
    await settle();
    for (let next = this.#next(end); next !== undefined; next = this.#next(end)) {
      this.#now = next.at;
      this.#timers = this.#timers.filter((t) => t !== next);
      next.run();
      await settle();
    }
    this.#now = end;
  }

  #next(end: number): { at: number; run: () => void } | undefined {
    return this.#timers.filter((t) => t.at <= end).sort((a, b) => a.at - b.at)[0];
  }
}

/** Lets promises that are ready run: one turn of the event loop. */
export function settle(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
