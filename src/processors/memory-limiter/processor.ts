// SPDX-License-Identifier: Apache-2.0
import type { Host, Processor, Settings } from '../../component/component.ts';
import type { Counter } from '../../component/telemetry.ts';
import { type ProfilesConsumer, RetryableError } from '../../consumer/consumer.ts';
import { type Clock, repeat, systemClock, type Timer } from '../../internal/clock.ts';
import type { ProfilesBatch } from '../../pdata/profiles-batch.ts';
import type { Config } from './config.ts';
import { GarbagePacer } from './garbage-pacer.ts';
import { type Limits, limitsFrom } from './limits.ts';
import { type Memory, processMemory } from './memory.ts';

const MIB = 1024 * 1024;

/** Refuses profiles while the process uses more memory than it may. */
export class MemoryLimiterProcessor implements Processor {
  readonly #settings: Settings;
  readonly #config: Config;
  readonly #next: ProfilesConsumer;
  readonly #memory: Memory;
  readonly #clock: Clock;
  readonly #limits: Limits;
  readonly #pacer: GarbagePacer;
  readonly #accepted: Counter;
  readonly #refused: Counter;
  #host: Host | undefined;
  #timer: Timer | undefined;
  #refusing = false;

  constructor(
    settings: Settings,
    config: Config,
    next: ProfilesConsumer,
    memory: Memory = processMemory(),
    clock: Clock = systemClock,
  ) {
    this.#settings = settings;
    this.#config = config;
    this.#next = next;
    this.#memory = memory;
    this.#clock = clock;
    this.#limits = limitsFrom(config, memory.totalBytes());
    this.#pacer = new GarbagePacer(memory, config, clock);
    const { meter } = settings;
    this.#accepted = meter.counter(
      'processor_accepted_profile_samples',
      'Number of profile samples let through',
    );
    this.#refused = meter.counter(
      'processor_refused_profile_samples',
      'Number of profile samples refused because of memory usage',
    );
    meter.observe(
      'gauge',
      'processor_memory_limiter_used_bytes',
      'Memory use the limiter measures in bytes',
      [],
      () => [{ value: memory.usedBytes() }],
    );
    meter.observe(
      'gauge',
      'processor_memory_limiter_soft_limit_bytes',
      'Memory use from which data is refused',
      [],
      () => [{ value: this.#limits.soft }],
    );
  }

  async start(host: Host, _signal: AbortSignal): Promise<void> {
    this.#host = host;
    const { logger } = this.#settings;
    logger.info('Memory limiter configured', {
      limit_mib: mib(this.#limits.hard),
      spike_limit_mib: mib(this.#limits.hard - this.#limits.soft),
      check_interval_ms: this.#config.check_interval,
    });
    if (this.#memory.collectGarbage === undefined) {
      logger.warn('the runtime lets nobody force a garbage collection; memory is won back in its own time');
    }
    this.#check();
    this.#timer = repeat(this.#clock, this.#config.check_interval, () => this.#check());
  }

  async shutdown(_deadline: AbortSignal): Promise<void> {
    this.#timer?.cancel();
  }

  async consumeProfiles(batch: ProfilesBatch, signal: AbortSignal): Promise<void> {
    if (this.#refusing) {
      this.#refused.add(batch.sampleCount);
      throw new RetryableError('data refused due to high memory usage', {
        retryAfterMs: this.#config.check_interval,
      });
    }
    this.#accepted.add(batch.sampleCount);
    await this.#next.consumeProfiles(batch, signal);
  }

  #check(): void {
    let used = this.#memory.usedBytes();
    if (used >= this.#limits.soft)
      used = this.#pacer.collect(used, used >= this.#limits.hard ? 'hard' : 'soft');
    const refuse = used >= this.#limits.soft;
    if (refuse === this.#refusing) return;
    this.#refusing = refuse;
    const { logger } = this.#settings;
    const fields = { cur_mem_mib: mib(used), soft_limit_mib: mib(this.#limits.soft) };
    if (refuse) {
      logger.warn('Memory usage is above soft limit. Refusing data.', fields);
      const error = new Error(
        `memory usage of ${mib(used)} MiB is above the soft limit of ${mib(this.#limits.soft)} MiB`,
      );
      this.#host?.reportStatus({ status: 'recoverable_error', error });
    } else {
      logger.info('Memory usage back within limits. Resuming normal operation.', fields);
      this.#host?.reportStatus({ status: 'ok' });
    }
  }
}

function mib(bytes: number): number {
  return Math.round(bytes / MIB);
}
