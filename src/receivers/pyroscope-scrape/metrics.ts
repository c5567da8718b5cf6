// SPDX-License-Identifier: Apache-2.0
import type { Counter, Histogram, Meter } from '../../component/telemetry.ts';
import type { Outbox } from './outbox.ts';
import type { ScrapePlan } from './plan.ts';
import type { TargetHealth } from './target-health.ts';
import type { FileTotals } from '../../codecs/pprof/delta/file-delta.ts';
import type { TotalsStore } from '../../codecs/pprof/delta/totals-store.ts';

const SCRAPE_SECONDS = [0.005, 0.025, 0.1, 0.5, 1, 2.5, 5, 10, 15, 30, 60];
const FANOUT_SECONDS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];

/** What is counted of scrapes. */
export interface ScrapeMetrics {
  /** By kind of profile, and `ok`, `empty` or the reason of a failure. */
  readonly scrapes: Counter;
  readonly missed: Counter;
  readonly seconds: Histogram;
  readonly bodyBytes: Counter;
  readonly deltas: Counter;
  readonly dropped: Counter;
  /** Alloy's, for dashboards that show it. */
  readonly fanout: Histogram;
}

export function scrapeMetrics(meter: Meter): ScrapeMetrics {
  return {
    scrapes: meter.counter('receiver_scrapes', 'Number of scrapes by their outcome', ['profile', 'result']),
    missed: meter.counter(
      'receiver_scrape_missed',
      'Number of scrapes that did not take place because the one before had not ended or time was lost',
      ['profile'],
    ),
    seconds: meter.histogram(
      'receiver_scrape_duration_seconds',
      'Time from the request to the decoded profile',
      SCRAPE_SECONDS,
      ['profile'],
    ),
    bodyBytes: meter.counter('receiver_scrape_body_bytes', 'Number of bytes of profiles as they came'),
    deltas: meter.counter(
      'receiver_scrape_deltas',
      'Number of profiles of which the difference to the last was computed, by whether there was one',
      ['outcome'],
    ),
    dropped: meter.counter(
      'receiver_scrape_dropped_samples',
      'Number of samples that were scraped and did not get into the pipeline',
      ['reason'],
    ),
    fanout: meter.bare.histogram(
      'pyroscope_fanout_latency',
      'Write latency for sending to direct and indirect components',
      FANOUT_SECONDS,
    ),
  };
}

/** What is read when somebody asks. */
export function observeScrapes(
  meter: Meter,
  parts: {
    readonly health: TargetHealth;
    readonly outbox: Outbox;
    readonly totals: TotalsStore<FileTotals>;
    readonly plan: () => ScrapePlan;
  },
): void {
  const { health, outbox, totals, plan } = parts;
  meter.observe('gauge', 'receiver_scrape_targets', 'Number of targets by how they are', ['health'], () =>
    Object.entries(health.counts()).map(([name, value]) => ({ value, labels: { health: name } })),
  );
  meter.observe(
    'gauge',
    'receiver_scrape_refused_targets',
    'Number of targets that cannot be scraped',
    ['reason'],
    () => {
      const reasons = new Map<string, number>();
      for (const { reason } of plan().refusals) reasons.set(reason, (reasons.get(reason) ?? 0) + 1);
      return [...reasons].map(([reason, value]) => ({ value, labels: { reason } }));
    },
  );
  meter.observe('gauge', 'receiver_scrape_jobs', 'Number of profiles that are scraped', [], () => [
    { value: plan().jobs.length },
  ]);
  meter.observe(
    'gauge',
    'receiver_scrape_delta_state_bytes',
    'Memory for the last totals of targets',
    [],
    () => [{ value: totals.sizeBytes }],
  );
  meter.observe(
    'gauge',
    'receiver_scrape_pending_bytes',
    'Profiles that the pipeline has not taken yet, in bytes as they came',
    [],
    () => [{ value: outbox.sizeBytes }],
  );
}
