// SPDX-License-Identifier: Apache-2.0
import { valueToText } from '../../pdata/any-value.ts';
import type { Dictionary } from '../../pdata/dictionary.ts';
import { namelessLocation } from '../../pdata/folded.ts';
import {
  FRACTION_ATTRIBUTE,
  type Profile,
  type ProfilesBatch,
  weightOf,
} from '../../pdata/profiles-batch.ts';
import { listAt } from '../../pdata/tables.ts';
import { baseName, type Origin, originOf } from './origin.ts';
import { isSnapshot } from './series.ts';
import type { ProfileStore } from './store.ts';

/** A stack's frames beyond this, counted from the root, are left out; the weight stays. */
export const MAX_DEPTH = 1024;
/** Sample records between two looks at the budget and two turns of the event loop. */
const STEP = 512;
const NANOS_PER_MS = 1_000_000n;
/** No profiler samples less; what says so would weigh more than all else. */
const MIN_SHARE = 1e-9;

export interface IngestResult {
  readonly events: number;
  /** Events whose own time lay outside of the retention: they were placed at their arrival. */
  readonly misplaced: number;
}

/**
 * Puts a batch into the store in steps; the caller may let other work run between two of them. Each
 * step is bounded and leaves the store whole and within its budget.
 */
export function* ingest(
  store: ProfileStore,
  batch: ProfilesBatch,
  now: () => number,
): Generator<void, IngestResult> {
  let rows = new BatchRows(store, batch.dictionary);
  let events = 0;
  let misplaced = 0;
  for (const { resource, profile } of batch.profiles()) {
    const origin = originOf(resource.resource.attributes);
    for (let from = 0; from < profile.samples.length; from += STEP) {
      if (rows.generation !== store.generation) rows = new BatchRows(store, batch.dictionary);
      const target = new ProfileTarget(store, rows, origin, profile, now());
      const to = Math.min(from + STEP, profile.samples.length);
      for (let i = from; i < to; i++) target.add(i);
      events += target.events;
      misplaced += target.misplaced;
      store.trim(now());
      if (to - from === STEP) yield;
    }
  }
  return { events, misplaced };
}

/** What one profile's samples have in common, and where they go. */
class ProfileTarget {
  events = 0;
  misplaced = 0;
  readonly #store: ProfileStore;
  readonly #rows: BatchRows;
  readonly #profile: Profile;
  readonly #origin: Origin;
  readonly #type: string;
  readonly #scale: number;
  readonly #isState: boolean;
  readonly #nowMs: number;
  readonly #endMs: number;
  readonly #series = new Map<string, number>();

  constructor(store: ProfileStore, rows: BatchRows, origin: Origin, profile: Profile, nowMs: number) {
    this.#store = store;
    this.#rows = rows;
    this.#profile = profile;
    this.#origin = origin;
    this.#nowMs = nowMs;
    this.#endMs = Number((profile.timeUnixNano + profile.durationNano) / NANOS_PER_MS);
    const { type, scale } = typeOf(rows.dictionary, profile);
    this.#type = type;
    this.#scale = scale / shareOf(rows.dictionary, profile);
    this.#isState = isSnapshot(type);
  }

  add(i: number): void {
    const { samples } = this.#profile;
    const node = this.#rows.node(samples.stack[i] ?? 0);
    const series = this.#seriesOf(this.#rows.thread(listAt(samples.attributes, i)));
    const from = samples.timestampStart[i] ?? 0;
    const times = (samples.timestampStart[i + 1] ?? 0) - from;
    const valuesFrom = samples.valueStart[i] ?? 0;
    const values = (samples.valueStart[i + 1] ?? 0) - valuesFrom;
    if (times === 0) {
      this.#place(this.#endMs, series, node, Number(weightOf(samples, i)), 1);
      return;
    }
    const even = values === times ? 0 : Number(weightOf(samples, i)) / times;
    for (let t = 0; t < times; t++) {
      const timeMs = Number((samples.timestamps[from + t] ?? 0n) / NANOS_PER_MS);
      const weight = values === times ? Number(samples.values[valuesFrom + t] ?? 0n) : even;
      this.#place(timeMs, series, node, weight, 1);
    }
  }

  #place(timeMs: number, series: number, node: number, weight: number, events: number): void {
    const covered = this.#store.covers(timeMs, this.#nowMs);
    this.events += events;
    if (!covered) this.misplaced += events;
    const at = covered ? timeMs : this.#nowMs;
    // A state is as old as its profile says, wherever it is placed.
    if (this.#isState) this.#store.addState(at, series, node, weight * this.#scale, events, this.#endMs);
    else this.#store.add(at, series, node, weight * this.#scale, events);
  }

  #seriesOf(thread: string): number {
    const known = this.#series.get(thread);
    if (known !== undefined) return known;
    const id = this.#store.series.intern({ ...this.#origin, type: this.#type, thread });
    this.#series.set(thread, id);
    return id;
  }
}

