// SPDX-License-Identifier: Apache-2.0
import type { WireReader } from '../../internal/wire-reader.ts';
import { Cost, type MemoryBudget } from './budget.ts';

/**
 * Rows by the ids that a file gives them. Producers number from 1, so most ids index a column; others go
 * to a map.
 */
export class IdTable {
  /** Row by id for ids up to its length; 0 = no such id. */
  readonly dense: Int32Array;
  readonly #sparse = new Map<bigint, number>();
  readonly #what: string;
  readonly #budget: MemoryBudget;

  constructor(r: WireReader, what: string, count: number, budget: MemoryBudget) {
    const length = count + (count >> 1) + 2;
    budget.charge(r, length * 4);
    this.dense = new Int32Array(length);
    this.#what = what;
    this.#budget = budget;
  }

  /** `row` is at least 1. */
  add(r: WireReader, lo: number, hi: number, row: number): void {
    const { dense } = this;
    if (hi === 0 && lo < dense.length) {
      if (lo === 0) r.fail(`${this.#what} has id 0`);
      if (dense[lo] !== 0) r.fail(`${this.#what} id ${lo} is used twice`);
      dense[lo] = row;
      return;
    }
    const id = wide(lo, hi);
    if (this.#sparse.has(id)) r.fail(`${this.#what} id ${id} is used twice`);
    this.#budget.charge(r, Cost.sparseId);
    this.#sparse.set(id, row);
  }

  get(r: WireReader, lo: number, hi: number): number {
    const row = hi === 0 && lo < this.dense.length ? this.dense[lo] : this.#sparse.get(wide(lo, hi));
    return row || r.fail(`${this.#what} id ${wide(lo, hi)} does not exist`);
  }
}

function wide(lo: number, hi: number): bigint {
  return (BigInt(hi) << 32n) | BigInt(lo);
}
