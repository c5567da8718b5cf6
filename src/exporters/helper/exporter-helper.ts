// SPDX-License-Identifier: Apache-2.0
import type { Exporter, Host, Settings } from '../../component/component.ts';
import type { SendingQueueConfig } from '../../config/sections/queue.ts';
import type { RetryOnFailureConfig } from '../../config/sections/retry.ts';
import { RetryableError } from '../../consumer/consumer.ts';
import { type Clock, systemClock } from '../../internal/clock.ts';
import { deferred } from '../../internal/deferred.ts';
import type { ProfilesBatch } from '../../pdata/profiles-batch.ts';
import { batchSizeBytes } from '../../pdata/batch-size.ts';
import { BoundedQueue, type Weight } from './bounded-queue.ts';
import { type Delivery, type Quantity, quantityOf } from './delivery.ts';
import { observeQueue } from './exporter-metrics.ts';
import { Sender } from './sender.ts';

/** How an exporter wants to be helped. What is left out is off. */
export interface HelperOptions {
  readonly queue?: SendingQueueConfig | undefined;
  readonly retry?: RetryOnFailureConfig | undefined;
  /** Milliseconds per attempt; 0 or nothing = no limit. */
  readonly timeout?: number | undefined;
  /** Opens connections; a rejection fails the start of the collector. */
  start?(host: Host, signal: AbortSignal): Promise<void>;
  /** Closes them; called once, after the last attempt. */
  shutdown?(): Promise<void>;
  readonly clock?: Clock;
  readonly random?: () => number;
  /** Bound on the memory of queued batches; the default is 256 MiB. */
  readonly maxQueuedBytes?: number;
}

/** Sends one batch, as a whole: called again for each attempt. Errors and `signal` as in `Delivery`. */
export type Send = (batch: ProfilesBatch, signal: AbortSignal) => Promise<void>;

/** An exporter that can be told that its destination is back. */
export interface HelpedExporter extends Exporter {
  /** Ends the backoff of everything that waits for a retry, save where the other side named a time. */
  retryNow(): void;
}

const MAX_QUEUED_BYTES = 256 * 1024 * 1024;
const NO_RETRY: RetryOnFailureConfig = {
  enabled: false,
  initial_interval: 0,
  randomization_factor: 0,
  multiplier: 1,
  max_interval: 0,
  max_elapsed_time: 0,
};
const NO_QUEUE: SendingQueueConfig = {
  enabled: false,
  num_consumers: 1,
  queue_size: 1,
  sizer: 'requests',
  block_on_overflow: false,
  wait_for_result: false,
};

/**
 * An exporter around `send`: bounded queue, retry with backoff, timeout per attempt, metrics and logs as
 * the Collector's exporterhelper has them. See README.md beside this file.
 */
export function createExporterHelper(settings: Settings, options: HelperOptions, send: Send): HelpedExporter {
  return createDeliveringExporter(settings, options, (batch) => ({
    attempt: (signal) => send(batch, signal),
  }));
}

/** The same for exporters whose deliveries remember what is encoded and which parts have arrived. */
export function createDeliveringExporter(
  settings: Settings,
  options: HelperOptions,
  open: (batch: ProfilesBatch) => Delivery,
): HelpedExporter {
  return new QueueingExporter(settings, options, open);
}

interface Item {
  readonly batch: ProfilesBatch;
  readonly weight: Weight;
  readonly quantity: Quantity;
  readonly done: ((error?: unknown) => void) | undefined;
}

class QueueingExporter implements HelpedExporter {
  readonly #options: HelperOptions;
  readonly #config: SendingQueueConfig;
  readonly #open: (batch: ProfilesBatch) => Delivery;
  readonly #queue: BoundedQueue<Item>;
  readonly #sender: Sender;
  /** Aborts what is on its way when the deadline of shutdown has passed. */
  readonly #abandon = new AbortController();
  #inFlight = 0;
  #onIdle: (() => void) | undefined;
  #shutdown: Promise<void> | undefined;

