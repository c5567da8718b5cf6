// SPDX-License-Identifier: Apache-2.0
import type { ColorBy } from './palette.ts';
import type { StatusDocument } from './wire.ts';

export type Range =
  | { readonly kind: 'last'; readonly ms: number }
  | { readonly kind: 'all' }
  | { readonly kind: 'fixed'; readonly fromMs: number; readonly untilMs: number };

export type View = 'both' | 'flame' | 'table';

/** Everything that a link to the page carries. */
export interface PageState {
  readonly service: string | undefined;
  readonly process: string | undefined;
  readonly type: string | undefined;
  readonly thread: string | undefined;
  readonly range: Range;
  readonly search: string;
  /** Way from the root to the zoomed frame, as `FlameTree.path` tells it. */
  readonly zoom: readonly string[];
  readonly view: View;
  readonly colorBy: ColorBy;
}

export const DEFAULT_STATE: PageState = {
  service: undefined,
  process: undefined,
  type: undefined,
  thread: undefined,
  range: { kind: 'last', ms: 60_000 },
  search: '',
  zoom: [],
  view: 'both',
  colorBy: 'language',
};

const MAX_ZOOM_TEXT = 4000;

/** Reads a location hash; what it does not understand is left at its default. */
export function parseHash(hash: string): PageState {
  const q = new URLSearchParams(hash.replace(/^#/, ''));
  const view = q.get('v');
  return {
    service: q.get('s') ?? undefined,
    process: q.get('p') ?? undefined,
    type: q.get('t') ?? undefined,
    thread: q.get('th') ?? undefined,
    range: parseRange(q.get('r')),
    search: q.get('q') ?? '',
    zoom: (q.get('z') ?? '').split('\n').filter((name) => name !== ''),
    view: view === 'flame' || view === 'table' ? view : 'both',
    colorBy: q.get('c') === 'binary' ? 'binary' : 'language',
  };
}

/** The inverse of `parseHash`; defaults are left out. */
export function formatHash(state: PageState): string {
  const q = new URLSearchParams();
  const set = (key: string, value: string | undefined): void => {
    if (value !== undefined && value !== '') q.set(key, value);
  };
  // A thread or process may be called "": only undefined means "all".
  if (state.service !== undefined) q.set('s', state.service);
  if (state.process !== undefined) q.set('p', state.process);
  if (state.thread !== undefined) q.set('th', state.thread);
  set('t', state.type);
  const range = formatRange(state.range);
  set('r', range === formatRange(DEFAULT_STATE.range) ? '' : range);
  set('q', state.search);
  const zoom = state.zoom.join('\n');
  set('z', zoom.length > MAX_ZOOM_TEXT ? '' : zoom);
  set('v', state.view === 'both' ? '' : state.view);
  set('c', state.colorBy === 'language' ? '' : state.colorBy);
  const text = q.toString();
  return text === '' ? '' : `#${text}`;
}

function formatRange(range: Range): string {
  if (range.kind === 'all') return 'all';
  return range.kind === 'last' ? `${range.ms / 1000}s` : `${range.fromMs}-${range.untilMs}`;
}

function parseRange(text: string | null): Range {
  if (text === 'all') return { kind: 'all' };
  const last = /^(\d{1,6})s$/.exec(text ?? '');
  if (last !== null && Number(last[1]) > 0) return { kind: 'last', ms: Number(last[1]) * 1000 };
  const fixed = /^(\d{1,15})-(\d{1,15})$/.exec(text ?? '');
  if (fixed !== null && Number(fixed[1]) < Number(fixed[2])) {
    return { kind: 'fixed', fromMs: Number(fixed[1]), untilMs: Number(fixed[2]) };
  }
  return DEFAULT_STATE.range;
}

/** Query of the API for what the state selects. */
export function selectionQuery(state: PageState): URLSearchParams {
  const q = new URLSearchParams();
  if (state.service !== undefined) q.set('service', state.service);
  if (state.process !== undefined) q.set('process', state.process);
  if (state.type !== undefined) q.set('type', state.type);
  if (state.thread !== undefined) q.set('thread', state.thread);
  if (state.range.kind === 'last') q.set('from', String(-state.range.ms));
  if (state.range.kind === 'fixed') {
    q.set('from', String(state.range.fromMs));
    q.set('until', String(state.range.untilMs));
  }
  return q;
}

/** How much of the held time a range covers: a collector that has just started has no full minute yet. */
export function shownSpanMs(range: Range, status: StatusDocument): number {
  const heldMs = status.nowMs - (status.held.oldestMs ?? status.nowMs);
  if (range.kind === 'all') return heldMs;
  return range.kind === 'last' ? Math.min(range.ms, heldMs) : range.untilMs - range.fromMs;
}
