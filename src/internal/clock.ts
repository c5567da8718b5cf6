// SPDX-License-Identifier: Apache-2.0

/** A timer that was set; cancelling twice, or after it fired, does nothing. */
export interface Timer {
  cancel(): void;
}

/** Time as components see it, so that tests can own it. */
export interface Clock {
  /** Milliseconds since the Unix epoch. */
  now(): number;
  /** Milliseconds since a moment of no meaning: for spans of time, which a jump of the wall clock does not change. */
  elapsed(): number;
  setTimeout(run: () => void, delayMs: number): Timer;
}

export const systemClock: Clock = {
  now: () => Date.now(),
  elapsed: () => performance.now(),
  setTimeout(run, delayMs) {
    const timer = setTimeout(run, delayMs);
    return { cancel: () => clearTimeout(timer) };
  },
};

/** Resolves after `delayMs`; rejects with the signal's reason as soon as it aborts. */
export function sleep(clock: Clock, delayMs: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal.aborted) {
      reject(signal.reason);
      return;
    }
    const stop = (): void => {
      timer.cancel();
      reject(signal.reason);
    };
    const timer = clock.setTimeout(() => {
      signal.removeEventListener('abort', stop);
      resolve();
    }, delayMs);
    signal.addEventListener('abort', stop, { once: true });
  });
}

/** Runs again and again, each time `intervalMs` after the last run began; a run must not throw. */
export function repeat(clock: Clock, intervalMs: number, run: () => void): Timer {
  let timer = clock.setTimeout(tick, intervalMs);
  function tick(): void {
    timer = clock.setTimeout(tick, intervalMs);
    run();
  }
  return { cancel: () => timer.cancel() };
}
