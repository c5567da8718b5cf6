// SPDX-License-Identifier: Apache-2.0
import type { Clock } from '../clock.ts';
import type { MemorySettings } from './limits.ts';
import type { Memory } from './memory.ts';

/** A collection that wins less than this share is useless: the memory is in real use. */
const WORTHWHILE = 0.05;

/**
 * Forces garbage collections no more often than configured. Each one stops the event loop, so useless
 * ones double the interval up to its configured maximum.
 */
export class GarbagePacer {
  readonly #memory: Memory;
  readonly #config: MemorySettings;
  readonly #clock: Clock;
  #lastMs = Number.NEGATIVE_INFINITY;
  #useless = 0;

  constructor(memory: Memory, config: MemorySettings, clock: Clock) {
    this.#memory = memory;
    this.#config = config;
    this.#clock = clock;
  }

  /** Collects if it is time for it; gives back the bytes used after that. */
  collect(usedBytes: number, limit: 'soft' | 'hard'): number {
    const collectGarbage = this.#memory.collectGarbage;
    const nowMs = this.#clock.now();
    if (collectGarbage === undefined || nowMs - this.#lastMs < this.#intervalMs(limit)) return usedBytes;
    collectGarbage();
    this.#lastMs = nowMs;
    const afterBytes = this.#memory.usedBytes();
    this.#useless = usedBytes - afterBytes < usedBytes * WORTHWHILE ? this.#useless + 1 : 0;
    return afterBytes;
  }

  #intervalMs(limit: 'soft' | 'hard'): number {
    const minMs = this.#config[`min_gc_interval_when_${limit}_limited`];
    const maxMs = this.#config[`max_gc_interval_when_${limit}_limited`];
    if (this.#useless === 0) return minMs;
    return Math.min(maxMs, Math.max(minMs, this.#config.check_interval) * 2 ** this.#useless);
  }
}
