// SPDX-License-Identifier: Apache-2.0
import type { FileTotals } from '../../codecs/pprof/delta/file-delta.ts';
import { TotalsStore } from '../../codecs/pprof/delta/totals-store.ts';
import { batchOfSeries, rememberSeries } from '../../codecs/pyroscope/series.ts';
import type { Host, Receiver, Settings } from '../../component/component.ts';
import { statusTables } from '../../component/status-tables.ts';
import type { ReceivingConsumer } from '../../consumer/consumer.ts';
import { Cluster } from '../../discovery/cluster/cluster.ts';
import { DiscoveryManager } from '../../discovery/manager.ts';
import { type ConfiguredClient, openConfiguredClient } from '../../http-client/client.ts';
import { orAborted } from '../../internal/abort.ts';
import { type Clock, systemClock } from '../../internal/clock.ts';
import { InFlightBytes } from '../../internal/in-flight.ts';
import type { ProfilesBatch } from '../../pdata/profiles-batch.ts';
import type { LabelSet } from '../../relabel/relabel.ts';
import type { Config } from './config.ts';
import { observeScrapes, type ScrapeMetrics, scrapeMetrics } from './metrics.ts';
import { Outbox } from './outbox.ts';
import {
  type PlanSettings,
  planScrapes,
  type Refusal,
  type ScrapeJob,
  type ScrapePlan,
  seriesLabels,
} from './plan.ts';
import { allKinds } from './profiling-config.ts';
import { Schedule } from './schedule.ts';
import { type Scraped, ScrapeError, Scraper } from './scraper.ts';
import { TargetHealth } from './target-health.ts';
import { TARGET_HEADS, targetRows } from './target-table.ts';

const MIB = 1024 * 1024;
const TELL_DROPS_EVERY_MS = 60_000;

/** Scrapes pprof of targets, once an interval, and gives it to the pipeline as series of Pyroscope. */
export class PyroscopeScrapeReceiver implements Receiver {
  readonly #settings: Settings;
  readonly #config: Config;
  readonly #clock: Clock;
  readonly #planSettings: PlanSettings;
  readonly #metrics: ScrapeMetrics;
  readonly #health: TargetHealth;
  readonly #totals: TotalsStore<FileTotals>;
  readonly #inFlight: InFlightBytes;
  readonly #outbox: Outbox;
  readonly #cluster: Cluster;
  readonly #discovery: DiscoveryManager;
  readonly #schedule: Schedule<ScrapeJob>;
  /** Reasons for which targets were refused, told once each while they last. */
  #told: ReadonlySet<string> = new Set();
  /** As discovery found them, those of other members of the cluster included. */
  #targets: readonly LabelSet[] = [];
  #plan: ScrapePlan = { jobs: [], refusals: [], duplicates: 0 };
  #hide: (() => void) | undefined;
  #client: ConfiguredClient | undefined;
  #scraper: Scraper | undefined;
  /** Of the monotonic clock: when it was last told that profiles are dropped. */
  #toldDropsMs = Number.NEGATIVE_INFINITY;
  #untoldDrops = 0;