/** CPU profiles that count samples become time, so that hosts with different sampling rates add up. */
function typeOf(dictionary: Dictionary, p: Profile): { type: string; scale: number } {
  const type = dictionary.text(p.sampleType.type);
  const unit = dictionary.text(p.sampleType.unit);
  const counts = (type === 'samples' || type === 'cpu' || type === 'sample') && unit === 'count';
  const onCpu =
    dictionary.text(p.periodType.type) === 'cpu' && dictionary.text(p.periodType.unit) === 'nanoseconds';
  if (counts && onCpu && p.period > 0n) return { type: 'cpu:nanoseconds', scale: Number(p.period) };
  return { type: `${type || 'samples'}:${unit || 'count'}`.slice(0, 128), scale: 1 };
}

/** The share of the events that was sampled, where the profile tells one that can be believed; else 1. */
function shareOf(dictionary: Dictionary, p: Profile): number {
  for (const row of p.attributes) {
    if (dictionary.attributeKey(row) !== FRACTION_ATTRIBUTE) continue;
    const value = dictionary.attributeValue(row);
    if (value.kind === 'double' && value.value >= MIN_SHARE && value.value <= 1) return value.value;
  }
  return 1;
}

/** Rows of a batch's dictionary as ids of the store, each resolved once. */
class BatchRows {
  readonly generation: number;
  readonly dictionary: Dictionary;
  readonly #store: ProfileStore;
  readonly #nodes = new Map<number, number>();
  readonly #frames = new Map<number, readonly number[]>();
  readonly #threads = new Map<number, string>();

  constructor(store: ProfileStore, dictionary: Dictionary) {
    this.#store = store;
    this.dictionary = dictionary;
    this.generation = store.generation;
  }

  /** `thread.name` among a sample's attributes, or empty. */
  thread(attributes: Int32Array): string {
    for (const row of attributes) {
      let name = this.#threads.get(row);
      if (name === undefined) {
        const isName = this.dictionary.attributeKey(row) === 'thread.name';
        name = isName ? valueToText(this.dictionary.attributeValue(row)).slice(0, 128) : '';
        this.#threads.set(row, name);
      }
      if (name !== '') return name;
    }
    return '';
  }

  /** Call-tree node of a stack. */
  node(stack: number): number {
    const known = this.#nodes.get(stack);
    if (known !== undefined) return known;
    const locations = listAt(this.dictionary.tables.stacks.locations, stack);
    const { tree } = this.#store;
    let node = 0;
    let depth = 0;
    for (let i = locations.length - 1; i >= 0 && depth < MAX_DEPTH; i--) {
      for (const frame of this.#location(locations[i] as number)) {
        if (depth++ < MAX_DEPTH) node = tree.child(node, frame);
      }
    }
    this.#nodes.set(stack, node);
    return node;
  }

  /** Frames of a location, outermost first. */
  #location(row: number): readonly number[] {
    const known = this.#frames.get(row);
    if (known !== undefined) return known;
    const { dictionary } = this;
    const { locations, mappings, functions } = dictionary.tables;
    const from = locations.lineStart[row] ?? 0;
    const to = Math.min(locations.lineStart[row + 1] ?? 0, from + MAX_DEPTH);
    const binary = baseName(dictionary.text(mappings.filename[locations.mapping[row] ?? 0] ?? 0));
    const kind = this.#kind(row);
    const frames: number[] = [];
    if (from === to) {
      const name = namelessLocation(dictionary, row);
      frames.push(
        this.#store.tree.frame({ name, file: '', line: 0, binary, kind: kind || guessKind('', binary) }),
      );
    }
    for (let i = to - 1; i >= from; i--) {
      const f = locations.lineFunction[i] ?? 0;
      const name =
        dictionary.text(functions.name[f] ?? 0) ||
        dictionary.text(functions.systemName[f] ?? 0) ||
        '(anonymous)';
      const file = dictionary.text(functions.filename[f] ?? 0);
      const line = Number(functions.startLine[f] || locations.lineLine[i] || 0n);
      frames.push(
        this.#store.tree.frame({ name, file, line, binary, kind: kind || guessKind(file, binary) }),
      );
    }
    this.#frames.set(row, frames);
    return frames;
  }

  #kind(location: number): string {
    for (const row of listAt(this.dictionary.tables.locations.attributes, location)) {
      if (this.dictionary.attributeKey(row) !== 'profile.frame.type') continue;
      return valueToText(this.dictionary.attributeValue(row)).slice(0, 32);
    }
    return '';
  }
}

const KIND_BY_EXTENSION: ReadonlyMap<string, string> = new Map(
  Object.entries({
    go: 'go',
    py: 'cpython',
    rb: 'ruby',
    js: 'v8js',
    mjs: 'v8js',
    cjs: 'v8js',
    ts: 'v8js',
    java: 'jvm',
    kt: 'jvm',
    scala: 'jvm',
    php: 'php',
    pl: 'perl',
    cs: 'dotnet',
    erl: 'beam',
    ex: 'beam',
  }),
);

/** For producers that do not tell the frame type: pprof has no word for it. */
function guessKind(file: string, binary: string): string {
  const known = KIND_BY_EXTENSION.get(file.slice(file.lastIndexOf('.') + 1));
  if (known !== undefined) return known;
  if (binary === 'vmlinux' || binary.startsWith('[kernel')) return 'kernel';
  return binary === '' ? '' : 'native';
}
