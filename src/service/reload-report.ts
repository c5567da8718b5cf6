// SPDX-License-Identifier: Apache-2.0
import type { Counter, Gauge } from '../component/telemetry.ts';
import { ConfigError, formatIssue } from '../config/config-error.ts';
import type { LoadedConfig } from '../config/loaded-config.ts';
import type { ReloadResult } from './reload.ts';
import type { ServiceTelemetry } from './telemetry/telemetry.ts';

type Outcome = 'applied' | 'invalid' | 'failed';

const OUTCOMES: readonly Outcome[] = ['applied', 'invalid', 'failed'];

/** Says of each reload what came of it: in the log, and for alerts in metrics. */
export class ReloadReport {
  #seen: ServiceTelemetry | undefined;
  #count: Counter | undefined;
  #successful: Gauge | undefined;

  /** Makes the metrics, in telemetry that a reload may have replaced. */
  observe(telemetry: ServiceTelemetry): void {
    if (this.#seen === telemetry) return;
    this.#seen = telemetry;
    const meter = telemetry.meter();
    this.#count = meter.counter('config_reloads', 'Reloads of the configuration by outcome', ['outcome']);
    for (const outcome of OUTCOMES) this.#count.add(0, { outcome });
    this.#successful = meter.gauge(
      'config_last_reload_successful',
      'Whether the configuration runs that was last asked for',
    );
    this.#successful.set(1);
  }

  /** A configuration that could not be read or does not pass its checks. */
  invalid({ logger }: ServiceTelemetry, error: unknown): void {
    this.#add('invalid');
    logger.error('the new configuration is not valid, the running one goes on', {
      errors: error instanceof ConfigError ? error.issues.length : 1,
    });
    if (error instanceof ConfigError) for (const issue of error.issues) logger.error(formatIssue(issue));
    else logger.error('the new configuration could not be loaded', { error });
  }

  /** A configuration that passed its checks, and whether it runs. */
  result({ logger }: ServiceTelemetry, config: LoadedConfig, result: ReloadResult): void {
    if (result.outcome === 'applied') {
      this.#add('applied');
      for (const warning of config.warnings) logger.warn(warning);
      const { kept, started, stopped } = result;
      return logger.info('Config updated', { kept, started, stopped });
    }
    this.#add(result.outcome === 'refused' ? 'invalid' : 'failed');
    const { error } = result;
    if (result.outcome === 'lost')
      return logger.error('the new configuration did not start and the old one is gone', { error });
    logger.error(
      result.outcome === 'refused'
        ? 'the new configuration cannot be built, the running one goes on'
        : 'the new configuration did not start, the one before it runs again',
      { error },
    );
  }

  #add(outcome: Outcome): void {
    this.#count?.add(1, { outcome });
    this.#successful?.set(outcome === 'applied' ? 1 : 0);
  }
}
