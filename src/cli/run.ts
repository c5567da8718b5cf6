// SPDX-License-Identifier: Apache-2.0
import { loadConfig } from '../config/load.ts';
import type { LoadedConfig } from '../config/loaded-config.ts';
import { giveAddressesTime } from '../internal/address-patience.ts';
import { keepGarbageSmall } from '../internal/garbage-collector.ts';
import { startTrimming } from '../native/memory-trimmer.ts';
import { createService, type Service } from '../service/service.ts';
import { BUILD } from './build-info.ts';
import { gatesOf, type Invocation, sourcesOf } from './command.ts';

/** Time that a graceful stop may take; below the 30 s after which orchestrators kill. */
const SHUTDOWN_MS = 25_000;
/** Node ends a process that waits for promises alone; a collector without any socket still runs. */
const KEEP_ALIVE_MS = 0x7fff_ffff;

/** Runs the collector. Exit code 0 after a clean stop; 1 where it could not start, failed or lost data stopping. */
export async function run(invocation: Invocation): Promise<number> {
  keepGarbageSmall();
  giveAddressesTime();
  const gates = gatesOf(invocation);
  const sources = sourcesOf(invocation);
  const distribution = await invocation.io.loadDistribution();
  const load = (): Promise<LoadedConfig> => loadConfig(sources, { distribution, gates });
  const service = createService(await load(), { build: BUILD, gates });
  const stop = new StopSignals(service, load);
  const stopTrimming = startTrimming();
  const keepAlive = setInterval(() => undefined, KEEP_ALIVE_MS);
  try {
    return await runUntilStopped(service, stop);
  } finally {
    clearInterval(keepAlive);
    stopTrimming();
    stop.ignore();
  }
}

async function runUntilStopped(service: Service, stop: StopSignals): Promise<number> {
  const { logger } = service.telemetry;
  try {
    await service.start(stop.first);
  } catch (error) {
    if (!stop.first.aborted) throw error;
    logger.info('start was interrupted by a signal');
    return 0;
  }
  const failure = await Promise.race([service.fatal, stop.received]);
  if (failure !== undefined)
    logger.error('a component failed for good: the collector stops', { error: failure });
  await service.shutdown(AbortSignal.any([stop.second, AbortSignal.timeout(SHUTDOWN_MS)]));
  return failure === undefined ? 0 : 1;
}

/** SIGINT and SIGTERM: the first asks for a graceful stop, the second ends its patience. SIGHUP reloads. */
class StopSignals {
  readonly #service: Service;
  readonly #load: () => Promise<LoadedConfig>;
  /** A reload that has not begun yet reads what is there when it does: one is enough. */
  #isReloadWaiting = false;
  readonly #first = new AbortController();
  readonly #second = new AbortController();

  constructor(service: Service, load: () => Promise<LoadedConfig>) {
    this.#service = service;
    this.#load = load;
    process.on('SIGINT', this.#onStop);
    process.on('SIGTERM', this.#onStop);
    process.on('SIGHUP', this.#onReload);
  }

  get first(): AbortSignal {
    return this.#first.signal;
  }

  get second(): AbortSignal {
    return this.#second.signal;
  }

  /** Resolves at the first signal. */
  get received(): Promise<undefined> {
    const { signal } = this.#first;
    return new Promise((resolve) => {
      if (signal.aborted) resolve(undefined);
      else signal.addEventListener('abort', () => resolve(undefined), { once: true });
    });
  }

  ignore(): void {
    process.off('SIGINT', this.#onStop);
    process.off('SIGTERM', this.#onStop);
    process.off('SIGHUP', this.#onReload);
  }

  readonly #onStop = (signal: string): void => {
    const { logger } = this.#service.telemetry;
    if (this.#first.signal.aborted) {
      logger.warn('Received a second signal from OS, not waiting any longer', { signal });
      this.#second.abort(new Error(`second signal: ${signal}`));
    } else {
      logger.info('Received signal from OS', { signal });
      this.#first.abort(new Error(`stopped by ${signal}`));
    }
  };

  readonly #onReload = (signal: string): void => {
    this.#service.telemetry.logger.info('Received signal from OS', { signal });
    if (this.#isReloadWaiting) return;
    this.#isReloadWaiting = true;
    void this.#service.reload(() => {
      this.#isReloadWaiting = false;
      return this.#load();
    });
  };
}
