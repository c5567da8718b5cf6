// SPDX-License-Identifier: Apache-2.0
import { randomUUID } from 'node:crypto';
import { type Tracer, trace } from '@opentelemetry/api';
import type { BuildInfo } from '../../component/component.ts';
import type { Labels, Logger } from '../../component/telemetry.ts';
import type { TelemetryConfig } from '../../config/service-section.ts';
import { formatHostPort } from '../../internal/endpoint.ts';
import type { HttpServer } from '../../internal/http-server.ts';
import { type LogOutput, openLogOutput } from './log-output.ts';
import { createLogger, type LoggerOptions } from './logger.ts';
import { MetricsRegistry, type OwnMeter } from './meter.ts';
import { serveMetrics } from './metrics-server.ts';
import { observeProcess } from './process-metrics.ts';

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

/** A log that is ready to take over. */
export interface PreparedLogs {
  /** From now on every logger writes so; the outputs before are closed. */
  use(): void;
  discard(): void;
}

/** `write` stands in for the configured outputs. Throws Error where a log file cannot be opened. */
export function createTelemetry(
  config: TelemetryConfig,
  build: BuildInfo,
  write?: (line: string) => void,
): ServiceTelemetry {
  const open = (logs: TelemetryConfig['logs']): LogOutput =>
    write === undefined ? openLogOutput(logs.output_paths) : { write, close: () => undefined };
  let output = open(config.logs);
  const registry = new MetricsRegistry();
  const meter = registry.meter();
  const heldBack = meter.counter('log_entries_held_back', 'Repeated log entries that sampling held back');
  const optionsOf = (logs: TelemetryConfig['logs']): LoggerOptions => ({
    level: logs.level,
    encoding: logs.encoding,
    sampling: logs.sampling,
    fields: logs.initial_fields,
    write: (line) => output.write(line),
    onHeldBack: () => heldBack.add(1),
  });
  const logger = createLogger(optionsOf(config.logs));
  registry.describeTarget(resourceOf(config, build));
  const processMetrics = observeProcess(meter);
  const servers: HttpServer[] = [];
  return {
    logger,
    tracer: trace.getTracer(build.command, build.version),
    meter: (own) => registry.meter(own),
    get metricsUrls() {
      return servers.map((server) => server.url);
    },
    prepareLogs(logs) {
      const next = open(logs);
      return {
        use() {
          const before = output;
          output = next;
          logger.configure(optionsOf(logs));
          before.close();
        },
        discard: () => next.close(),
      };
    },
    async start() {
      if (config.metrics.level === 'none') return;
      processMetrics.start();
      for (const endpoint of metricsEndpoints(config)) {
        try {
          servers.push(await serveMetrics(registry, endpoint));
        } catch (error) {
          logger.warn(
            `own metrics are not served on "${endpoint}"; set another port at service::telemetry::metrics::readers, or level: none`,
            { error },
          );
        }
      }
    },
    async shutdown(deadline) {
      processMetrics.stop();
      await Promise.all(servers.map((server) => server.close(deadline)));
      output.close();
    },
  };
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
