// SPDX-License-Identifier: Apache-2.0
import { Counter, Gauge, Histogram, Registry } from 'prom-client';
import type {
  Counter as CounterContract,
  Gauge as GaugeContract,
  Histogram as HistogramContract,
  Labels,
  Meter,
  Observation,
} from '../../component/telemetry.ts';

const PREFIX = 'otelcol_';

type Read = () => readonly Observation[];

/**
 * Metrics of one service, in a registry of its own so that services side by side (tests, reload) do not
 * mix. Names carry no `_total` or unit suffix, as the Collector's default reader gives them.
 */
export class MetricsRegistry {
  readonly #registry = new Registry();
  readonly #metrics = new Map<string, Counter | Gauge | Histogram>();
  readonly #reads = new Map<string, Read[]>();

  readonly contentType: string = this.#registry.contentType;

  /** The page that is scraped (Prometheus text format 0.0.4). */
  page(): Promise<string> {
    return this.#registry.metrics();
  }

  /** A meter that adds `own` labels to everything. */
  meter(own: Labels = {}): Meter {
    return {
      counter: (name, help, labelNames) => this.#counter(own, name, help, labelNames),
      gauge: (name, help, labelNames) => this.#gauge(own, name, help, labelNames),
      histogram: (name, help, buckets, labelNames) => this.#histogram(own, name, help, buckets, labelNames),
      observe: (kind, name, help, labelNames, read) => this.#observe(own, kind, name, help, labelNames, read),
    };
  }

  #counter(own: Labels, name: string, help: string, labelNames: readonly string[] = []): CounterContract {
    const metric = this.#metric(
      name,
      Counter,
      () => new Counter(this.#describe(own, name, help, labelNames)),
    );
    // A counter that is on the page from the start makes rates and alerts work from the first event.
    if (labelNames.length === 0) metric.inc(own, 0);
    return { add: (value, labels) => metric.inc({ ...own, ...labels }, value) };
  }

  #gauge(own: Labels, name: string, help: string, labelNames: readonly string[] = []): GaugeContract {
    const metric = this.#metric(name, Gauge, () => new Gauge(this.#describe(own, name, help, labelNames)));
    return { set: (value, labels) => metric.set({ ...own, ...labels }, value) };
  }

  #histogram(
    own: Labels,
    name: string,
    help: string,
    buckets: readonly number[],
    labelNames: readonly string[] = [],
  ): HistogramContract {
    const make = (): Histogram =>
      new Histogram({ ...this.#describe(own, name, help, labelNames), buckets: [...buckets] });
    const metric = this.#metric(name, Histogram, make);
    return { record: (value, labels) => metric.observe({ ...own, ...labels }, value) };
  }

  #observe(
    own: Labels,
    kind: 'counter' | 'gauge',
    name: string,
    help: string,
    labelNames: readonly string[],
    read: Read,
  ): void {
    const withOwn: Read = () => read().map(({ value, labels }) => ({ value, labels: { ...own, ...labels } }));
    const reads = this.#reads.get(name);
    if (reads !== undefined) {
      reads.push(withOwn);
      return;
    }
    const all = [withOwn];
    this.#reads.set(name, all);
    const description = this.#describe(own, name, help, labelNames);
    const observations = (): readonly Observation[] => all.flatMap((r) => r());
    const make = (): Counter | Gauge =>
      kind === 'counter' ? readCounter(description, observations) : readGauge(description, observations);
    this.#metric(name, kind === 'counter' ? Counter : Gauge, make);
  }

  #describe(own: Labels, name: string, help: string, labelNames: readonly string[]) {
    return {
      name: PREFIX + name,
      help,
      labelNames: [...Object.keys(own), ...labelNames],
      registers: [this.#registry],
    };
  }

  /** The metric of this name, made when first asked for. Throws where the name is one of another kind. */
  #metric<M extends Counter | Gauge | Histogram>(
    name: string,
    kind: abstract new (...args: never[]) => M,
    make: () => M,
  ): M {
    const known = this.#metrics.get(name);
    if (known === undefined) {
      const made = make();
      this.#metrics.set(name, made);
      return made;
    }
    if (!(known instanceof kind)) throw new Error(`metric "${PREFIX}${name}" exists as another kind`);
    return known;
  }

  /** `target_info` with the resource of this process, the only series that carries it. */
  describeTarget(resource: Labels): void {
    const labels = Object.fromEntries(
      Object.entries(resource).map(([k, v]) => [k.replace(/[^a-zA-Z0-9_]/g, '_'), v]),
    );
    const gauge = new Gauge({
      name: 'target_info',
      help: 'Target metadata',
      labelNames: Object.keys(labels),
      registers: [this.#registry],
    });
    gauge.set(labels, 1);
  }
}

interface Description {
  readonly name: string;
  readonly help: string;
  readonly labelNames: string[];
  readonly registers: Registry[];
}

function readCounter(description: Description, read: Read): Counter {
  return new Counter({
    ...description,
    collect() {
      this.reset();
      for (const { value, labels } of read()) this.inc(labels ?? {}, value);
    },
  });
}

function readGauge(description: Description, read: Read): Gauge {
  return new Gauge({
    ...description,
    collect() {
      this.reset();
      for (const { value, labels } of read()) this.set(labels ?? {}, value);
    },
  });
}
