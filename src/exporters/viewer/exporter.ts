// SPDX-License-Identifier: Apache-2.0
import { setImmediate as turn } from 'node:timers/promises';
import type { Exporter, Host, Settings } from '../../component/component.ts';
import type { Counter } from '../../component/telemetry.ts';
import { type Clock, repeat, systemClock, type Timer } from '../../internal/clock.ts';
import { isLoopback, parseHostPort } from '../../internal/endpoint.ts';
import { type HttpServer, listenHttp } from '../../internal/http-server.ts';
import type { ProfilesBatch } from '../../pdata/profiles-batch.ts';
import { type Asset, loadAssets, webFolder } from './assets.ts';
import type { Config } from './config.ts';
import { EventStreams } from './events.ts';
import { ingest } from './ingest.ts';
import { viewerHandler } from './server.ts';
import { ProfileStore } from './store.ts';

const TRIM_MS = 5000;
const MAX_CONNECTIONS = 128;

/**
 * Keeps the last minutes of profiles in memory and shows them on a page. It takes every batch: what does
 * not fit the budget pushes out the oldest and is counted.
 */
export class ViewerExporter implements Exporter {
  readonly #settings: Settings;
  readonly #config: Config;
  readonly #clock: Clock;
  readonly #store: ProfileStore;
  readonly #events: EventStreams;
  readonly #counts = { batches: 0, events: 0, lastArrivalMs: 0 };
  readonly #misplaced: Counter;
  #server: HttpServer | undefined;
  #trimming: Timer | undefined;

  constructor(settings: Settings, config: Config, clock: Clock = systemClock) {
    this.#settings = settings;
    this.#config = config;
    this.#clock = clock;
    this.#store = new ProfileStore({ maxBytes: config.max_bytes, retentionMs: config.retention });
    this.#events = new EventStreams(clock);
    this.#misplaced = settings.meter.counter(
      'exporter_viewer_misplaced_samples',
      'Samples whose own time lay outside of the retention; shown at their arrival',
    );
    this.#observe();
  }

  /** Where the page is, once started. */
  get url(): string | undefined {
    return this.#server?.url;
  }

  async start(_host: Host, _signal: AbortSignal): Promise<void> {
    const { logger } = this.#settings;
    const assets = await this.#loadAssets();
    const { host } = parseHostPort(this.#config.endpoint);
    const hosts = new Set([host, ...this.#config.allowed_hosts].map((name) => name.toLowerCase()));
    this.#server = await listenHttp(
      {
        endpoint: this.#config.endpoint,
        maxConnections: MAX_CONNECTIONS,
        requestTimeoutMs: 10_000,
        onError: (error) => logger.error('viewer request failed', { error }),
      },
      viewerHandler({
        store: this.#store,
        assets,
        hosts,
        events: this.#events,
        counts: this.#counts,
        now: () => this.#clock.now(),
      }),
    );
    this.#trimming = repeat(this.#clock, TRIM_MS, () => this.#store.trim(this.#clock.now()));
    logger.info(`live page at ${this.#server.url}`);
    if (!isLoopback(host)) {
      logger.warn('the viewer shows profiles without authentication to everyone who can reach its endpoint', {
        endpoint: this.#config.endpoint,
        instead: 'endpoint "localhost:4041" and a tunnel, for example "kubectl port-forward"',
      });
    }
  }

  async shutdown(deadline: AbortSignal): Promise<void> {
    this.#trimming?.cancel();
    this.#events.close();
    await this.#server?.close(deadline);
  }

  async consumeProfiles(batch: ProfilesBatch, _signal: AbortSignal): Promise<void> {
    const steps = ingest(this.#store, batch, () => this.#clock.now());
    let step = steps.next();
    while (step.done !== true) {
      await turn();
      step = steps.next();
    }
    this.#counts.batches++;
    this.#counts.events += step.value.events;
    this.#counts.lastArrivalMs = this.#clock.now();
    if (step.value.misplaced > 0) this.#misplaced.add(step.value.misplaced);
    this.#events.notify();
  }

  async #loadAssets(): Promise<ReadonlyMap<string, Asset>> {
    try {
      return await loadAssets(webFolder());
    } catch (cause) {
      throw new Error('viewer: the page is not built, run "node scripts/build-web.mjs"', { cause });
    }
  }

  #observe(): void {
    const { meter } = this.#settings;
    const store = this.#store;
    const one = (value: number): readonly { value: number }[] => [{ value }];
    meter.observe('gauge', 'exporter_viewer_bytes', 'Memory held for samples, estimated', [], () =>
      one(store.bytes),
    );
    meter.observe('gauge', 'exporter_viewer_slices', 'Time slices held', [], () => one(store.sliceCount));
    meter.observe('gauge', 'exporter_viewer_samples', 'Samples held', [], () => one(store.eventCount));
    meter.observe(
      'counter',
      'exporter_viewer_evicted_slices',
      'Time slices dropped before their time because of max_bytes',
      [],
      () => one(store.evictedSlices),
    );
    meter.observe(
      'counter',
      'exporter_viewer_evicted_samples',
      'Samples in slices dropped because of max_bytes',
      [],
      () => one(store.evictedEvents),
    );
  }
}
