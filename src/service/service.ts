// SPDX-License-Identifier: Apache-2.0
import { availableParallelism } from 'node:os';
import type { BuildInfo } from '../component/component.ts';
import type { FeatureGates } from '../component/feature-gates.ts';
import type { LoadedConfig } from '../config/loaded-config.ts';
import { buildGraph, type Graph } from './graph.ts';
import { type Clock, systemClock } from '../internal/clock.ts';
import { startGraph, stopExtensions, stopPipelines, withoutListenerLimit } from './lifecycle.ts';
import type { Node } from './node.ts';
import { StatusBoard } from './status.ts';
import { viewOf } from './view.ts';
import { createTelemetry, type ServiceTelemetry } from './telemetry/telemetry.ts';

export interface ServiceDeps {
  readonly build: BuildInfo;
  readonly gates: FeatureGates;
  /** Takes log lines in place of the configured outputs. */
  readonly writeLog?: (line: string) => void;
  readonly clock?: Clock;
}

/** A collector made of one configuration. It runs once: start, shutdown, gone. */
export interface Service {
  /** The service's own telemetry, for whoever runs it. */
  readonly telemetry: ServiceTelemetry;
  /**
   * Starts extensions, exporters, processors, receivers. Rejects with the component that failed, after
   * whatever ran was shut down again.
   */
  start(signal: AbortSignal): Promise<void>;
  /**
   * Stops receivers, processors, exporters, extensions, telemetry. Resolves or rejects soon after
   * `deadline` aborts at the latest; rejects with everything that went wrong. Safe without `start`, and
   * calling again gives the same outcome.
   */
  shutdown(deadline: AbortSignal): Promise<void>;
  /** Resolves when a component reports that the collector cannot go on; never rejects. */
  readonly fatal: Promise<Error>;
}

/** Builds all components of a configuration and starts none. Throws Error that names the component at fault. */
export function createService(config: LoadedConfig, deps: ServiceDeps): Service {
  const telemetry = createTelemetry(config.service.telemetry, deps.build, deps.writeLog);
  const { logger } = telemetry;
  for (const warning of config.warnings) logger.warn(warning);
  return new GraphService(config, buildGraph(config, deps.build, telemetry), telemetry, deps);
}

/** Builds what `createService` would and forgets it. Nothing is logged or started. Throws as it does. */
export function checkService(config: LoadedConfig, deps: ServiceDeps): void {
  createService(config, { ...deps, writeLog: () => undefined });
}

/** Time for a failed start to undo itself. */
const ROLL_BACK_MS = 5_000;

class GraphService implements Service {
  readonly telemetry: ServiceTelemetry;
  readonly #config: LoadedConfig;
  readonly #graph: Graph;
  readonly #deps: ServiceDeps;
  readonly #status = new StatusBoard();
  /** Components whose start was at least tried. */
  readonly #touched = new Set<Node>();
  readonly #stopping = new AbortController();
  #starting: Promise<void> = Promise.resolve();
  #stopped: Promise<void> | undefined;

  constructor(config: LoadedConfig, graph: Graph, telemetry: ServiceTelemetry, deps: ServiceDeps) {
    this.#config = config;
    this.#graph = graph;
    this.telemetry = telemetry;
    this.#deps = deps;
  }

  get fatal(): Promise<Error> {
    return this.#status.fatal;
  }

  async start(signal: AbortSignal): Promise<void> {
    const run = this.#run(withoutListenerLimit(AbortSignal.any([signal, this.#stopping.signal])));
    this.#starting = run.catch(() => undefined);
    try {
      await run;
    } catch (error) {
      // A shutdown that is under way ends what ran; it may be what made the start fail.
      await this.shutdown(AbortSignal.timeout(ROLL_BACK_MS)).catch((also: unknown) =>
        this.telemetry.logger.error('the failed start could not be undone completely', { error: also }),
      );
      throw error;
    }
  }

  shutdown(deadline: AbortSignal): Promise<void> {
    this.#stopped ??= this.#stop(withoutListenerLimit(AbortSignal.any([deadline])));
    return this.#stopped;
  }

  async #run(signal: AbortSignal): Promise<void> {
    const { build, gates } = this.#deps;
    const { logger } = this.telemetry;
    signal.throwIfAborted();
    logger.info(`Starting ${build.command}...`, { Version: build.version, NumCPU: availableParallelism() });
    const enabled = gates.list().filter((gate) => gate.enabled);
    logger.debug('feature gates', { enabled: enabled.map((gate) => gate.id) });
    await this.telemetry.start();
    logger.info('Starting extensions...');
    const view = viewOf(this.#graph, this.#status, this.#config, this.#deps);
    await startGraph(this.#graph, this.#status, view, signal, (node) => this.#touched.add(node));
    for (const { component } of this.#graph.extensions) component.ready?.();
    logger.info('Everything is ready. Begin running and processing data.');
  }

  async #stop(deadline: AbortSignal): Promise<void> {
    const { logger } = this.telemetry;
    this.#stopping.abort(new Error('the service is shut down'));
    await this.#starting;
    logger.info('Starting shutdown...');
    for (const { component } of this.#graph.extensions) component.notReady?.();
    const options = { touched: this.#touched, deadline, clock: this.#deps.clock ?? systemClock };
    const errors = await stopPipelines(this.#graph, options);
    logger.info('Stopping extensions...');
    errors.push(...(await stopExtensions(this.#graph, options)));
    for (const error of errors) logger.error('shutdown is incomplete', { error });
    logger.info('Shutdown complete.');
    await this.telemetry.shutdown(deadline);
    if (errors.length > 0) throw new AggregateError(errors, errors.map((e) => e.message).join('; '));
  }
}
