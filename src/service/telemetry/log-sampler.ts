// SPDX-License-Identifier: Apache-2.0

/** As `service::telemetry::logs::sampling`: per tick the first `initial` equal entries pass, then every `thereafter`th. */
export interface Sampling {
  readonly enabled: boolean;
  /** Milliseconds. */
  readonly tick: number;
  readonly initial: number;
  /** 0: none after the initial ones. */
  readonly thereafter: number;
}

interface Repeats {
  tickEndMs: number;
  seen: number;
  /** Held back since an entry of this kind was written. */
  held: number;
}

/** Kinds of entries that are counted apart; the one not seen for longest makes room. */
const MAX_KINDS = 4_096;

/** Holds back repeats of log entries; what it holds back is counted. */
export class LogSampler {
  readonly #sampling: Sampling;
  readonly #kinds = new Map<string, Repeats>();
  readonly #onHeldBack: () => void;

  constructor(sampling: Sampling, onHeldBack: () => void = () => undefined) {
    this.#sampling = sampling;
    this.#onHeldBack = onHeldBack;
  }

  /**
   * Undefined when the entry is to be held back; else how many of its kind were held back before it.
   */
  pass(kind: string, timeMs: number): number | undefined {
    const { enabled, tick, initial, thereafter } = this.#sampling;
    if (!enabled) return 0;
    const repeats = this.#kinds.get(kind) ?? { tickEndMs: 0, seen: 0, held: 0 };
    this.#kinds.delete(kind);
    this.#kinds.set(kind, repeats);
    if (this.#kinds.size > MAX_KINDS) this.#forgetOldest();
    if (timeMs >= repeats.tickEndMs) {
      repeats.tickEndMs = timeMs + tick;
      repeats.seen = 0;
    }
    repeats.seen++;
    const passes = repeats.seen <= initial || (thereafter > 0 && (repeats.seen - initial) % thereafter === 0);
    if (!passes) {
      repeats.held++;
      this.#onHeldBack();
      return undefined;
    }
    const held = repeats.held;
    repeats.held = 0;
    return held;
  }

  #forgetOldest(): void {
    const [oldest] = this.#kinds.keys();
    if (oldest !== undefined) this.#kinds.delete(oldest);
  }
}
