// SPDX-License-Identifier: Apache-2.0
import { isSnapshot, type Series } from './series.ts';
import type { ProfileStore } from './store.ts';

/** Which samples a view is about. An absent part means all; times in ms since the epoch, `until` exclusive. */
export interface Selection {
  readonly service?: string | undefined;
  readonly process?: string | undefined;
  readonly type?: string | undefined;
  readonly thread?: string | undefined;
  readonly fromMs: number;
  readonly untilMs: number;
}

/** `[name, weight]`, heaviest first. */
export type Share = readonly [name: string, weight: number];

export interface ServiceEntry {
  readonly service: string;
  /** Start of the newest slice that has samples, ms since the epoch. */
  readonly lastSeenMs: number;
  /** Weight by type in the asked range. */
  readonly types: readonly Share[];
  readonly processes: readonly { readonly process: string; readonly types: readonly Share[] }[];
}

export interface Timeline {
  readonly fromMs: number;
  readonly stepMs: number;
  readonly type: string;
  readonly weights: readonly number[];
}

/** Weight by call-tree node, and what it was taken from. */
export interface NodeWeights {
  readonly type: string;
  readonly self: Float64Array;
  readonly total: number;
  readonly threads: readonly Share[];
}

const MAX_THREADS = 200;
const MAX_PROCESSES = 500;

function matches(series: Series, s: Selection): boolean {
  return (
    (s.service === undefined || series.service === s.service) &&
    (s.process === undefined || series.process === s.process) &&
    (s.type === undefined || series.type === s.type) &&
    (s.thread === undefined || series.thread === s.thread)
  );
}

/** Visits the entries that count: for snapshot types only the newest slice of each series. */
function visit(
  store: ProfileStore,
  s: Selection,
  use: (series: number, node: number, weight: number, step: number) => void,
): void {
  const wanted = new Uint8Array(store.series.length);
  const newestOnly = new Uint8Array(store.series.length);
  for (const [id, series] of store.series.entries()) {
    wanted[id] = matches(series, s) ? 1 : 0;
    newestOnly[id] = isSnapshot(series.type) ? 1 : 0;
  }
  const seenIn = new Float64Array(store.series.length).fill(Number.NaN);
  for (const slice of store.slices(s.fromMs, s.untilMs).reverse()) {
    for (let row = 0; row < slice.length; row++) {
      const id = slice.series[row] as number;
      if (wanted[id] !== 1) continue;
      if (newestOnly[id] === 1) {
        const seen = seenIn[id] as number;
        if (Number.isNaN(seen)) seenIn[id] = slice.step;
        else if (seen !== slice.step) continue;
      }
      use(id, slice.node[row] as number, slice.weight[row] as number, slice.step);
    }
  }
}

/** Everything that sent samples within the ring; weights are those of the range. Sorted by the first type's weight. */
export function listServices(store: ProfileStore, fromMs: number, untilMs: number): ServiceEntry[] {
  const weights = new Float64Array(store.series.length);
  const lastStep = new Float64Array(store.series.length);
  visit(store, { fromMs, untilMs }, (id, _node, weight) => {
    weights[id] = (weights[id] as number) + weight;
  });
  for (const slice of store.slices()) {
    for (let row = 0; row < slice.length; row++) lastStep[slice.series[row] as number] = slice.step;
  }
  const services = new Map<string, { last: number; types: Totals; processes: Map<string, Totals> }>();
  for (const [id, series] of store.series.entries()) {
    if (lastStep[id] === 0) continue;
    let entry = services.get(series.service);
    if (entry === undefined)
      services.set(series.service, (entry = { last: 0, types: new Totals(), processes: new Map() }));
    entry.last = Math.max(entry.last, (lastStep[id] as number) * store.sliceMs);
    entry.types.add(series.type, weights[id] as number);
    let process = entry.processes.get(series.process);
    if (process === undefined) entry.processes.set(series.process, (process = new Totals()));
    process.add(series.type, weights[id] as number);
  }
  const byType = (a: { types: readonly Share[] }, b: { types: readonly Share[] }): number =>
    cpuFirst(b) - cpuFirst(a);
  return [...services]
    .map(([service, entry]) => ({
      service,
      lastSeenMs: entry.last,
      types: entry.types.sorted(),
      processes: [...entry.processes]
        .map(([process, totals]) => ({ process, types: totals.sorted() }))
        .sort(byType)
        .slice(0, MAX_PROCESSES),
    }))
    .sort(byType);
}

function cpuFirst(entry: { types: readonly Share[] }): number {
  const cpu = entry.types.find(([type]) => type === 'cpu:nanoseconds');
  return cpu === undefined ? 0 : cpu[1];
}

class Totals {
  readonly #weights = new Map<string, number>();

  add(name: string, weight: number): void {
    this.#weights.set(name, (this.#weights.get(name) ?? 0) + weight);
  }

  sorted(): Share[] {
    return [...this.#weights].sort((a, b) => b[1] - a[1] || (a[0] < b[0] ? -1 : 1));
  }
}

/** The asked type, or the one that a selection is best shown in: CPU where there is any, else the first by name. */
function resolveType(store: ProfileStore, selection: Selection): string {
  if (selection.type !== undefined) return selection.type;
  const types = new Set<string>();
  for (const [, series] of store.series.entries()) if (matches(series, selection)) types.add(series.type);
  return types.has('cpu:nanoseconds') ? 'cpu:nanoseconds' : ([...types].sort()[0] ?? 'cpu:nanoseconds');
}

export function weighNodes(store: ProfileStore, selection: Selection): NodeWeights {
  const type = resolveType(store, selection);
  const self = new Float64Array(store.tree.nodeCount);
  const byThread = new Map<number, number>();
  let total = 0;
  visit(store, { ...selection, type, thread: undefined }, (id, node, weight) => {
    byThread.set(id, (byThread.get(id) ?? 0) + weight);
    if (selection.thread !== undefined && store.series.at(id)?.thread !== selection.thread) return;
    self[node] = (self[node] as number) + weight;
    total += weight;
  });
  const threads = new Totals();
  for (const [id, weight] of byThread) threads.add(store.series.at(id)?.thread ?? '', weight);
  return { type, self, total, threads: threads.sorted().slice(0, MAX_THREADS) };
}

/** Weight by slice over the whole ring, ending now. */
export function timeline(store: ProfileStore, selection: Selection, nowMs: number): Timeline {
  const type = resolveType(store, selection);
  const last = Math.floor(nowMs / store.sliceMs);
  const count = Math.ceil(store.retentionMs / store.sliceMs);
  const first = last - count + 1;
  const weights = new Array<number>(count).fill(0);
  const wanted = new Uint8Array(store.series.length);
  for (const [id, series] of store.series.entries())
    wanted[id] = matches(series, { ...selection, type }) ? 1 : 0;
  for (const slice of store.slices()) {
    const at = slice.step - first;
    if (at < 0 || at >= count) continue;
    for (let row = 0; row < slice.length; row++) {
      if (wanted[slice.series[row] as number] === 1)
        weights[at] = (weights[at] as number) + (slice.weight[row] as number);
    }
  }
  return { fromMs: first * store.sliceMs, stepMs: store.sliceMs, type, weights };
}
