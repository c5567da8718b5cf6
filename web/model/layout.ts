// SPDX-License-Identifier: Apache-2.0
import type { FlameTree } from './flame-tree.ts';

/** Rectangles to draw: columns of the same length. `x` and `width` in pixels, `row` counted from the top. */
export interface Rects {
  length: number;
  node: Int32Array;
  row: Int32Array;
  x: Float32Array;
  width: Float32Array;
}

/** What part of the tree is shown: weights `origin .. origin + span` over the whole width. */
export interface Viewport {
  readonly origin: number;
  readonly span: number;
  readonly widthPx: number;
  readonly firstRow: number;
  readonly lastRow: number;
}

/** Narrower rectangles are left out, with all below them. */
const MIN_WIDTH_PX = 0.4;

export function newRects(capacity: number): Rects {
  return {
    length: 0,
    node: new Int32Array(capacity),
    row: new Int32Array(capacity),
    x: new Float32Array(capacity),
    width: new Float32Array(capacity),
  };
}

/** Lays out the visible part into `rects`, which must have room for the tree. Costs what is visible, not what is there. */
export function layout(tree: FlameTree, view: Viewport, rects: Rects): void {
  rects.length = 0;
  const scale = view.widthPx / Math.max(view.span, Number.MIN_VALUE);
  for (let node = 0; node < tree.length; ) {
    const left = ((tree.start[node] as number) - view.origin) * scale;
    const width = (tree.total[node] as number) * scale;
    const row = tree.depth[node] as number;
    // Half a pixel of the neighbours of a zoomed frame is rounding, not content.
    if (width < MIN_WIDTH_PX || row > view.lastRow || left + width < 0.5 || left > view.widthPx - 0.5) {
      node = tree.end[node] as number;
      continue;
    }
    if (row >= view.firstRow) {
      const x = Math.max(0, left);
      put(rects, node, row, x, Math.min(view.widthPx, left + width) - x);
    }
    node++;
  }
}

function put(rects: Rects, node: number, row: number, x: number, width: number): void {
  const i = rects.length++;
  rects.node[i] = node;
  rects.row[i] = row;
  rects.x[i] = x;
  rects.width[i] = width;
}

/** The node drawn at a point, or -1. */
export function nodeAt(rects: Rects, row: number, x: number): number {
  for (let i = 0; i < rects.length; i++) {
    const left = rects.x[i] as number;
    if (rects.row[i] === row && x >= left && x < left + (rects.width[i] as number))
      return rects.node[i] as number;
  }
  return -1;
}

export type Direction = 'up' | 'down' | 'left' | 'right';

/** The neighbour of a node for the arrow keys, or the node itself where there is none within `zoom`. */
export function neighbour(tree: FlameTree, node: number, direction: Direction, zoom: number): number {
  if (direction === 'up') return node === 0 ? 0 : (tree.parent[node] as number);
  if (direction === 'down') return tree.children(node)[0] ?? node;
  const depth = tree.depth[node] as number;
  const from = tree.depth[zoom] as number;
  if (depth <= from) return node;
  if (direction === 'right') {
    for (let i = tree.end[node] as number; i < (tree.end[zoom] as number); i++)
      if (tree.depth[i] === depth) return i;
    return node;
  }
  for (let i = node - 1; i > zoom; i--) if (tree.depth[i] === depth) return i;
  return node;
}
