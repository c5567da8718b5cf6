// SPDX-License-Identifier: Apache-2.0
import { PermanentError } from '../../consumer/consumer.ts';
import { deferred } from '../../internal/deferred.ts';

/** What one caller handed in, until all of its samples were taken or refused. */
export class Share {
  readonly samples: number;
  readonly sizeBytes: number;
  readonly #done = deferred();
  readonly #errors: unknown[] = [];
  #open: number;
  #failed = 0;

  constructor(samples: number, sizeBytes: number) {
    this.samples = samples;
    this.sizeBytes = sizeBytes;
    this.#open = samples;
  }

  /**
   * Resolves when every sample was taken. Rejects with the error when none was; with PermanentError when
   * only some were, because whoever sends again would deliver those twice.
   */
  get done(): Promise<void> {
    return this.#done.promise;
  }

  /** These many samples were taken, or refused with `error`. True when none is left open. */
  settle(samples: number, error?: unknown): boolean {
    this.#open -= samples;
    if (error !== undefined) {
      this.#failed += samples;
      if (!this.#errors.includes(error)) this.#errors.push(error);
    }
    if (this.#open > 0) return false;
    this.#finish();
    return true;
  }

  #finish(): void {
    if (this.#errors.length === 0) {
      this.#done.resolve();
      return;
    }
    const cause =
      this.#errors.length === 1
        ? this.#errors[0]
        : new AggregateError(this.#errors, this.#errors.map(String).join('; '));
    const partly = `${this.#failed} of ${this.samples} samples were refused after the others were taken: ${String(cause)}`;
    this.#done.reject(this.#failed === this.samples ? cause : new PermanentError(partly, { cause }));
  }
}
