// SPDX-License-Identifier: Apache-2.0
import type { ProfilesConsumer } from '../consumer/consumer.ts';
import { orAborted } from '../internal/abort.ts';
import { type Deferred, deferred } from '../internal/deferred.ts';
import type { ProfilesBatch } from '../pdata/profiles-batch.ts';

/**
 * Where a component sends to, as a reload can change it while the component runs. Until `connect` is
 * called for the first time, and between `hold` and `release`, whoever sends waits.
 */
export class Outlet implements ProfilesConsumer {
  #target: ProfilesConsumer | undefined;
  #closed: Deferred | undefined = deferred();
  readonly #inFlight = new Set<Promise<void>>();

  async consumeProfiles(batch: ProfilesBatch, signal: AbortSignal): Promise<void> {
    while (this.#closed !== undefined) await orAborted(this.#closed.promise, signal);
    if (this.#target === undefined) throw new TypeError('an outlet is open and leads nowhere');
    const call = this.#target.consumeProfiles(batch, signal);
    this.#inFlight.add(call);
    try {
      await call;
    } finally {
      this.#inFlight.delete(call);
    }
  }

  /** From now on batches go to `target`; those under way end where they are. */
  connect(target: ProfilesConsumer): void {
    const isFirst = this.#target === undefined;
    this.#target = target;
    if (isFirst) this.release();
  }

  /** Lets senders wait from now on. */
  hold(): void {
    this.#closed ??= deferred();
  }

  /** Lets those go on that wait. */
  release(): void {
    this.#closed?.resolve();
    this.#closed = undefined;
  }

  /** Resolves when all batches that passed before this call are taken or refused. */
  async quiet(): Promise<void> {
    await Promise.allSettled(this.#inFlight);
  }
}
