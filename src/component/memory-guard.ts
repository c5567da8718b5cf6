// SPDX-License-Identifier: Apache-2.0
import { MemoryGate, toMib } from '../internal/memory-gate/memory-gate.ts';
import type { MemorySettings } from '../internal/memory-gate/limits.ts';
import type { Memory } from '../internal/memory-gate/memory.ts';
import type { Clock } from '../internal/clock.ts';
import { RetryableError } from '../consumer/consumer.ts';
import type { Host, Settings } from './component.ts';

/** What the memory limiters have in common: their logs, status and metrics, and their refusal. */
export class MemoryGuard {
  readonly #settings: Settings;
  readonly #checkIntervalMs: number;
  readonly #gate: MemoryGate;

  /** Metrics are called `<prefix>_used_bytes` and `<prefix>_soft_limit_bytes`. */
  constructor(settings: Settings, config: MemorySettings, prefix: string, memory?: Memory, clock?: Clock) {
    this.#settings = settings;
    this.#checkIntervalMs = config.check_interval;
    this.#gate = new MemoryGate(config, memory, clock);
    const { meter } = settings;
    meter.observe('gauge', `${prefix}_used_bytes`, 'Memory use the limiter measures in bytes', [], () => [
      { value: this.#gate.usedBytes() },
    ]);
    meter.observe('gauge', `${prefix}_soft_limit_bytes`, 'Memory use from which data is refused', [], () => [
      { value: this.#gate.limits.soft },
    ]);
  }

  start(host: Host): void {
    const { logger } = this.#settings;
    const { hard, soft } = this.#gate.limits;
    logger.info('Memory limiter configured', {
      limit_mib: toMib(hard),
      spike_limit_mib: toMib(hard - soft),
      check_interval_ms: this.#checkIntervalMs,
    });
    if (!this.#gate.canCollect)
      logger.warn('the runtime lets nobody force a garbage collection; memory is won back in its own time');
    const onAccepted = (bytes: number): void =>
      logger.warn('native memory does not come back; it no longer counts against the limit', {
        native_mib: toMib(bytes),
      });
    const onChange = (isShut: boolean, used: number): void => {
      const fields = { cur_mem_mib: toMib(used), soft_limit_mib: toMib(soft) };
      if (!isShut) {
        logger.info('Memory usage back within limits. Resuming normal operation.', fields);
        host.reportStatus({ status: 'ok' });
        return;
      }
      logger.warn('Memory usage is above soft limit. Refusing data.', fields);
      const error = new Error(
        `memory usage of ${toMib(used)} MiB is above the soft limit of ${toMib(soft)} MiB`,
      );
      host.reportStatus({ status: 'recoverable_error', error });
    };
    this.#gate.start({ onChange, onAccepted });
  }

  stop(): void {
    this.#gate.stop();
  }

  /** Why nothing may come in now, to be thrown; undefined where there is room. */
  refusal(): RetryableError | undefined {
    if (!this.#gate.isShut) return undefined;
    return new RetryableError('data refused due to high memory usage', {
      retryAfterMs: this.#checkIntervalMs,
    });
  }
}
