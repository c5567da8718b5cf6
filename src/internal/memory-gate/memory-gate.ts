// SPDX-License-Identifier: Apache-2.0
import { type Clock, repeat, systemClock, type Timer } from '../clock.ts';
import { GarbagePacer } from './garbage-pacer.ts';
import { type Limits, limitsFrom, type MemorySettings } from './limits.ts';
import { type Memory, processMemory } from './memory.ts';

const MIB = 1024 * 1024;
/** Native memory that alone keeps the gate shut for so long, and does not grow, will not come back. */
const ACCEPT_AFTER_MS = 30_000;
const GROWTH = 1.05;

/** Told of what happens at a gate. */
export interface GateEvents {
  /** It opens or shuts. */
  onChange(isShut: boolean, usedBytes: number): void;
  /** Native memory that does not come back counts no longer. */
  onAccepted?(bytes: number): void;
}

/** Measures memory again and again and says whether there is room. */
export class MemoryGate {
  readonly limits: Limits;
  readonly #memory: Memory;
  readonly #clock: Clock;
  readonly #pacer: GarbagePacer;
  readonly #intervalMs: number;
  #timer: Timer | undefined;
  #isShut = false;
  /** Since when native memory alone keeps the gate shut, and how much it was. */
  #native: { readonly sinceMs: number; readonly bytes: number } | undefined;

  constructor(
    config: MemorySettings,
    memory: Memory = processMemory(config.include_rss),
    clock: Clock = systemClock,
  ) {
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
  start({ onChange, onAccepted }: GateEvents): void {
    const look = (): void => {
      let used = this.#memory.usedBytes();
      const { soft, hard } = this.limits;
      if (used >= soft) used = this.#pacer.collect(used, used >= hard ? 'hard' : 'soft');
      const accepted = used >= soft ? this.#nativeThatStays(used) : undefined;
      if (used < soft) this.#native = undefined;
      if (accepted !== undefined) {
        onAccepted?.(accepted);
        used = this.#memory.usedBytes();
      }
      const isShut = used >= soft;
      if (isShut === this.#isShut) return;
      this.#isShut = isShut;
      onChange(isShut, used);
    };
    look();
    this.#timer = repeat(this.#clock, this.#intervalMs, look);
  }

  /** Bytes of native memory that from now on do not count, because they would refuse everything for ever. */
  #nativeThatStays(usedBytes: number): number | undefined {
    const { native } = this.#memory;
    const bytes = native?.bytes() ?? 0;
    if (native === undefined || usedBytes - bytes >= this.limits.soft) {
      this.#native = undefined;
      return undefined;
    }
    const nowMs = this.#clock.now();
    if (this.#native === undefined || bytes > this.#native.bytes * GROWTH)
      this.#native = { sinceMs: nowMs, bytes };
    if (nowMs - this.#native.sinceMs < ACCEPT_AFTER_MS) return undefined;
    this.#native = undefined;
    native.accept();
    return bytes;
  }

  stop(): void {
    this.#timer?.cancel();
  }
}

/** Bytes as whole MiB, for messages. */
export function toMib(bytes: number): number {
  return Math.round(bytes / MIB);
}
