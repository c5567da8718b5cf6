// SPDX-License-Identifier: Apache-2.0
import type { WireReader } from '../../internal/wire-reader.ts';
import { hashEnd, hashStart } from '../../pdata/columns.ts';
import type { StackTable } from '../../pdata/tables.ts';
import type { MemoryBudget } from './budget.ts';
import { Int32List } from '../int32-list.ts';
import type { Region } from './scan.ts';

/** Slots looked at before a stack counts as new: crafted collisions cost a duplicate row, not time. */
const MAX_PROBES = 16;

/** Scratch of the last file, kept for the next: zeroing and paging it in would cost as much as reading. */
let spare: Int32List | undefined;
const SPARE_IDS = 1 << 20;

/** The stack table of a file under construction: samples that differ in labels only share a row. */
export class StackRows {
  /** Location rows of all stacks, those of the stack that is being read last. */
  readonly ids: Int32List;
  /** Of the stack that is being read: whoever adds to `ids` mixes the location in. */
  hash = 0;
  readonly #budget: MemoryBudget;
  /** Start of each row; row 0 is the empty stack. */
  readonly #start: Uint32Array;
  readonly #hash: Int32Array;
  readonly #slots: Int32Array;
  #rows = 1;
  #from = 0;

  /** For the samples of `region`, one stack each at most. */
  constructor(r: WireReader, region: Region, budget: MemoryBudget) {
    const slots = 2 ** Math.ceil(Math.log2(region.count + (region.count >> 1) + 2));
    // Most ids take two bytes, and not all of a sample is ids.
    const expected = (region.end - region.start) >> 1;
    budget.charge(r, (slots + 2 * (region.count + 2) + expected) * 4);
    this.ids = spare !== undefined && spare.data.length >= expected ? spare : new Int32List(expected);
    this.ids.length = 0;
    spare = undefined;
    this.#budget = budget;
    this.#start = new Uint32Array(region.count + 2);
    this.#hash = new Int32Array(region.count + 1);
    this.#slots = new Int32Array(slots);
  }

  begin(): void {
    this.#from = this.ids.length;
    this.hash = hashStart();
  }

  /** Makes room for `n` more locations. */
  reserve(r: WireReader, n: number): void {
    const { ids } = this;
    if (ids.length + n <= ids.data.length) return;
    this.#budget.charge(r, Math.max(n, ids.data.length) * 4);
    ids.reserve(n);
  }

  push(location: number): void {
    this.ids.push(location);
    this.hash = mixed(this.hash, location);
  }

  /** Row of the locations pushed since `begin`. */
  end(): number {
    const { ids } = this;
    const from = this.#from;
    const n = ids.length - from;
    if (n === 0) return 0;
    const hash = hashEnd(this.hash);
    const slots = this.#slots;
    const mask = slots.length - 1;
    let slot = hash & mask;
    for (let probe = 0; probe < MAX_PROBES; probe++) {
      const row = slots[slot] as number;
      if (row === 0) break;
      if (this.#hash[row] === hash && this.#equals(row, from, n)) {
        ids.length = from;
        return row;
      }
      slot = (slot + 1) & mask;
    }
    const row = this.#rows++;
    if (slots[slot] === 0) slots[slot] = row;
    this.#hash[row] = hash;
    this.#start[row + 1] = ids.length;
    return row;
  }

  #equals(row: number, from: number, n: number): boolean {
    const { data } = this.ids;
    const start = this.#start[row] as number;
    if ((this.#start[row + 1] as number) - start !== n) return false;
    for (let i = 0; i < n; i++) if (data[start + i] !== data[from + i]) return false;
    return true;
  }

  build(): StackTable {
    const length = this.#rows;
    const values = this.ids.take();
    if (this.ids.data.length <= SPARE_IDS) spare = this.ids;
    const start = this.#start.length === length + 1 ? this.#start : this.#start.slice(0, length + 1);
    return { length, locations: { start, values } };
  }
}

/** One step of a stack's hash: cheap, as a collision costs no more than a probe. */
export function mixed(hash: number, location: number): number {
  return Math.imul(hash ^ location, 0x9e3779b1);
}
