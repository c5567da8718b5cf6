// SPDX-License-Identifier: Apache-2.0
import type { CallTree, Frame } from './call-tree.ts';
import type { NodeWeights, Share } from './query.ts';

/**
 * A flame graph as columns. Nodes are in preorder, siblings heaviest first, node 0 the root; totals follow
 * from `self` and `depth`. `frame` points into the frame columns, whose texts point into `strings`.
 * Frame 0 is the root, frame 1 stands for what was folded because it was too small to send.
 */
export interface FlameDocument {
  readonly type: string;
  readonly fromMs: number;
  readonly untilMs: number;
  readonly total: number;
  readonly folded: { readonly nodes: number; readonly weight: number };
  readonly threads: readonly Share[];
  readonly strings: readonly string[];
  readonly frames: {
    readonly name: readonly number[];
    readonly file: readonly number[];
    readonly line: readonly number[];
    readonly binary: readonly number[];
    readonly kind: readonly number[];
  };
  readonly tree: {
    readonly depth: readonly number[];
    readonly frame: readonly number[];
    readonly self: readonly number[];
  };
}

export interface FlameOptions {
  readonly fromMs: number;
  readonly untilMs: number;
  /** Nodes beyond are folded, lightest first, into one "(small)" child of their parent; no weight is lost. */
  readonly maxNodes: number;
}

const FOLDED: Frame = { name: '(small)', file: '', line: 0, binary: '', kind: '' };

/** A walk of the weighted part of the tree: preorder, siblings heaviest first. */
function preorder(tree: CallTree, totals: Float64Array): { nodes: Int32Array; depth: Int32Array } {
  const live = new Int32Array(totals.length);
  let count = 0;
  for (let node = 1; node < totals.length; node++) if ((totals[node] as number) > 0) live[count++] = node;
  const byWeight = live
    .subarray(0, count)
    .sort((a, b) => (totals[a] as number) - (totals[b] as number) || b - a);
  // Lightest first: each one goes to the front of its parent's list, which so ends heaviest first.
  const firstChild = new Int32Array(totals.length);
  const nextSibling = new Int32Array(totals.length);
  for (const node of byWeight) {
    const parent = tree.parentOf(node);
    nextSibling[node] = firstChild[parent] as number;
    firstChild[parent] = node;
  }
  const nodes = new Int32Array(count + 1);
  const depth = new Int32Array(count + 1);
  let at = 1;
  let level = 1;
  for (let node = firstChild[0] as number; node !== 0; ) {
    nodes[at] = node;
    depth[at++] = level;
    const child = firstChild[node] as number;
    if (child !== 0) {
      node = child;
      level++;
      continue;
    }
    while (node !== 0 && nextSibling[node] === 0) {
      node = tree.parentOf(node);
      level--;
    }
    node = node === 0 ? 0 : (nextSibling[node] as number);
  }
  return { nodes, depth };
}

/** Weight of each node with all below it. */
function totalsOf(tree: CallTree, self: Float64Array): Float64Array {
  const totals = self.slice();
  for (let node = totals.length - 1; node > 0; node--) {
    const weight = totals[node] as number;
    const parent = tree.parentOf(node);
    if (weight !== 0) totals[parent] = (totals[parent] as number) + weight;
  }
  return totals;
}

/** The lightest total that may stay so that at most `maxNodes` do; parents never weigh less than children. */
function cut(totals: Float64Array, maxNodes: number): { threshold: number; spare: number } {
  const sorted = totals.filter((weight, node) => node > 0 && weight > 0).sort();
  if (sorted.length <= maxNodes) return { threshold: 0, spare: 0 };
  const threshold = sorted[sorted.length - maxNodes] as number;
  let above = 0;
  while (above < sorted.length && (sorted[sorted.length - 1 - above] as number) > threshold) above++;
  return { threshold, spare: maxNodes - above };
}

/** Moves the weight of nodes beyond `maxNodes` to `foldedInto[parent]`; returns how many went. */
function foldSmall(
  tree: CallTree,
  totals: Float64Array,
  maxNodes: number,
): { foldedInto: Map<number, number>; nodes: number; weight: number } {
  const { threshold, spare } = cut(totals, maxNodes);
  const foldedInto = new Map<number, number>();
  let nodes = 0;
  let weight = 0;
  let left = spare;
  const gone = new Uint8Array(totals.length);
  for (let node = 1; threshold > 0 && node < totals.length; node++) {
    const total = totals[node] as number;
    const parent = tree.parentOf(node);
    if (total <= 0 || total > threshold) continue;
    // Ascending ids: a parent is decided before its children.
    if (gone[parent] !== 1 && total === threshold && left-- > 0) continue;
    gone[node] = 1;
    nodes++;
    if (gone[parent] === 1) continue;
    foldedInto.set(parent, (foldedInto.get(parent) ?? 0) + total);
    weight += total;
  }
  for (let node = 1; node < totals.length; node++) if (gone[node] === 1) totals[node] = 0;
  return { foldedInto, nodes, weight };
}

export function buildFlame(tree: CallTree, weights: NodeWeights, options: FlameOptions): FlameDocument {
  const totals = totalsOf(tree, weights.self);
  const { foldedInto, ...folded } = foldSmall(tree, totals, options.maxNodes);
  const { nodes, depth } = preorder(tree, totals);
  const texts = new Texts();
  const frames = {
    name: [] as number[],
    file: [] as number[],
    line: [] as number[],
    binary: [] as number[],
    kind: [] as number[],
  };
  const addFrame = (frame: Frame): number => {
    frames.name.push(texts.row(frame.name));
    frames.file.push(texts.row(frame.file));
    frames.line.push(frame.line);
    frames.binary.push(texts.row(frame.binary));
    return frames.kind.push(texts.row(frame.kind)) - 1;
  };
  addFrame({ name: 'all', file: '', line: 0, binary: '', kind: '' });
  addFrame(FOLDED);
  const rows = new Map<number, number>([[0, 0]]);
  const out = { depth: [] as number[], frame: [] as number[], self: [] as number[] };
  const push = (level: number, frame: number, self: number): void => {
    out.depth.push(level);
    out.frame.push(frame);
    out.self.push(self);
  };
  // What was folded at a level is the last child there: it is written when the walk leaves the level.
  const waiting: { level: number; weight: number }[] = [];
  const leaveTo = (level: number): void => {
    for (let last = waiting.at(-1); last !== undefined && last.level > level; last = waiting.at(-1)) {
      push(last.level, 1, last.weight);
      waiting.pop();
    }
  };
  for (let i = 0; i < nodes.length; i++) {
    const node = nodes[i] as number;
    const level = depth[i] as number;
    leaveTo(level);
    const source = node === 0 ? 0 : tree.frameOf(node);
    let row = rows.get(source);
    if (row === undefined) rows.set(source, (row = addFrame(tree.frameAt(source))));
    push(level, row, weights.self[node] as number);
    const small = foldedInto.get(node);
    if (small !== undefined) waiting.push({ level: level + 1, weight: small });
  }
  leaveTo(-1);
  return {
    type: weights.type,
    fromMs: options.fromMs,
    untilMs: options.untilMs,
    total: weights.total,
    folded,
    threads: weights.threads,
    strings: texts.list,
    frames,
    tree: out,
  };
}

class Texts {
  readonly list: string[] = [];
  readonly #rows = new Map<string, number>();

  row(text: string): number {
    let row = this.#rows.get(text);
    if (row === undefined) this.#rows.set(text, (row = this.list.push(text) - 1));
    return row;
  }
}
