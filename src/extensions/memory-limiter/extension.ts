// SPDX-License-Identifier: Apache-2.0
import type { Admission } from '../../component/admission.ts';
import type { Host, Settings } from '../../component/component.ts';
import { MemoryGuard } from '../../component/memory-guard.ts';
import type { Counter } from '../../component/telemetry.ts';
import type { MemoryLimiterConfig } from '../../config/sections/memory-limiter.ts';
import type { RetryableError } from '../../consumer/consumer.ts';
import type { Clock } from '../../internal/clock.ts';
import type { Memory } from '../../internal/memory-gate/memory.ts';

/** Lets servers refuse requests, before they are read, while the process uses more memory than it may. */
export class MemoryLimiterExtension implements Admission {
  readonly #guard: MemoryGuard;
  readonly #refused: Counter;

  constructor(settings: Settings, config: MemoryLimiterConfig, memory?: Memory, clock?: Clock) {
    this.#guard = new MemoryGuard(settings, config, 'extension_memory_limiter', memory, clock);
    this.#refused = settings.meter.counter(
      'extension_memory_limiter_refused_requests',
      'Number of requests refused because of memory usage',
    );
  }

  async start(host: Host, _signal: AbortSignal): Promise<void> {
    this.#guard.start(host);
  }

  async shutdown(_deadline: AbortSignal): Promise<void> {
    this.#guard.stop();
  }

  refuse(): RetryableError | undefined {
    const refusal = this.#guard.refusal();
    if (refusal !== undefined) this.#refused.add(1);
    return refusal;
  }
}
