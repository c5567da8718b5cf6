// SPDX-License-Identifier: Apache-2.0
import type { Host, Processor, Settings } from '../../component/component.ts';
import { MemoryGuard } from '../../component/memory-guard.ts';
import type { Counter } from '../../component/telemetry.ts';
import type { MemoryLimiterConfig } from '../../config/sections/memory-limiter.ts';
import type { ProfilesConsumer } from '../../consumer/consumer.ts';
import type { Clock } from '../../internal/clock.ts';
import type { Memory } from '../../internal/memory-gate/memory.ts';
import type { ProfilesBatch } from '../../pdata/profiles-batch.ts';

/** Refuses profiles while the process uses more memory than it may. */
export class MemoryLimiterProcessor implements Processor {
  readonly #next: ProfilesConsumer;
  readonly #guard: MemoryGuard;
  readonly #accepted: Counter;
  readonly #refused: Counter;

  constructor(
    settings: Settings,
    config: MemoryLimiterConfig,
    next: ProfilesConsumer,
    memory?: Memory,
    clock?: Clock,
  ) {
    this.#next = next;
    this.#guard = new MemoryGuard(settings, config, 'processor_memory_limiter', memory, clock);
    const { meter } = settings;
    this.#accepted = meter.counter(
      'processor_accepted_profile_samples',
      'Number of profile samples let through',
    );
    this.#refused = meter.counter(
      'processor_refused_profile_samples',
      'Number of profile samples refused because of memory usage',
    );
  }

  async start(host: Host, _signal: AbortSignal): Promise<void> {
    this.#guard.start(host);
  }

  async shutdown(_deadline: AbortSignal): Promise<void> {
    this.#guard.stop();
  }

  async consumeProfiles(batch: ProfilesBatch, signal: AbortSignal): Promise<void> {
    const refusal = this.#guard.refusal();
    if (refusal !== undefined) {
      this.#refused.add(batch.sampleCount);
      throw refusal;
    }
    this.#accepted.add(batch.sampleCount);
    await this.#next.consumeProfiles(batch, signal);
  }
}
