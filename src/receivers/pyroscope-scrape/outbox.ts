// SPDX-License-Identifier: Apache-2.0
import { type ProfilesConsumer, isPermanent, RetryableError } from '../../consumer/consumer.ts';
import { type Clock, sleep } from '../../internal/clock.ts';
import { deferred } from '../../internal/deferred.ts';
import type { ProfilesBatch } from '../../pdata/profiles-batch.ts';

/** Batches that the pipeline is given at a time. */
const CONCURRENCY = 64;
const FIRST_PAUSE_MS = 1_000;
const LONGEST_PAUSE_MS = 30_000;
/** What the pipeline does not take for so long at the stop it will not take in time. */
const LONGEST_DRAIN_MS = 2_000;

/** Why a profile did not get into the pipeline. */
type DropReason = 'pending_full' | 'refused' | 'shutdown';

interface Pending {
  /** Counts up; what waits is in this order. */
  readonly turn: number;
  readonly batch: ProfilesBatch;
  readonly sizeBytes: number;
}

/** What an outbox works with. */
export interface OutboxOptions {
  readonly next: ProfilesConsumer;
  readonly clock: Clock;
  readonly maxBytes: number;
  readonly onDropped: (batch: ProfilesBatch, reason: DropReason, error?: unknown) => void;
  /** Told how long the pipeline took for a batch that it accepted. */
  readonly onDelivered: (ms: number) => void;
}

/**
 * Profiles on their way into the pipeline: whoever adds one does not wait. A pipeline that is busy is asked again
 * later; what does not fit in meanwhile takes the place of the oldest, which is dropped and reported.
 */
export class Outbox {
  readonly #options: OutboxOptions;
  readonly #waiting: Pending[] = [];
  readonly #stop = new AbortController();
  readonly #deliveries = new Set<AbortController>();
  readonly #drained = new Set<() => void>();
  #turns = 0;
  #bytes = 0;
  #underWay = 0;
  #pauseMs = 0;
  #isPaused = false;

  constructor(options: OutboxOptions) {
    this.#options = options;
  }

  /** Bytes that wait, or are being given to the pipeline. */
  get sizeBytes(): number {
    return this.#bytes;
  }

  /** `sizeBytes`: what the batch is reckoned as. */
  add(batch: ProfilesBatch, sizeBytes: number): void {
    if (this.#stop.signal.aborted) {
      this.#options.onDropped(batch, 'shutdown');
      return;
    }
    this.#waiting.push({ turn: this.#turns++, batch, sizeBytes });
    this.#bytes += sizeBytes;
    this.#pump();
    while (this.#bytes > this.#options.maxBytes) {
      const oldest = this.#waiting.shift();
      if (oldest === undefined) return;
      this.#bytes -= oldest.sizeBytes;
      this.#options.onDropped(oldest.batch, 'pending_full');
    }
  }

  /** Resolves when all is delivered, or soon, or `deadline` aborts: what is left is then dropped. */
  async close(deadline: AbortSignal): Promise<void> {
    if (!deadline.aborted && this.#bytes > 0) {
      const drained = deferred();
      const end = (): void => drained.resolve();
      this.#drained.add(end);
      deadline.addEventListener('abort', end, { once: true });
      const timer = this.#options.clock.setTimeout(end, LONGEST_DRAIN_MS);
      await drained.promise;
      timer.cancel();
      deadline.removeEventListener('abort', end);
    }
    const reason = new Error('the receiver is shut down');
    this.#stop.abort(reason);
    for (const delivery of this.#deliveries) delivery.abort(reason);
    for (const { batch, sizeBytes } of this.#waiting.splice(0)) {
      this.#bytes -= sizeBytes;
      this.#options.onDropped(batch, 'shutdown');
    }
  }

  #pump(): void {
    while (this.#underWay < CONCURRENCY && !this.#isPaused && !this.#stop.signal.aborted) {
      const pending = this.#waiting.shift();
      if (pending === undefined) return;
      this.#underWay++;
      void this.#deliver(pending).finally(() => {
        this.#underWay--;
        this.#pump();
        if (this.#bytes === 0) for (const resolve of this.#drained) resolve();
      });
    }
  }

  async #deliver(pending: Pending): Promise<void> {
    const { next, clock, onDelivered, onDropped } = this.#options;
    // A signal for each batch: whoever listens to one that lives as long as the process would stay in memory.
    const delivery = new AbortController();
    const { signal } = delivery;
    this.#deliveries.add(delivery);
    const startMs = clock.elapsed();
    try {
      await next.consumeProfiles(pending.batch, signal);
    } catch (error) {
      if (!isPermanent(error) && !signal.aborted) {
        this.#putBack(pending);
        void this.#pause(error);
        return;
      }
      this.#bytes -= pending.sizeBytes;
      onDropped(pending.batch, signal.aborted ? 'shutdown' : 'refused', error);
      return;
    } finally {
      this.#deliveries.delete(delivery);
    }
    this.#bytes -= pending.sizeBytes;
    this.#pauseMs = 0;
    onDelivered(clock.elapsed() - startMs);
  }

  /** Before all that came after it; those that were offered with it may have been put back already. */
  #putBack(pending: Pending): void {
    const at = this.#waiting.findIndex(({ turn }) => turn > pending.turn);
    this.#waiting.splice(at < 0 ? this.#waiting.length : at, 0, pending);
  }

  /** Nothing is offered for a while; once for all batches that were refused together. */
  async #pause(error: unknown): Promise<void> {
    if (this.#isPaused) return;
    this.#isPaused = true;
    this.#pauseMs = Math.min(LONGEST_PAUSE_MS, this.#pauseMs === 0 ? FIRST_PAUSE_MS : this.#pauseMs * 2);
    const asked = error instanceof RetryableError ? (error.retryAfterMs ?? 0) : 0;
    try {
      await sleep(this.#options.clock, Math.max(asked, this.#pauseMs), this.#stop.signal);
    } catch {
      // The stop ends the pause; `close` deals with what waits.
      return;
    }
    this.#isPaused = false;
    this.#pump();
  }
}