  constructor(settings: Settings, options: HelperOptions, open: (batch: ProfilesBatch) => Delivery) {
    this.#options = options;
    this.#config = options.queue ?? NO_QUEUE;
    this.#open = open;
    this.#queue = new BoundedQueue({
      units: this.#config.queue_size,
      bytes: options.maxQueuedBytes ?? MAX_QUEUED_BYTES,
      blockOnOverflow: this.#config.block_on_overflow,
    });
    this.#sender = new Sender(settings, {
      retry: options.retry ?? NO_RETRY,
      timeoutMs: options.timeout ?? 0,
      clock: options.clock ?? systemClock,
      random: options.random ?? Math.random,
    });
    observeQueue(settings.meter, this.#config.enabled, () => ({
      size: this.#queue.units,
      capacity: this.#config.queue_size,
      bytes: this.#queue.bytes,
      inFlight: this.#inFlight,
    }));
  }

  async start(host: Host, signal: AbortSignal): Promise<void> {
    await this.#options.start?.(host, signal);
  }

  retryNow(): void {
    this.#sender.retryNow();
  }

  async consumeProfiles(batch: ProfilesBatch, signal: AbortSignal): Promise<void> {
    const quantity = quantityOf(batch);
    if (quantity.samples === 0 && batch.profiles().next().done === true) return;
    if (this.#config.enabled) await this.#enqueue(batch, quantity, signal);
    else await this.#sendNow(batch, quantity, signal);
  }

  async #sendNow(batch: ProfilesBatch, quantity: Quantity, signal: AbortSignal): Promise<void> {
    if (this.#shutdown !== undefined) throw new RetryableError('exporter is shutting down');
    const either = new AbortController();
    const sources = [signal, this.#abandon.signal];
    const onAbort = (): void => either.abort(sources.find((s) => s.aborted)?.reason);
    for (const source of sources) source.addEventListener('abort', onAbort, { once: true });
    if (signal.aborted) onAbort();
    this.#inFlight++;
    try {
      await this.#sender.deliver(this.#open(batch), quantity, either.signal);
    } finally {
      for (const source of sources) source.removeEventListener('abort', onAbort);
      this.#finishOne();
    }
  }

  async #enqueue(batch: ProfilesBatch, quantity: Quantity, signal: AbortSignal): Promise<void> {
    const bytes = batchSizeBytes(batch);
    const { sizer } = this.#config;
    const weight = { units: sizer === 'requests' ? 1 : sizer === 'items' ? quantity.samples : bytes, bytes };
    const wait = this.#config.wait_for_result ? deferred() : undefined;
    const done =
      wait && ((error?: unknown): void => (error === undefined ? wait.resolve() : wait.reject(error)));
    try {
      await this.#queue.offer({ batch, weight, quantity, done }, weight, signal);
    } catch (error) {
      this.#sender.metrics.enqueueFailed(quantity);
      this.#sender.log.refused(error, quantity);
      throw error;
    }
    this.#pump();
    await wait?.promise;
  }

  /** Starts sending while there is something to send and a consumer to send it. */
  #pump(): void {
    while (this.#inFlight < this.#config.num_consumers) {
      const item = this.#queue.shift();
      if (item === undefined) return;
      this.#inFlight++;
      void this.#consume(item);
    }
  }

  /** Never rejects: the sender has counted and logged what failed. */
  async #consume(item: Item): Promise<void> {
    try {
      if (this.#abandon.signal.aborted) {
        this.#sender.abandon(item.quantity);
        item.done?.(this.#abandon.signal.reason);
      } else {
        await this.#sender.deliver(this.#open(item.batch), item.quantity, this.#abandon.signal);
        item.done?.();
      }
    } catch (error) {
      item.done?.(error);
    } finally {
      this.#queue.release(item.weight);
      this.#finishOne();
      this.#pump();
    }
  }

  #finishOne(): void {
    this.#inFlight--;
    if (this.#inFlight === 0 && this.#queue.length === 0) this.#onIdle?.();
  }

  shutdown(deadline: AbortSignal): Promise<void> {
    this.#shutdown ??= this.#drain(deadline);
    return this.#shutdown;
  }

  async #drain(deadline: AbortSignal): Promise<void> {
    const onDeadline = (): void =>
      this.#abandon.abort(new RetryableError('shut down before it could be sent'));
    deadline.addEventListener('abort', onDeadline, { once: true });
    if (deadline.aborted) onDeadline();
    this.#queue.close();
    this.#sender.stopRetrying();
    if (this.#inFlight > 0 || this.#queue.length > 0) {
      await new Promise<void>((resolve) => {
        this.#onIdle = resolve;
        this.#pump();
      });
    }
    deadline.removeEventListener('abort', onDeadline);
    this.#sender.finish();
    await this.#options.shutdown?.();
  }
}
