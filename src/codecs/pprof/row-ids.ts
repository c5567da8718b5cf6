// SPDX-License-Identifier: Apache-2.0

/** Columns up to this long are kept for the next file, so that a small one out of a large dictionary is cheap. */
const SPARE_ROWS = 1 << 18;
const SPARE_COLUMNS = 8;
const spare: Int32Array[] = [];

/** Ids of pprof for the rows of a table, from 1, in the order in which they are asked for. */
export class RowIds {
  /** Id by row; 0 = none yet. */
  readonly ids: Int32Array;
  /** Row of id `i + 1`. */
  readonly rows: number[] = [];

  /** For a table of `length` rows. `release` it after use. */
  constructor(length: number) {
    const known = spare.pop();
    this.ids = known !== undefined && known.length >= length ? known : new Int32Array(length);
  }

  /** Gives a row that has none the next id. */
  add(row: number): number {
    const id = this.rows.push(row);
    this.ids[row] = id;
    return id;
  }

  /** Renumbers by ascending row. */
  sort(): void {
    this.rows.sort((a, b) => a - b);
    this.rows.forEach((row, i) => {
      this.ids[row] = i + 1;
    });
  }

  /** Leaves the column zeroed to the next file; the ids must not be used afterwards. */
  release(): void {
    if (this.ids.length > SPARE_ROWS || spare.length === SPARE_COLUMNS) return;
    for (const row of this.rows) this.ids[row] = 0;
    spare.push(this.ids);
  }
}
