// SPDX-License-Identifier: Apache-2.0
import { PermanentError, RetryableError } from '../../consumer/consumer.ts';

/** How much an item takes of each of the two bounds. */
export interface Weight {
  /** In the unit of `sending_queue.sizer`. */
  readonly units: number;
  readonly bytes: number;
}

export interface QueueBounds {
  readonly units: number;
  readonly bytes: number;
  /** Wait for room instead of refusing. */
  readonly blockOnOverflow: boolean;
}

interface Waiter {
  readonly weight: Weight;
  settle(error?: Error): void;
}

/**
 * First in, first out, bounded in units and in bytes. An item counts until `release`, so the bound also
 * covers what is being sent.
 */
export class BoundedQueue<T> {
  readonly #bounds: QueueBounds;
  #items: (T | undefined)[] = [];
  #head = 0;
  readonly #waiters: Waiter[] = [];
  #closed = false;
  /** Units in use. */
  units = 0;
  /** Bytes in use. */
  bytes = 0;

  constructor(bounds: QueueBounds) {
    this.#bounds = bounds;
  }

  /** Items that nobody has taken yet. */
  get length(): number {
    return this.#items.length - this.#head;
  }

  /**
   * Takes room for an item that will be pushed, or rejects: RetryableError where there is none, PermanentError where
   * there can never be. With `blockOnOverflow` it waits for room until `signal` aborts.
   */
  async reserve(weight: Weight, signal: AbortSignal): Promise<void> {
    if (this.#closed) throw new RetryableError('exporter is shutting down');
    if (weight.units > this.#bounds.units) {
      throw new PermanentError(
        `batch of size ${weight.units} can never fit sending_queue.queue_size ${this.#bounds.units}; raise it, or send smaller batches`,
      );
    }
    if (this.#waiters.length > 0 || !this.#fits(weight)) {
      if (!this.#bounds.blockOnOverflow) throw new RetryableError('sending queue is full');
      await this.#room(weight, signal);
    } else this.take(weight);
  }

  /** Adds an item whose room is taken. */
  push(item: T): void {
    this.#items.push(item);
  }

  /** The oldest item; it keeps counting against the bounds until `release`. */
  shift(): T | undefined {
    if (this.length === 0) return undefined;
    const item = this.#items[this.#head];
    // The place is kept for a while; what was in it, a batch of megabytes perhaps, is not.
    this.#items[this.#head++] = undefined;
    if (this.#head > 1024 && this.#head * 2 > this.#items.length) {
      this.#items = this.#items.slice(this.#head);
      this.#head = 0;
    }
    return item;
  }

  release(weight: Weight): void {
    this.units -= weight.units;
    this.bytes -= weight.bytes;
    this.#admit();
  }

  /** Gives room to those who wait for it, in their order. */
  #admit(): void {
    for (
      let next = this.#waiters[0];
      next !== undefined && this.#fits(next.weight);
      next = this.#waiters[0]
    ) {
      this.#waiters.shift();
      this.take(next.weight);
      next.settle();
    }
  }

  /** Refuses new items, also those that wait for room; what is inside stays to be taken. */
  close(): void {
    this.#closed = true;
    for (const waiter of this.#waiters.splice(0))
      waiter.settle(new RetryableError('exporter is shutting down'));
  }

  // A batch over the byte bound passes when it is alone: refusing it forever would help nobody.
  #fits(weight: Weight): boolean {
    const { units, bytes } = this.#bounds;
    return this.units + weight.units <= units && (this.bytes === 0 || this.bytes + weight.bytes <= bytes);
  }

  /** Takes room whether there is any or not. */
  take(weight: Weight): void {
    this.units += weight.units;
    this.bytes += weight.bytes;
  }

  #room(weight: Weight, signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const onAbort = (): void => {
        const at = this.#waiters.indexOf(waiter);
        if (at >= 0) this.#waiters.splice(at, 1);
        waiter.settle(
          new RetryableError('gave up waiting for room in the sending queue', { cause: signal.reason }),
        );
        // Who waits behind it may need less.
        this.#admit();
      };
      const waiter: Waiter = {
        weight,
        settle(error) {
          signal.removeEventListener('abort', onAbort);
          if (error === undefined) resolve();
          else reject(error);
        },
      };
      if (signal.aborted) {
        onAbort();
        return;
      }
      signal.addEventListener('abort', onAbort, { once: true });
      this.#waiters.push(waiter);
    });
  }
}
