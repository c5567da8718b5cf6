// SPDX-License-Identifier: Apache-2.0
import type { TargetGroup } from '../target.ts';

/** Groups made before others have their turn: about two milliseconds' worth. */
const GROUPS_A_TURN = 100;

interface GroupStock {
  readonly waiting: number;
  take(limit: number): TargetGroup[];
}

/**
 * Hands over groups once it is open. What happens in one turn of the event loop goes out together; much work is
 * spread over turns, and still goes out together, so that the first update is whole.
 */
export class Outlet {
  readonly #update: (groups: readonly TargetGroup[]) => void;
  readonly #refused: (error: unknown) => void;
  #stock: GroupStock | undefined;
  /** By name: of what was not taken the last word counts. */
  readonly #groups = new Map<string, TargetGroup>();
  #turn: NodeJS.Immediate | undefined;
  #isClosed = false;

  /** `refused` is told where `update` throws: what it did not take is handed over again with the next. */
  constructor(update: (groups: readonly TargetGroup[]) => void, refused: (error: unknown) => void) {
    this.#update = update;
    this.#refused = refused;
  }

  /** Everything there is goes out as the first update, also where it is nothing. */
  open(stock: GroupStock): void {
    this.#stock = stock;
    this.request();
  }

  /** Hands over what waits, soon; where nothing does, that all is well. */
  request(): void {
    if (this.#stock === undefined || this.#isClosed) return;
    this.#turn ??= setImmediate(() => this.#work());
  }

  close(): void {
    this.#isClosed = true;
    clearImmediate(this.#turn);
  }

  #work(): void {
    this.#turn = undefined;
    if (this.#stock === undefined) return;
    for (const group of this.#stock.take(GROUPS_A_TURN)) this.#groups.set(group.name, group);
    if (this.#stock.waiting > 0) {
      this.request();
      return;
    }
    try {
      this.#update([...this.#groups.values()]);
      this.#groups.clear();
    } catch (error) {
      this.#refused(error);
    }
  }
}
