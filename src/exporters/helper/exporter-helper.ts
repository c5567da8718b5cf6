// SPDX-License-Identifier: Apache-2.0
import type { Context } from '@opentelemetry/api';
import type { Host, Settings } from '../../component/component.ts';
import { clientAuthenticator } from '../../component/authenticator.ts';
import {
  clientMetadata,
  type ClientMetadata,
  metadataKey,
  pickMetadata,
  withClientMetadata,
} from '../../component/client-metadata.ts';
import { currentContext } from '../../component/spans.ts';
import type { StoredRecord } from '../../component/storage.ts';
import type { SendingQueueConfig } from '../../config/sections/queue.ts';
import { RetryableError } from '../../consumer/consumer.ts';
import { type Clock, systemClock } from '../../internal/clock.ts';
import { deferred } from '../../internal/deferred.ts';
import type { ProfilesBatch } from '../../pdata/profiles-batch.ts';
import { batchSizeBytes } from '../../pdata/batch-size.ts';
import { joined, type Pack } from '../../pdata/repack.ts';
import { Batchers } from './batcher.ts';
import { BoundedQueue, type Weight } from './bounded-queue.ts';
import { type Delivery, type Quantity, quantityOf, sumOf } from './delivery.ts';
import { observeQueue } from './exporter-metrics.ts';
import { type HelpedExporter, type HelperOptions, NO_QUEUE, NO_RETRY, type Send } from './helper-options.ts';
import { type Item, originsOf, outcomeOf } from './queue-item.ts';
import { KeptError, Sender } from './sender.ts';
import { type StoredBatch, StoredQueue } from './stored-queue.ts';

const MAX_QUEUED_BYTES = 256 * 1024 * 1024;
/** Of what is stored, so much stays in memory too: what moves on at once is not read again. */
const MAX_STORED_IN_MEMORY_BYTES = 32 * 1024 * 1024;

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

