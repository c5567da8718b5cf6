// SPDX-License-Identifier: Apache-2.0
import { type Clock, repeat, systemClock, type Timer } from '../clock.ts';
import { GarbagePacer } from './garbage-pacer.ts';
import { type Limits, limitsFrom, type MemorySettings } from './limits.ts';
import { type Memory, processMemory } from './memory.ts';

const MIB = 1024 * 1024;

/** Measures memory again and again and says whether there is room. */
export class MemoryGate {
  readonly limits: Limits;
  readonly #memory: Memory;
  readonly #clock: Clock;
  readonly #pacer: GarbagePacer;
  readonly #intervalMs: number;
  #timer: Timer | undefined;
  #isShut = false;

  constructor(config: MemorySettings, memory: Memory = processMemory(), clock: Clock = systemClock) {
    this.#memory = memory;
    this.#clock = clock;
    this.#intervalMs = config.check_interval;
    this.limits = limitsFrom(config, memory.totalBytes());
    this.#pacer = new GarbagePacer(memory, config, clock);
  }

  /** Whether memory use was above the soft limit at the last look. */
  get isShut(): boolean {
    return this.#isShut;
  }

  /** Whether garbage can be collected on demand. */
  get canCollect(): boolean {
    return this.#memory.collectGarbage !== undefined;
  }

  usedBytes(): number {
    return this.#memory.usedBytes();
  }

  /** Looks now and then every interval; tells of each change, with the bytes in use. */
  start(onChange: (isShut: boolean, usedBytes: number) => void): void {
    const look = (): void => {
      let used = this.#memory.usedBytes();
      const { soft, hard } = this.limits;
      if (used >= soft) used = this.#pacer.collect(used, used >= hard ? 'hard' : 'soft');
      const isShut = used >= soft;
      if (isShut === this.#isShut) return;
      this.#isShut = isShut;
      onChange(isShut, used);
    };
    look();
    this.#timer = repeat(this.#clock, this.#intervalMs, look);
  }

  stop(): void {
    this.#timer?.cancel();
  }
}

/** Bytes as whole MiB, for messages. */
export function toMib(bytes: number): number {
  return Math.round(bytes / MIB);
}