  constructor(settings: Settings, config: Config, next: ReceivingConsumer, clock: Clock = systemClock) {
    this.#settings = settings;
    this.#config = config;
    this.#clock = clock;
    this.#planSettings = planSettingsOf(settings, config);
    const { logger, meter } = settings;
    this.#metrics = scrapeMetrics(meter);
    this.#health = new TargetHealth(logger, clock);
    this.#totals = new TotalsStore(config.delta_state_max_mib * MIB, () =>
      this.#metrics.deltas.add(1, { outcome: 'evicted' }),
    );
    this.#inFlight = new InFlightBytes(config.max_in_flight_mib * MIB);
    this.#outbox = new Outbox({
      next: next.over?.('http') ?? next,
      clock,
      maxBytes: config.max_pending_mib * MIB,
      onDropped: (batch, reason, error) => this.#dropped(batch, reason, error),
      onDelivered: (ms) => this.#metrics.fanout.record(ms / 1000),
    });
    this.#cluster = new Cluster(settings, config.clustering, () => this.#replan(), { clock });
    const onTargets = (targets: readonly LabelSet[]): void => {
      this.#targets = targets;
      this.#replan();
    };
    this.#discovery = new DiscoveryManager(settings, config, onTargets, clock);
    this.#schedule = new Schedule({
      clock,
      intervalMs: config.scrape_interval,
      run: (job, signal) => this.#run(job, signal),
      onMissed: (job) => this.#metrics.missed.add(1, { profile: job.kind }),
    });
    observeScrapes(meter, {
      health: this.#health,
      outbox: this.#outbox,
      totals: this.#totals,
      plan: () => this.#plan,
    });
  }

  async start(_host: Host, _signal: AbortSignal): Promise<void> {
    const { logger, build } = this.#settings;
    this.#client = await openConfiguredClient(this.#config, { logger, clock: this.#clock });
    const agent = `${build.command}/${build.version}`;
    const maxBytes = this.#config.max_profile_size_mib * MIB;
    const first = this.#config.delta_first_profile;
    this.#scraper = new Scraper(this.#client, this.#clock, agent, { maxBytes, first });
    this.#hide = statusTables.add({
      owner: this.#settings.id.text,
      title: 'targets',
      heads: TARGET_HEADS,
      rows: () => targetRows(this.#health.statuses(), this.#plan.refusals),
    });
    await this.#cluster.start();
    await this.#discovery.start();
  }

  async shutdown(deadline: AbortSignal): Promise<void> {
    const stopping = Promise.all([this.#cluster.stop(), this.#discovery.stop(), this.#schedule.stop()]);
    try {
      await orAborted(stopping, deadline);
    } catch {
      this.#settings.logger.warn('the shutdown deadline was over while scrapes were under way');
    }
    this.#hide?.();
    this.#health.stop();
    await this.#outbox.close(deadline);
    await this.#client?.close();
    this.#client = undefined;
  }

  #replan(): void {
    const own = this.#targets.filter((target) => this.#cluster.owns(target));
    this.#plan = planScrapes(own, this.#planSettings);
    this.#tellRefusals(this.#plan.refusals);
    const { removed } = this.#schedule.update(this.#plan.jobs);
    for (const id of removed) this.#totals.delete(id);
    this.#health.update(this.#plan.jobs);
  }

  #tellRefusals(refusals: readonly Refusal[]): void {
    const byReason = new Map<string, Refusal[]>();
    for (const refusal of refusals)
      byReason.set(refusal.reason, [...(byReason.get(refusal.reason) ?? []), refusal]);
    for (const [reason, all] of byReason) {
      const [first] = all;
      if (this.#told.has(reason) || first === undefined) continue;
      this.#settings.logger.warn('targets cannot be scraped', {
        reason,
        targets: all.length,
        error: first.message,
        first: JSON.stringify(Object.fromEntries(first.target)),
      });
    }
    this.#told = new Set(byReason.keys());
  }

  async #run(job: ScrapeJob, signal: AbortSignal): Promise<void> {
    const startMs = this.#clock.now();
    const from = this.#clock.elapsed();
    const hold = this.#inFlight.open();
    let result = 'ok';
    let failure: string | undefined;
    try {
      const scraped = await this.#scraper?.scrape(job, signal, hold, this.#totals.get(job.id));
      if (scraped === undefined || signal.aborted) return;
      this.#metrics.bodyBytes.add(scraped.bodyBytes);
      if (scraped.isEmpty) result = 'empty';
      this.#handOver(job, scraped);
    } catch (error) {
      if (signal.aborted) return;
      result = error instanceof ScrapeError ? error.reason : 'internal';
      failure = error instanceof Error ? error.message : String(error);
      if (result === 'internal') this.#settings.logger.error('a scrape failed unexpectedly', { error });
    } finally {
      hold.release();
    }
    const tookMs = this.#clock.elapsed() - from;
    this.#metrics.scrapes.add(1, { profile: job.kind, result });
    this.#metrics.seconds.record(tookMs / 1000, { profile: job.kind });
    this.#health.scraped(job, startMs, tookMs, failure);
  }

  #handOver(job: ScrapeJob, { bodyBytes, made, delta }: Scraped): void {
    if (delta !== undefined) {
      this.#totals.set(job.id, delta.totals);
      this.#metrics.deltas.add(1, { outcome: delta.outcome });
    }
    if (made === undefined) return;
    const labels = seriesLabels(job);
    const batch = batchOfSeries(labels, made.batch, { privateLabels: this.#config.private_labels });
    if (made.file !== undefined) rememberSeries(batch, { labels, profiles: [made.file] });
    this.#outbox.add(batch, made.file?.length ?? bodyBytes);
  }

  #dropped(batch: ProfilesBatch, reason: string, error: unknown): void {
    this.#metrics.dropped.add(batch.sampleCount, { reason });
    this.#untoldDrops++;
    const now = this.#clock.elapsed();
    if (reason === 'shutdown' || now - this.#toldDropsMs < TELL_DROPS_EVERY_MS) return;
    this.#toldDropsMs = now;
    const profiles = this.#untoldDrops;
    this.#untoldDrops = 0;
    this.#settings.logger.error('scraped profiles are dropped', {
      reason,
      profiles,
      ...(error !== undefined && { error }),
    });
  }
}

function planSettingsOf({ id }: Settings, config: Config): PlanSettings {
  return {
    job: config.job_name || id.text,
    scheme: config.scheme,
    pathPrefix: config.profiling_config.path_prefix,
    params: new Map(Object.entries(config.params)),
    kinds: allKinds(config.profiling_config).filter(({ enabled }) => enabled),
    intervalMs: config.scrape_interval,
    timeoutMs: config.scrape_timeout,
    deltaDurationMs: config.delta_profiling_duration,
    keepsPrivate: config.private_labels === 'keep',
  };
}
