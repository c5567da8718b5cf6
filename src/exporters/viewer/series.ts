// SPDX-License-Identifier: Apache-2.0

/** Which samples belong together: one thread of one process of one service, one type. */
export interface Series {
  readonly service: string;
  /** Stable key of the process within the service: `name:pid@place`. */
  readonly process: string;
  /** `cpu:nanoseconds`, `alloc_space:bytes` … */
  readonly type: string;
  readonly thread: string;
}

const SERIES_BYTES = 320;
const SNAPSHOT_TYPE = /^(inuse_|goroutines?:|threadcreate:|live_|memory_usage)/;

/**
 * Types whose profiles each tell a state, not what happened since the last one (heap in use, goroutines):
 * of these only the newest of a series in the range counts, the sum over time would mean nothing.
 */
export function isSnapshot(type: string): boolean {
  return SNAPSHOT_TYPE.test(type);
}

/** Interned series, compacted together with the call tree. */
export class SeriesTable {
  #rows: Series[] = [];
  #ids = new Map<string, number>();
  #textLength = 0;

  get length(): number {
    return this.#rows.length;
  }

  /** Upper estimate of the memory held. */
  get bytes(): number {
    return this.#rows.length * SERIES_BYTES + this.#textLength * 4;
  }

  at(id: number): Series | undefined {
    return this.#rows[id];
  }

  entries(): ArrayIterator<[number, Series]> {
    return this.#rows.entries();
  }

  intern(series: Series): number {
    const key = `${series.service}\u0000${series.process}\u0000${series.type}\u0000${series.thread}`;
    const known = this.#ids.get(key);
    if (known !== undefined) return known;
    this.#rows.push(series);
    this.#textLength += key.length;
    this.#ids.set(key, this.#rows.length - 1);
    return this.#rows.length - 1;
  }

  /** Keeps the series marked in `used`; returns the new id of each old one. */
  compact(used: Uint8Array): Int32Array {
    const rows = this.#rows;
    const ids = new Int32Array(rows.length);
    this.#rows = [];
    this.#ids = new Map();
    this.#textLength = 0;
    rows.forEach((series, id) => {
      if (used[id] === 1) ids[id] = this.intern(series);
    });
    return ids;
  }
}
