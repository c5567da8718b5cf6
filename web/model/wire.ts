// SPDX-License-Identifier: Apache-2.0

/** `[name, weight]`, heaviest first. */
export type Share = readonly [name: string, weight: number];

/** Answer of /api/flame: nodes in preorder, siblings heaviest first, node 0 the root, frame 1 what was folded. */
export interface FlameDocument {
  readonly type: string;
  readonly fromMs: number;
  readonly untilMs: number;
  readonly total: number;
  readonly folded: { readonly nodes: number; readonly weight: number };
  readonly threads: readonly Share[];
  readonly strings: readonly string[];
  readonly frames: Readonly<Record<'name' | 'file' | 'line' | 'binary' | 'kind', readonly number[]>>;
  readonly tree: Readonly<Record<'depth' | 'frame' | 'self', readonly number[]>>;
}

export interface ServiceEntry {
  readonly service: string;
  readonly lastSeenMs: number;
  readonly types: readonly Share[];
  readonly processes: readonly { readonly process: string; readonly types: readonly Share[] }[];
}

export interface ServicesDocument {
  readonly fromMs: number;
  readonly untilMs: number;
  readonly services: readonly ServiceEntry[];
}

export interface TimelineDocument {
  readonly fromMs: number;
  readonly stepMs: number;
  readonly type: string;
  readonly weights: readonly number[];
}

export interface StatusDocument {
  readonly nowMs: number;
  readonly batches: number;
  readonly events: number;
  readonly lastArrivalMs: number;
  readonly held: {
    readonly events: number;
    readonly slices: number;
    readonly bytes: number;
    readonly maxBytes: number;
    readonly oldestMs: number | null;
  };
  readonly retentionMs: number;
  readonly sliceMs: number;
  readonly evictedSlices: number;
  readonly evictedEvents: number;
  readonly notices: readonly { readonly key: string; readonly text: string }[];
}
