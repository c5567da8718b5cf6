// SPDX-License-Identifier: Apache-2.0
import { trace } from '@opentelemetry/api';
import type { TelemetryConfig } from '../../config/service-section.ts';
import type { Entry } from './log-encoding.ts';
import { type LogOutput, openLogOutput } from './log-output.ts';
import { createLogger, type LoggerOptions, type RootLogger } from './logger.ts';
import type { ExportQueue } from './otlp/export-queue.ts';
import { type ExportDeps, logQueues } from './otlp/exports.ts';
import type { TracedEntry } from './otlp/logs-message.ts';

type LogsConfig = TelemetryConfig['logs'];

/** Where entries go. */
interface Sink {
  readonly output: LogOutput;
  readonly queues: readonly ExportQueue<TracedEntry>[];
}

/** A log that is ready to take over. */
export interface PreparedLogs {
  /** From now on every logger writes so; the outputs before are closed. */
  use(): void;
  discard(): void;
}

/** Time for entries of a configuration that was replaced to be sent. */
const DRAIN_MS = 5_000;

/** The collector's own log with its outputs and exporters, which a reload can replace. */
export class OwnLogs {
  readonly logger: RootLogger;
  readonly #write: ((line: string) => void) | undefined;
  readonly #onHeldBack: () => void;
  #deps: Omit<ExportDeps, 'logger'> | undefined;
  #sink: Sink;

  /** Throws Error where a file cannot be opened. `write` stands in for the configured outputs. */
  constructor(config: LogsConfig, onHeldBack: () => void, write?: (line: string) => void) {
    this.#write = write;
    this.#onHeldBack = onHeldBack;
    this.#sink = { output: this.#openOutput(config), queues: [] };
    this.logger = createLogger(this.#optionsOf(config));
  }

  /** Entries from now on are sent as configured, too. */
  export(config: LogsConfig, deps: Omit<ExportDeps, 'logger'>): void {
    this.#deps = deps;
    this.#sink = { output: this.#sink.output, queues: this.#queuesOf(config) };
  }

  /** Throws Error where a file cannot be opened; nothing changes until one of its functions is called. */
  prepare(config: LogsConfig): PreparedLogs {
    const next: Sink = { output: this.#openOutput(config), queues: this.#queuesOf(config) };
    return {
      use: () => {
        const before = this.#sink;
        this.#sink = next;
        this.logger.configure(this.#optionsOf(config));
        void closeSink(before, AbortSignal.timeout(DRAIN_MS));
      },
      discard: () => void closeSink(next, AbortSignal.abort()),
    };
  }

  close(deadline: AbortSignal): Promise<void> {
    return closeSink(this.#sink, deadline);
  }

  #openOutput({ output_paths, error_output_paths }: LogsConfig): LogOutput {
    if (this.#write !== undefined) return { write: this.#write, close: () => undefined };
    return openLogOutput(output_paths, error_output_paths);
  }

  #queuesOf(config: LogsConfig): ExportQueue<TracedEntry>[] {
    if (this.#deps === undefined) return [];
    return logQueues(config.processors, { ...this.#deps, logger: this.logger.local });
  }

  #optionsOf(config: LogsConfig): LoggerOptions {
    return {
      level: config.level,
      encoding: config.encoding,
      sampling: config.sampling,
      fields: config.initial_fields,
      write: (line) => this.#sink.output.write(line),
      onEntry: (entry) => this.#export(entry),
      onHeldBack: this.#onHeldBack,
    };
  }

  #export(entry: Entry): void {
    const { queues } = this.#sink;
    if (queues.length === 0) return;
    const span = trace.getActiveSpan()?.spanContext();
    const traced = { ...entry, traceId: span?.traceId, spanId: span?.spanId };
    for (const queue of queues) queue.add(traced);
  }
}

async function closeSink({ output, queues }: Sink, deadline: AbortSignal): Promise<void> {
  await Promise.all(queues.map((queue) => queue.close(deadline)));
  output.close();
}
