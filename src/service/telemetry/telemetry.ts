// SPDX-License-Identifier: Apache-2.0
import { randomUUID } from 'node:crypto';
import { type Tracer, trace } from '@opentelemetry/api';
import type { BuildInfo } from '../../component/component.ts';
import type { Labels, Logger } from '../../component/telemetry.ts';
import type { TelemetryConfig } from '../../config/service-section.ts';
import { formatHostPort } from '../../internal/endpoint.ts';
import type { HttpServer } from '../../internal/http-server.ts';
import { MetricsRegistry, type OwnMeter } from './meter.ts';
import { serveMetrics } from './metrics-server.ts';
import type { ExportQueue } from './otlp/export-queue.ts';
import { metricsReader, spanQueues } from './otlp/exports.ts';
import type { MetricsReader } from './otlp/metrics-reader.ts';
import { OwnLogs, type PreparedLogs } from './own-logs.ts';
import { observeProcess } from './process-metrics.ts';
import { startPropagation } from './propagation.ts';
import { samplerOf } from './sampler.ts';
import type { EndedSpan } from './span.ts';
import { OwnTracer } from './tracer.ts';

export type { PreparedLogs } from './own-logs.ts';

/** Own telemetry is sent once more at the end, and no stop waits for it for longer. */
const LAST_EXPORT_MS = 5_000;

/** The collector's own logs, metrics and traces. Made at once; serves metrics between `start` and `shutdown`. */
export interface ServiceTelemetry {
  readonly logger: Logger;
  readonly tracer: Tracer;
  /** A meter that adds these labels to everything. */
  meter(own?: Labels): OwnMeter;
  /**
   * Opens the outputs of another `logs` section, the same files anew where it names them again. Throws Error
   * where one cannot be opened. Nothing changes until one of the two functions is called.
   */
  prepareLogs(logs: TelemetryConfig['logs']): PreparedLogs;
  /** Never rejects: a collector whose own metrics cannot be served still does its work, and says so. */
  start(): Promise<void>;
  shutdown(deadline: AbortSignal): Promise<void>;
  /** Where metrics are served, for example `http://localhost:8888`. */
  readonly metricsUrls: readonly string[];
}

/** `write` stands in for the configured outputs. Throws Error where a log file cannot be opened. */
export function createTelemetry(
  config: TelemetryConfig,
  build: BuildInfo,
  write?: (line: string) => void,
): ServiceTelemetry {
  return new OwnTelemetry(config, build, write);
}

class OwnTelemetry implements ServiceTelemetry {
  readonly #config: TelemetryConfig;
  readonly #registry: MetricsRegistry;
  readonly #logs: OwnLogs;
  readonly #processMetrics: ReturnType<typeof observeProcess>;
  readonly #servers: HttpServer[] = [];
  readonly #readers: readonly MetricsReader[];
  readonly #spans: readonly ExportQueue<EndedSpan>[];
  readonly tracer: Tracer;
  #endPropagation: (() => void) | undefined;

  constructor(config: TelemetryConfig, build: BuildInfo, write?: (line: string) => void) {
    const { metrics, traces, logs } = config;
    this.#config = config;
    const resource = resourceOf(config, build);
    const origin = { resource, build };
    this.#registry = new MetricsRegistry(metrics, build);
    const meter = this.#registry.meter();
    const heldBack = meter.counter('log_entries_held_back', 'Repeated log entries that sampling held back');
    this.#logs = new OwnLogs(logs, () => heldBack.add(1), write);
    this.#logs.export(logs, { origin, meter });
    this.#registry.describeTarget(resource);
    this.#processMetrics = observeProcess(meter);
    const deps = { origin, meter, logger: this.logger };
    this.#spans = traces.level === 'none' ? [] : spanQueues(traces.processors, deps);
    this.tracer = tracerOf(config, build, this.#spans);
    const periodic = metrics.level === 'none' ? [] : metrics.readers.map((reader) => reader.periodic);
    this.#readers = periodic
      .map((reader) => reader && metricsReader(reader, () => this.#registry.read(), deps))
      .filter((reader) => reader !== undefined);
  }

  get logger(): Logger {
    return this.#logs.logger;
  }

  meter(own?: Labels): OwnMeter {
    return this.#registry.meter(own);
  }

  get metricsUrls(): readonly string[] {
    return this.#servers.map((server) => server.url);
  }

  prepareLogs(logs: TelemetryConfig['logs']): PreparedLogs {
    return this.#logs.prepare(logs);
  }

  async start(): Promise<void> {
    if (this.#spans.length > 0) this.#endPropagation = startPropagation(this.#config.traces.propagators);
    if (this.#config.metrics.level === 'none') return;
    this.#processMetrics.start();
    for (const reader of this.#readers) reader.start();
    for (const { pull } of this.#config.metrics.readers) {
      const page = pull?.exporter.prometheus;
      for (const key of ['without_type_suffix', 'without_units', 'without_scope_info'] as const) {
        if (page?.[key] === false)
          this.logger.warn(
            `${key}: false does not act: metrics are named as the Go Collector names them by default`,
          );
      }
    }
    for (const endpoint of metricsEndpoints(this.#config)) {
      try {
        this.#servers.push(await serveMetrics(this.#registry, endpoint));
      } catch (error) {
        this.logger.warn(
          `own metrics are not served on "${endpoint}"; set another port at service::telemetry::metrics::readers, or level: none`,
          { error },
        );
      }
    }
  }

  async shutdown(deadline: AbortSignal): Promise<void> {
    this.#endPropagation?.();
    this.#endPropagation = undefined;
    // Reads that measure go with the last reading, and the log tells what became of the others.
    const soon = AbortSignal.any([deadline, AbortSignal.timeout(LAST_EXPORT_MS)]);
    await Promise.all([...this.#readers, ...this.#spans].map((one) => one.close(soon)));
    this.#processMetrics.stop();
    await Promise.all(this.#servers.map((server) => server.close(deadline)));
    await this.#logs.close(soon);
  }
}

/** Our own where spans are exported; else that of an SDK that was loaded beside us, or none. */
function tracerOf(
  { traces }: TelemetryConfig,
  build: BuildInfo,
  queues: readonly ExportQueue<EndedSpan>[],
): Tracer {
  if (queues.length === 0) return trace.getTracer(build.command, build.version);
  return new OwnTracer(samplerOf(traces.sampler), (span) => queues.forEach((queue) => queue.add(span)));
}

function metricsEndpoints(config: TelemetryConfig): string[] {
  return config.metrics.readers.flatMap(({ pull }) => {
    const prometheus = pull?.exporter.prometheus;
    return prometheus === undefined ? [] : [formatHostPort(prometheus)];
  });
}

/** Automatic attributes, over them what the user configured; null takes one away. */
function resourceOf(config: TelemetryConfig, build: BuildInfo): Labels {
  const all: Record<string, string | null> = {
    'service.name': build.command,
    'service.version': build.version,
    'service.instance.id': randomUUID(),
    ...config.resource,
  };
  return Object.fromEntries(
    Object.entries(all).filter((entry): entry is [string, string] => entry[1] !== null),
  );
}
