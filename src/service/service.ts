// SPDX-License-Identifier: Apache-2.0
import { availableParallelism } from 'node:os';
import type { ServiceView } from '../component/service-view.ts';
import type { LoadedConfig } from '../config/loaded-config.ts';
import { buildGraph } from './graph.ts';
import { systemClock } from '../internal/clock.ts';
import { startNodes, startOrder, stopExtensions, stopPipelines, withoutListenerLimit } from './lifecycle.ts';
import type { Node } from './node.ts';
import { ReloadReport } from './reload-report.ts';
import { applyConfig, type Running } from './reload.ts';
import type { ServiceDeps } from './service-deps.ts';
import { StatusBoard } from './status.ts';
import { viewOf } from './view.ts';
import { createTelemetry, type ServiceTelemetry } from './telemetry/telemetry.ts';

/** A collector. It runs once: start, any number of reloads, shutdown, gone. */
export interface Service {
  /** The service's own telemetry, for whoever runs it; a reload may replace it. */
  readonly telemetry: ServiceTelemetry;
  /**
   * Starts extensions, exporters, processors, receivers. Rejects with the component that failed, after
   * whatever ran was shut down again.
   */
  start(signal: AbortSignal): Promise<void>;
  /**
   * Goes over to the configuration that `load` gives: what did not change runs on, the rest is replaced.
   * Where the new one cannot be loaded, built or started, the old one goes on. Says in the log what came
   * of it and never rejects; reloads wait for each other and for the start.
   */
  reload(load: () => Promise<LoadedConfig>): Promise<void>;
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
  const graph = buildGraph(config, { build: deps.build, telemetry });
  graph.connect();
  return new GraphService({ config, telemetry, graph }, deps);
}

/** Builds what `createService` would and forgets it. Nothing is logged or started. Throws as it does. */
export function checkService(config: LoadedConfig, deps: ServiceDeps): void {
  createService(config, { ...deps, writeLog: () => undefined });
}

/** Time for a failed start to undo itself. */
const ROLL_BACK_MS = 5_000;

class GraphService implements Service {
  #running: Running;
  readonly #deps: ServiceDeps;
  readonly #status = new StatusBoard();
  readonly #view: ServiceView;
  /** Components whose start was at least tried. */
  readonly #touched = new Set<Node>();
  readonly #stopping = new AbortController();
  /** Aborts with the deadline of the shutdown. */
  readonly #impatient = new AbortController();
  readonly #reports = new ReloadReport();
  /** The start, or the last reload. */
  #changing: Promise<void> = Promise.resolve();
  #stopped: Promise<void> | undefined;

  constructor(running: Running, deps: ServiceDeps) {
    this.#running = running;
    this.#deps = deps;
    this.#view = viewOf(() => this.#running, this.#status, deps);
    this.#reports.observe(running.telemetry);
  }

  get telemetry(): ServiceTelemetry {
    return this.#running.telemetry;
  }

  get fatal(): Promise<Error> {
    return this.#status.fatal;
  }

  async start(signal: AbortSignal): Promise<void> {
    const run = this.#run(withoutListenerLimit(AbortSignal.any([signal, this.#stopping.signal])));
    this.#changing = run.catch(() => undefined);
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

  reload(load: () => Promise<LoadedConfig>): Promise<void> {
    this.#changing = this.#changing.then(() => this.#reload(load));
    return this.#changing;
  }

  shutdown(deadline: AbortSignal): Promise<void> {
    this.#stopped ??= this.#stop(withoutListenerLimit(AbortSignal.any([deadline])));
    return this.#stopped;
  }

  async #run(signal: AbortSignal): Promise<void> {
    const { build, gates } = this.#deps;
    const { logger } = this.telemetry;
    const { graph } = this.#running;
    signal.throwIfAborted();
    logger.info(`Starting ${build.command}...`, { Version: build.version, NumCPU: availableParallelism() });
    const enabled = gates.list().filter((gate) => gate.enabled);
    logger.debug('feature gates', { enabled: enabled.map((gate) => gate.id) });
    await this.telemetry.start();
    logger.info('Starting extensions...');
    await startNodes(startOrder(graph), {
      ...{ status: this.#status, service: this.#view, signal, extensions: new Map() },
      onTouched: (node) => this.#touched.add(node),
    });
    for (const { component } of graph.extensions) component.ready?.();
    logger.info('Everything is ready. Begin running and processing data.');
  }

  async #reload(load: () => Promise<LoadedConfig>): Promise<void> {
    if (this.#stopping.signal.aborted) return;
    let config: LoadedConfig;
    try {
      config = await load();
    } catch (error) {
      return this.#reports.invalid(this.telemetry, error);
    }
    const before = new Set(this.#running.graph.extensions);
    const result = await applyConfig(this.#running, config, {
      status: this.#status,
      service: this.#view,
      clock: this.#deps.clock ?? systemClock,
      signal: withoutListenerLimit(this.#stopping.signal),
      impatient: withoutListenerLimit(this.#impatient.signal),
      touched: this.#touched,
      deps: this.#deps,
      onChange: (running) => {
        this.#running = running;
        this.#reports.observe(running.telemetry);
      },
    });
    const { telemetry, graph } = this.#running;
    if (result.outcome !== 'refused') {
      for (const node of graph.extensions) if (!before.has(node)) node.component.ready?.();
    }
    this.#reports.result(telemetry, config, result);
    if (result.outcome === 'applied') await result.drain();
    if (result.outcome === 'lost') this.#status.fail(result.error);
  }

  async #stop(deadline: AbortSignal): Promise<void> {
    this.#stopping.abort(new Error('the service is shut down'));
    const giveUp = (): void => this.#impatient.abort(deadline.reason);
    if (deadline.aborted) giveUp();
    else deadline.addEventListener('abort', giveUp, { once: true });
    await this.#changing;
    const { graph, telemetry } = this.#running;
    const { logger } = telemetry;
    logger.info('Starting shutdown...');
    for (const { component } of graph.extensions) component.notReady?.();
    const options = { touched: this.#touched, deadline, clock: this.#deps.clock ?? systemClock };
    const errors = await stopPipelines(graph, options);
    logger.info('Stopping extensions...');
    errors.push(...(await stopExtensions(graph, options)));
    for (const error of errors) logger.error('shutdown is incomplete', { error });
    logger.info('Shutdown complete.');
    await telemetry.shutdown(deadline);
    if (errors.length > 0) throw new AggregateError(errors, errors.map((e) => e.message).join('; '));
  }
}