class QueueingExporter implements HelpedExporter {
  readonly #settings: Settings;
  readonly #options: HelperOptions;
  readonly #config: SendingQueueConfig;
  readonly #open: (batch: ProfilesBatch) => Delivery;
  readonly #queue: BoundedQueue<Item>;
  readonly #sender: Sender;
  /** Aborts what is on its way when the deadline of shutdown has passed. */
  readonly #abandon = new AbortController();
  readonly #clock: Clock;
  /** In the order of acceptance, until delivered, given up or, at a shutdown, left in the storage. */
  readonly #accepted = new Set<Item>();
  #stays = { batches: 0, samples: 0 };
  #store: StoredQueue | undefined;
  readonly #batcher: Batchers<Item> | undefined;
  /** Of what clients said beside their profiles, this is kept. */
  #metadataNames: readonly string[];
  /** Requests of joined batches that wait for a consumer. */
  readonly #packs: Pack<Item>[] = [];
  /** A stored batch is being read, to be joined with others. */
  #isFeeding = false;
  #inFlight = 0;
  #onIdle: (() => void) | undefined;
  #isStopping = false;
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
    this.#settings = settings;
    this.#clock = options.clock ?? systemClock;
    this.#sender = new Sender(settings, {
      retry: options.retry ?? NO_RETRY,
      timeoutMs: options.timeout ?? 0,
      clock: this.#clock,
      random: options.random ?? Math.random,
    });
    const { batch } = this.#config;
    this.#metadataNames = batch?.partition.metadata_keys ?? [];
    this.#batcher = batch && new Batchers(batch, this.#clock, () => this.#pump());
    observeQueue(settings.meter, this.#config.enabled, () => ({
      size: this.#queue.units,
      capacity: this.#config.queue_size,
      bytes: this.#queue.bytes,
      inFlight: this.#inFlight,
      ageSeconds: this.#ageSeconds(),
    }));
  }

  async start(host: Host, signal: AbortSignal): Promise<void> {
    const { enabled, storage } = this.#config;
    if (enabled && typeof storage === 'string') await this.#recover(host, storage);
    await this.#options.start?.(host, signal);
    const needed = clientAuthenticator(host, this.#options.auth)?.metadataNames ?? [];
    this.#metadataNames = [...new Set([...this.#metadataNames, ...needed])];
    this.#pump();
  }

  async #recover(host: Host, storage: string): Promise<void> {
    this.#store = await StoredQueue.open(this.#settings, host, storage);
    let samples = 0;
    for (const record of this.#store.recovered) {
      const quantity = record.counts;
      const weight = { units: this.#units(quantity, record.bytes), bytes: 0 };
      this.#queue.take(weight);
      this.#accept({
        batch: undefined,
        record,
        acceptedMs: this.#clock.elapsed(),
        weight,
        quantity,
        metadata: undefined,
        done: undefined,
        origin: undefined,
        openSamples: quantity.samples,
        failedSamples: 0,
        error: undefined,
      });
      samples += quantity.samples;
    }
    const batches = this.#store.recovered.length;
    if (batches > 0)
      this.#settings.logger.info('found what an earlier run had left to deliver', { batches, samples });
  }

  #units(quantity: Quantity, bytes: number): number {
    const { sizer } = this.#config;
    return sizer === 'requests' ? 1 : sizer === 'items' ? quantity.samples : bytes;
  }

  #accept(item: Item): void {
    this.#accepted.add(item);
    this.#queue.push(item);
  }

  #ageSeconds(): number {
    for (const { acceptedMs } of this.#accepted) return (this.#clock.elapsed() - acceptedMs) / 1000;
    return 0;
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
    if (this.#isStopping) throw new RetryableError('exporter is shutting down');
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
    const stays = this.#store === undefined || this.#queue.bytes + bytes <= MAX_STORED_IN_MEMORY_BYTES;
    const weight = { units: this.#units(quantity, bytes), bytes: stays ? bytes : 0 };
    const metadata = pickMetadata(clientMetadata(), this.#metadataNames);
    const wait = this.#config.wait_for_result ? deferred() : undefined;
    const done =
      wait && ((error?: unknown): void => (error === undefined ? wait.resolve() : wait.reject(error)));
    try {
      await this.#queue.reserve(weight, signal);
      const record = this.#store && (await this.#keep(this.#store, batch, metadata, quantity, weight));
      this.#accept({
        batch: stays ? batch : undefined,
        record,
        acceptedMs: this.#clock.elapsed(),
        weight,
        quantity,
        metadata,
        done,
        origin: currentContext(),
        openSamples: quantity.samples,
        failedSamples: 0,
        error: undefined,
      });
    } catch (error) {
      this.#sender.metrics.enqueueFailed(quantity);
      this.#sender.log.refused(error, quantity);
      throw error;
    }
    this.#pump();
    await wait?.promise;
  }

  /** Stores a batch whose room is taken. */
  async #keep(
    store: StoredQueue,
    batch: ProfilesBatch,
    metadata: ClientMetadata | undefined,
    quantity: Quantity,
    weight: Weight,
  ): Promise<StoredRecord> {
    try {
      return await store.append(batch, quantity, metadata);
    } catch (error) {
      this.#queue.release(weight);
      throw error;
    }
  }

  /** Starts sending while there is something to send and a consumer to send it. */
  #pump(): void {
    while (this.#inFlight < this.#config.num_consumers) {
      const pack = this.#batcher && this.#nextPack(this.#batcher);
      if (pack !== undefined) {
        this.#inFlight++;
        void this.#sendPack(pack);
        continue;
      }
      if (this.#isFeeding || !this.#mayDrain) break;
      const item = this.#queue.shift();
      if (item === undefined) break;
      // What has no samples belongs to nobody once it is joined with others.
      if (this.#batcher !== undefined && item.openSamples > 0) {
        void this.#feed(this.#batcher, item);
      } else {
        this.#inFlight++;
        void this.#consume(item);
      }
    }
    if (this.#isStopping && this.#batcher?.isEmpty === false && !this.#batcher.isReady) this.#batcher.flush();
  }

  #nextPack(batcher: Batchers<Item>): Pack<Item> | undefined {
    if (this.#packs.length === 0 && batcher.isReady) this.#packs.push(...batcher.take());
    return this.#packs.shift();
  }

  /** Puts an item to those that are joined. At once where it is in memory, so that order is kept. */
  async #feed(batcher: Batchers<Item>, item: Item): Promise<void> {
    const add = ({ batch, metadata }: StoredBatch): void => {
      item.metadata = metadata;
      batcher.add(metadataKey(metadata), { batch, runs: [{ owner: item, samples: item.quantity.samples }] });
    };
    const { batch, record, metadata } = item;
    if (batch !== undefined || record === undefined) {
      if (batch !== undefined) add({ batch, metadata });
      return;
    }
    this.#isFeeding = true;
    try {
      add(await this.#read(record, item.quantity));
    } catch (error) {
      this.#settle(item, error);
    } finally {
      this.#isFeeding = false;
      this.#pump();
      this.#tellIfIdle();
    }
  }

  /** Sends what several items were joined to. Never rejects. */
  async #sendPack(pack: Pack<Item>): Promise<void> {
    const runs = pack.flatMap((piece) => piece.runs);
    const isStored = runs.some(({ owner }) => owner.record !== undefined);
    let error: unknown;
    try {
      this.#refuseWhenOver(sumOf(pack.map((piece) => quantityOf(piece.batch))), isStored);
      const batch = await this.#joined(pack);
      // Joined is only what has the same.
      const metadata = runs[0]?.owner.metadata;
      const send = () => this.#send(batch, quantityOf(batch), isStored, originsOf(runs));
      await withClientMetadata(metadata, send);
    } catch (cause) {
      error = cause;
    }
    for (const { owner, samples } of runs) {
      owner.openSamples -= samples;
      if (error !== undefined) owner.failedSamples += samples;
      // What stays in the storage stays as a whole.
      if (!(owner.error instanceof KeptError))
        owner.error = error instanceof KeptError ? error : (owner.error ?? error);
      if (owner.openSamples === 0) this.#settle(owner, outcomeOf(owner));
    }
    this.#finishOne();
    this.#pump();
  }

  async #joined(pack: Pack<Item>): Promise<ProfilesBatch> {
    try {
      return (await joined(pack)).batch;
    } catch (error) {
      for (const { batch } of pack) this.#sender.giveUp(error, quantityOf(batch));
      throw error;
    }
  }

  /** Sends one item. Never rejects. */
  async #consume(item: Item): Promise<void> {
    const { batch, record, metadata, quantity } = item;
    let error: unknown;
    try {
      const known = batch ? { batch, metadata } : record && (await this.#read(record, quantity));
      if (known !== undefined) {
        const origins = originsOf([{ owner: item }]);
        const send = () => this.#send(known.batch, quantity, record !== undefined, origins);
        await withClientMetadata(known.metadata, send);
      }
    } catch (cause) {
      error = cause;
    }
    this.#settle(item, error);
    this.#finishOne();
    this.#pump();
  }

  /** Rejects where not everything was delivered; the loss is counted and told then. */
  async #send(
    batch: ProfilesBatch,
    quantity: Quantity,
    isStored: boolean,
    origins: readonly Context[],
  ): Promise<void> {
    this.#refuseWhenOver(quantity, isStored);
    await this.#sender.deliver(this.#open(batch), quantity, this.#abandon.signal, isStored, origins);
  }

  /** Throws when the time of the shutdown is over: nothing is joined or sent any more. */
  #refuseWhenOver(quantity: Quantity, isStored: boolean): void {
    const { signal } = this.#abandon;
    if (!signal.aborted) return;
    if (isStored) throw new KeptError('not sent before the shutdown', { cause: signal.reason });
    this.#sender.abandon(quantity);
    throw signal.reason;
  }

  /** The outcome of an item is known. What is stored is removed once it is delivered, or can never be. */
  #settle(item: Item, error: unknown): void {
    if (error instanceof KeptError) this.#noteStays(item.quantity);
    else if (item.record !== undefined) this.#store?.remove(item.record);
    item.done?.(error);
    this.#accepted.delete(item);
    this.#queue.release(item.weight);
  }

  async #read(record: StoredRecord, quantity: Quantity): Promise<StoredBatch> {
    if (this.#store === undefined) throw new Error('there is no storage');
    try {
      return await this.#store.read(record);
    } catch (error) {
      this.#sender.giveUp(error, quantity);
      throw error;
    }
  }

  #finishOne(): void {
    this.#inFlight--;
    this.#tellIfIdle();
  }

  #tellIfIdle(): void {
    if (this.#isIdle) this.#onIdle?.();
  }

  get #isIdle(): boolean {
    const isBatching = this.#isFeeding || this.#packs.length > 0 || this.#batcher?.isEmpty === false;
    return this.#inFlight === 0 && !isBatching && !this.#mayDrain;
  }

  /** Whether there is something to send. At a shutdown what is stored stays where it is. */
  get #mayDrain(): boolean {
    return this.#queue.length > 0 && (!this.#isStopping || this.#store === undefined);
  }

  #noteStays({ samples }: Quantity): void {
    this.#stays.batches++;
    this.#stays.samples += samples;
  }

  #tellWhatStays(): void {
    for (const { record, quantity } of this.#accepted) if (record !== undefined) this.#noteStays(quantity);
    if (this.#stays.batches === 0) return;
    this.#settings.logger.info('what is not delivered stays in the storage', this.#stays);
  }

  shutdown(deadline: AbortSignal): Promise<void> {
    this.#shutdown ??= this.#drain(deadline);
    return this.#shutdown;
  }

  async #drain(deadline: AbortSignal): Promise<void> {
    this.#isStopping = true;
    const onDeadline = (): void =>
      this.#abandon.abort(new RetryableError('shut down before it could be sent'));
    const until = this.#options.stopLimit?.begin(deadline) ?? deadline;
    until.addEventListener('abort', onDeadline, { once: true });
    if (until.aborted) onDeadline();
    this.#queue.close();
    this.#sender.stopRetrying();
    if (!this.#isIdle) {
      await new Promise<void>((resolve) => {
        this.#onIdle = resolve;
        this.#pump();
      });
    }
    until.removeEventListener('abort', onDeadline);
    this.#options.stopLimit?.end();
    this.#sender.finish();
    this.#tellWhatStays();
    await this.#store?.close();
    await this.#options.shutdown?.();
  }
}
