// SPDX-License-Identifier: Apache-2.0
import { CallTree } from './call-tree.ts';
import { SeriesTable } from './series.ts';
import { Slice } from './slice.ts';

export interface StoreLimits {
  readonly maxBytes: number;
  readonly retentionMs: number;
}

/** The ring has at most this many slices, so that a longer retention does not cost more of them. */
const MAX_SLICES = 600;
/** Late samples are common for a few report intervals; after that a slice gives its index back. */
const OPEN_MS = 30_000;
/** Making room goes on to this share of the budget, so that it is not needed again at once. */
const ROOM = 7 / 8;
/** Share of the slices that go at once; enough that one compaction mostly suffices. */
const EVICTED = 1 / 5;

/**
 * The last minutes of samples, in memory, under a byte budget. Slices of equal length hold weights by
 * series and call-tree node; what no slice refers to any more is forgotten by `compact`, which runs
 * when as much has left the ring as is in it, and when the budget is reached: nothing grows with time.
 */
export class ProfileStore {
  readonly tree = new CallTree();
  readonly series = new SeriesTable();
  readonly sliceMs: number;
  readonly retentionMs: number;
  readonly maxBytes: number;
  /** Slices and events that had to go before their time for the budget. */
  evictedSlices = 0;
  evictedEvents = 0;
  /** Changes whenever ids of series and nodes do. */
  generation = 0;
  readonly #slices = new Map<number, Slice>();
  #newest = Number.NEGATIVE_INFINITY;
  #entriesGone = 0;

  constructor(limits: StoreLimits) {
    this.maxBytes = limits.maxBytes;
    this.retentionMs = limits.retentionMs;
    this.sliceMs = Math.max(1000, Math.ceil(limits.retentionMs / MAX_SLICES / 1000) * 1000);
  }

  get bytes(): number {
    let bytes = this.tree.bytes + this.series.bytes;
    for (const slice of this.#slices.values()) bytes += slice.bytes;
    return bytes;
  }

  get sliceCount(): number {
    return this.#slices.size;
  }

  get eventCount(): number {
    let events = 0;
    for (const slice of this.#slices.values()) events += slice.events;
    return events;
  }

  /** Start of the oldest slice, ms since the epoch; undefined where there is none. */
  get oldestMs(): number | undefined {
    const steps = [...this.#slices.keys()];
    return steps.length === 0 ? undefined : Math.min(...steps) * this.sliceMs;
  }

  /** Slices with a part in `[fromMs, untilMs)`, oldest first. */
  slices(fromMs = Number.NEGATIVE_INFINITY, untilMs = Number.POSITIVE_INFINITY): Slice[] {
    return [...this.#slices.values()]
      .filter((s) => (s.step + 1) * this.sliceMs > fromMs && s.step * this.sliceMs < untilMs)
      .sort((a, b) => a.step - b.step);
  }

  /** Adds `events` samples of one series and stack. The time must lie within the window that `covers` tells. */
  add(timeMs: number, series: number, node: number, weight: number, events: number): void {
    const slice = this.#sliceAt(timeMs);
    slice.add(series, node, weight);
    slice.events += events;
  }

  /** As `add`, for a type that tells a state: of the profiles in a slice that of the newest `stateMs` stays. */
  addState(
    timeMs: number,
    series: number,
    node: number,
    weight: number,
    events: number,
    stateMs: number,
  ): void {
    const slice = this.#sliceAt(timeMs);
    if (slice.beginState(series, stateMs)) slice.add(series, node, weight);
    slice.events += events;
  }

  #sliceAt(timeMs: number): Slice {
    const step = Math.floor(timeMs / this.sliceMs);
    let slice = this.#slices.get(step);
    if (slice === undefined) {
      slice = new Slice(step);
      this.#slices.set(step, slice);
      this.#newest = Math.max(this.#newest, step);
    }
    return slice;
  }

  /** Whether a time is within the retention, seen from `nowMs`; a little ahead is forgiven to other hosts' clocks. */
  covers(timeMs: number, nowMs: number): boolean {
    return timeMs > nowMs - this.retentionMs && timeMs < nowMs + 2000;
  }

  /** Lets go of what is older than the retention and what is over the budget. Cheap when nothing is. */
  trim(nowMs: number): void {
    const oldest = Math.floor((nowMs - this.retentionMs) / this.sliceMs);
    const sealBefore = this.#newest - OPEN_MS / this.sliceMs;
    for (const slice of this.#slices.values()) {
      if (slice.step < oldest) this.#drop(slice);
      else if (slice.isOpen && slice.step < sealBefore) slice.seal();
    }
    if (this.#entriesGone > 0 && this.#entriesGone >= this.#entryCount()) this.#compact();
    if (this.bytes > this.maxBytes) this.#makeRoom();
  }

  #makeRoom(): void {
    while (this.#slices.size > 0 && this.bytes > this.maxBytes * ROOM) {
      const oldestFirst = this.slices();
      for (const slice of oldestFirst.slice(0, Math.ceil(oldestFirst.length * EVICTED))) {
        this.evictedSlices++;
        this.evictedEvents += slice.events;
        this.#drop(slice);
      }
      this.#compact();
    }
  }

  #drop(slice: Slice): void {
    this.#slices.delete(slice.step);
    this.#entriesGone += slice.length;
  }

  #entryCount(): number {
    let entries = 0;
    for (const slice of this.#slices.values()) entries += slice.length;
    return entries;
  }

  #compact(): void {
    const nodes = new Uint8Array(this.tree.nodeCount);
    const series = new Uint8Array(this.series.length);
    for (const slice of this.#slices.values()) {
      for (let row = 0; row < slice.length; row++) {
        nodes[slice.node[row] as number] = 1;
        series[slice.series[row] as number] = 1;
      }
    }
    const nodeIds = this.tree.compact(nodes);
    const seriesIds = this.series.compact(series);
    for (const slice of this.#slices.values()) slice.remap(seriesIds, nodeIds);
    this.#entriesGone = 0;
    this.generation++;
  }
}
