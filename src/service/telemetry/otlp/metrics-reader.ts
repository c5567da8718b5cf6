// SPDX-License-Identifier: Apache-2.0
import type { PeriodicConfig } from '../../../config/telemetry-export.ts';
import { type Clock, repeat, type Timer } from '../../../internal/clock.ts';
import { type HistogramPoint, type MetricReading, type NumberPoint, seriesKey } from '../readings.ts';
import type { ExportReport } from './export-report.ts';
import { toNs } from './message.ts';
import { encodeMetrics, type TimedReading } from './metrics-message.ts';
import type { Origin } from './message.ts';
import { deliver, type OwnSender, type SendLimits } from './sender.ts';

/** `cumulative` counts from the start, `delta` from what was sent last, `lowmemory` what is observed as the first, the rest as the second. */
type Temporality = 'cumulative' | 'delta' | 'lowmemory';

/** What a metrics reader is made of. */
export interface MetricsReaderOptions {
  readonly config: PeriodicConfig;
  readonly temporality: Temporality;
  readonly sending: SendLimits;
  readonly origin: Origin;
  readonly read: () => Promise<readonly MetricReading[]>;
  readonly sender: OwnSender;
  readonly report: ExportReport;
  readonly clock: Clock;
}

/** Sends all metrics once an interval, and once more when it is closed. */
export class MetricsReader {
  readonly #options: MetricsReaderOptions;
  readonly #abandon = new AbortController();
  readonly #changes: Changes;
  #timer: Timer | undefined;
  #sending: Promise<void> | undefined;

  constructor(options: MetricsReaderOptions) {
    this.#options = options;
    this.#changes = new Changes(options.temporality, toNs(options.clock.now()));
  }

  start(): void {
    const { clock, config } = this.#options;
    this.#timer = repeat(clock, config.interval, () => void this.#tick());
  }

  /** One at a time: an interval that is still sending when the next begins takes its place. */
  #tick(): Promise<void> {
    this.#sending ??= this.#send().finally(() => (this.#sending = undefined));
    return this.#sending;
  }

  async #send(): Promise<void> {
    const { read, origin, sender, sending, report, clock } = this.#options;
    const { signal } = this.#abandon;
    const timeNs = toNs(clock.now());
    const { readings, sent } = this.#changes.since(await read(), timeNs);
    const items = readings.reduce((sum, { reading }) => sum + reading.points.length, 0);
    try {
      const request = encodeMetrics(origin, readings, timeNs);
      report.sent(items, await deliver(sender, request, sending, clock, signal));
      sent();
    } catch (error) {
      report.failed(items, error, signal.aborted);
    }
  }

  async close(deadline: AbortSignal): Promise<void> {
    this.#timer?.cancel();
    const giveUp = (): void => this.#abandon.abort(new Error('the collector stops'));
    if (deadline.aborted) giveUp();
    deadline.addEventListener('abort', giveUp, { once: true });
    await this.#sending;
    if (this.#timer !== undefined && !this.#abandon.signal.aborted) await this.#tick();
    deadline.removeEventListener('abort', giveUp);
    await this.#options.sender.close();
  }
}

type Point = NumberPoint | HistogramPoint;

/** What readings say, counted from the start or from what was sent last. */
class Changes {
  readonly #temporality: Temporality;
  readonly #startNs: bigint;
  #lastNs: bigint;
  #last = new Map<string, Point>();

  constructor(temporality: Temporality, startNs: bigint) {
    this.#temporality = temporality;
    this.#startNs = startNs;
    this.#lastNs = startNs;
  }

  /** Call `sent` once they have arrived: what did not arrive is in the next difference. */
  since(readings: readonly MetricReading[], timeNs: bigint): { readings: TimedReading[]; sent: () => void } {
    const seen = new Map<string, Point>();
    const timed = readings.map((reading): TimedReading => {
      if (!this.#isDelta(reading)) return { reading, isDelta: false, startNs: this.#startNs };
      return { reading: this.#difference(reading, seen), isDelta: true, startNs: this.#lastNs };
    });
    const sent = (): void => {
      this.#last = seen;
      this.#lastNs = timeNs;
    };
    return { readings: timed, sent };
  }

  #isDelta({ kind, isObserved }: MetricReading): boolean {
    if (kind === 'gauge' || this.#temporality === 'cumulative') return false;
    return this.#temporality === 'delta' || !isObserved;
  }

  #difference(reading: MetricReading, seen: Map<string, Point>): MetricReading {
    const note = (point: Point): Point | undefined => {
      const key = reading.name + seriesKey(point.labels);
      seen.set(key, point);
      return this.#last.get(key);
    };
    if (reading.kind === 'histogram') {
      return { ...reading, points: reading.points.map((point) => lessHistogram(point, note(point))) };
    }
    return { ...reading, points: reading.points.map((point) => lessNumber(point, note(point))) };
  }
}

function lessNumber(now: NumberPoint, before: Point | undefined): NumberPoint {
  if (before === undefined || !('value' in before) || before.value > now.value) return now;
  return { ...now, value: now.value - before.value };
}

function lessHistogram(now: HistogramPoint, before: Point | undefined): HistogramPoint {
  if (before === undefined || !('counts' in before)) return now;
  const counts = now.counts.map((count, index) => count - (before.counts[index] ?? 0));
  return counts.some((count) => count < 0) ? now : { ...now, counts, sum: now.sum - before.sum };
}
