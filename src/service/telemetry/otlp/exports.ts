// SPDX-License-Identifier: Apache-2.0
import type { Logger, Meter } from '../../../component/telemetry.ts';
import type { OwnOtlpConfig, OwnProcessorsConfig, PeriodicConfig } from '../../../config/telemetry-export.ts';
import { type Clock, systemClock } from '../../../internal/clock.ts';
import type { MetricReading } from '../readings.ts';
import type { EndedSpan } from '../span.ts';
import { ExportQueue } from './export-queue.ts';
import { ExportReport } from './export-report.ts';
import { encodeLogs, type TracedEntry } from './logs-message.ts';
import type { Origin } from './message.ts';
import { MetricsReader } from './metrics-reader.ts';
import { openSender } from './open-sender.ts';
import { type OwnSignal, shownEndpoint } from './sender.ts';
import { encodeSpans } from './spans-message.ts';

/** What exporters of own telemetry are made with. */
export interface ExportDeps {
  readonly origin: Origin;
  /** Must not itself export what is written to it. */
  readonly logger: Logger;
  readonly meter: Meter;
  readonly clock?: Clock;
}

/** A processor of the schema "simple" sends each item by itself, as soon as the one before is sent. */
const SIMPLE = { schedule_delay: 0, export_timeout: 30_000, max_queue_size: 2048, max_export_batch_size: 1 };

/** One queue for each configured processor of spans. */
export function spanQueues(config: OwnProcessorsConfig, deps: ExportDeps): ExportQueue<EndedSpan>[] {
  return queues(config, 'traces', deps, (spans) => encodeSpans(deps.origin, spans));
}

/** One queue for each configured processor of log entries. */
export function logQueues(config: OwnProcessorsConfig, deps: ExportDeps): ExportQueue<TracedEntry>[] {
  return queues(config, 'logs', deps, (entries) => encodeLogs(deps.origin, entries));
}

function queues<Item>(
  config: OwnProcessorsConfig,
  signal: OwnSignal,
  deps: ExportDeps,
  encode: (items: readonly Item[]) => Uint8Array,
): ExportQueue<Item>[] {
  return config.flatMap(({ batch, simple }) => {
    const otlp = (batch ?? simple)?.exporter.otlp;
    if (otlp === undefined) return [];
    const { schedule_delay, max_queue_size, max_export_batch_size, export_timeout } = batch ?? SIMPLE;
    return new ExportQueue<Item>({
      limits: {
        delayMs: schedule_delay,
        maxItems: max_queue_size,
        maxRequestItems: Math.min(max_export_batch_size, max_queue_size),
      },
      sending: { attemptMs: otlp.timeout, totalMs: export_timeout },
      ...parts(otlp, signal, deps),
      encode,
    });
  });
}

/** Sends what `read` gives; undefined where the reader has no exporter. */
export function metricsReader(
  config: PeriodicConfig,
  read: () => Promise<readonly MetricReading[]>,
  deps: ExportDeps,
): MetricsReader | undefined {
  const { otlp } = config.exporter;
  if (otlp === undefined) return undefined;
  return new MetricsReader({
    ...{ config, temporality: otlp.temporality_preference, origin: deps.origin, read },
    sending: { attemptMs: otlp.timeout, totalMs: config.timeout },
    ...parts(otlp, 'metrics', deps),
  });
}

function parts(otlp: OwnOtlpConfig, signal: OwnSignal, { origin, logger, meter, clock }: ExportDeps) {
  const sender = openSender({ signal, config: otlp, build: origin.build, logger });
  return {
    sender,
    report: new ExportReport(signal, shownEndpoint(otlp), logger, meter),
    clock: clock ?? systemClock,
  };
}
