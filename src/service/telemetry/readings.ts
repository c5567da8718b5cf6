// SPDX-License-Identifier: Apache-2.0
import type { Labels } from '../../component/telemetry.ts';

/** One series of a counter or gauge. */
export interface NumberPoint {
  readonly labels: Labels;
  readonly value: number;
}

/** One series of a histogram: `counts` has one entry more than `bounds`, for what lies above the last. */
export interface HistogramPoint {
  readonly labels: Labels;
  readonly bounds: readonly number[];
  readonly counts: readonly number[];
  readonly sum: number;
}

/** A metric with all its series as they are now. Sums and histograms count from the start of the process. */
export type MetricReading = {
  readonly name: string;
  readonly help: string;
  /** UCUM, or "" where the metric has none. */
  readonly unit: string;
  /** Read when it is asked for, and not counted by us. */
  readonly isObserved: boolean;
} & (
  | { readonly kind: 'counter' | 'gauge'; readonly points: readonly NumberPoint[] }
  | { readonly kind: 'histogram'; readonly points: readonly HistogramPoint[] }
);

/** What prom-client gives of a metric. */
interface PromMetric {
  readonly name: string;
  readonly help: string;
  readonly type: unknown;
  readonly values: readonly {
    readonly value: number;
    readonly labels: Readonly<Partial<Record<string, string | number>>>;
    readonly metricName?: string;
  }[];
}

/** Prometheus' form of the resource, which OTLP has a place of its own for. */
const TARGET_INFO = 'target_info';

/** What is sent of a registry; metrics without any series are left out. */
export function readingsOf(
  metrics: readonly PromMetric[],
  isObserved: (name: string) => boolean,
): MetricReading[] {
  return metrics
    .filter(({ name, values }) => name !== TARGET_INFO && values.length > 0)
    .map((metric) => {
      const { name, help, values } = metric;
      const described = { name, help, unit: unitOf(name), isObserved: isObserved(name) };
      if (metric.type === 'histogram') return { ...described, kind: 'histogram', points: histograms(metric) };
      const kind = metric.type === 'counter' ? 'counter' : 'gauge';
      const points = values.map(({ value, labels }) => ({ value, labels: texts(labels) }));
      return { ...described, kind, points };
    });
}

/** Units of the Collector's metrics whose names do not say them. */
const UNITS: Readonly<Record<string, string>> = { process_memory_rss: 'By', process_uptime: 's' };

/** The unit that a name says, for example "By" of `…_bytes`; "" where it says none. */
export function unitOf(name: string): string {
  const known = UNITS[name.replace(/^otelcol_/, '')];
  if (known !== undefined) return known;
  return name.endsWith('_bytes') ? 'By' : name.endsWith('_seconds') ? 's' : '';
}

function texts(labels: Readonly<Partial<Record<string, string | number>>>): Labels {
  return Object.fromEntries(Object.entries(labels).map(([name, value]) => [name, String(value)]));
}

/** Prometheus' buckets each hold what is in the smaller ones too. */
function histograms({ name, values }: PromMetric): HistogramPoint[] {
  const series = new Map<string, { labels: Labels; bounds: number[]; below: number[]; sum: number }>();
  for (const { value, labels, metricName } of values) {
    const { le, ...rest } = texts(labels);
    const key = seriesKey(rest);
    let one = series.get(key);
    if (one === undefined) series.set(key, (one = { labels: rest, bounds: [], below: [], sum: 0 }));
    if (metricName === `${name}_sum`) one.sum = value;
    if (metricName !== `${name}_bucket`) continue;
    if (le !== '+Inf') one.bounds.push(Number(le));
    one.below.push(value);
  }
  return [...series.values()].map(({ labels, bounds, below, sum }) => {
    const counts = below.map((count, index) => count - (below[index - 1] ?? 0));
    return { labels, bounds, counts, sum };
  });
}

/** The same for the same labels, in whatever order. */
export function seriesKey(labels: Labels): string {
  return JSON.stringify(Object.entries(labels).sort(([a], [b]) => (a < b ? -1 : 1)));
}
