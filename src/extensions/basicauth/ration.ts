// SPDX-License-Identifier: Apache-2.0
import { RetryableError } from '../../consumer/consumer.ts';
import { type Clock, sleep } from '../../internal/clock.ts';

/** Beyond, requests are told to come again. */
const MAX_WAITING = 32;
const RETRY_AFTER_MS = 1_000;
/** Of the time that slow checks take, this many times as much belongs to everything else. */
const REST_FACTOR = 2;

/**
 * Lets slow work run one at a time and, as long as there is more, a third of the time: whoever tries
 * passwords must not keep the collector from its work.
 */
export class Ration {
  readonly #clock: Clock;
  readonly #stopped = new AbortController();
  #last: Promise<void> = Promise.resolve();
  #waiting = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Rejects with RetryableError where too many wait already. */
  async run<T>(work: () => Promise<T>): Promise<T> {
    if (this.#waiting >= MAX_WAITING)
      throw new RetryableError('too many credentials wait to be checked', { retryAfterMs: RETRY_AFTER_MS });
    this.#waiting++;
    const before = this.#last;
    let finish = (): void => undefined;
    this.#last = new Promise((resolve) => (finish = resolve));
    await before;
    const startedAt = this.#clock.now();
    try {
      return await work();
    } finally {
      this.#waiting--;
      void this.#rest(this.#clock.now() - startedAt).then(finish);
    }
  }

  /** Ends the rest that is going on, so that nothing keeps the process alive. */
  stop(): void {
    this.#stopped.abort(new Error('the extension is shut down'));
  }

  async #rest(tookMs: number): Promise<void> {
    const { signal } = this.#stopped;
    if (signal.aborted) return;
    await sleep(this.#clock, tookMs * REST_FACTOR, signal).catch((error: unknown) => {
      if (!signal.aborted) throw error;
    });
  }
}
