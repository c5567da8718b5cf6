// SPDX-License-Identifier: Apache-2.0
/** What is kept of a profile until the next one of its series. */
interface Sized {
  /** Of memory. */
  readonly sizeBytes: number;
}

/** Of an entry beside the totals themselves. */
const ENTRY_BYTES = 200;

/** Totals of many series within a budget of memory: those not asked for longest make room. */
export class TotalsStore<Totals extends Sized> {
  readonly #maxBytes: number;
  readonly #onEvict: () => void;
  /** Least recently set first. */
  readonly #totals = new Map<string, Totals>();
  #bytes = 0;

  /** `onEvict` is called for each series whose totals had to go; its next profile is a first one. */
  constructor(maxBytes: number, onEvict: () => void) {
    this.#maxBytes = maxBytes;
    this.#onEvict = onEvict;
  }

  get sizeBytes(): number {
    return this.#bytes;
  }

  get(id: string): Totals | undefined {
    return this.#totals.get(id);
  }

  /** Totals that alone are over the budget are not kept. */
  set(id: string, totals: Totals): void {
    this.delete(id);
    this.#totals.set(id, totals);
    this.#bytes += totals.sizeBytes + ENTRY_BYTES;
    for (const oldest of this.#totals.keys()) {
      if (this.#bytes <= this.#maxBytes) break;
      this.delete(oldest);
      this.#onEvict();
    }
  }

  delete(id: string): void {
    const totals = this.#totals.get(id);
    if (totals === undefined) return;
    this.#totals.delete(id);
    this.#bytes -= totals.sizeBytes + ENTRY_BYTES;
  }
}
