// SPDX-License-Identifier: Apache-2.0
import type { FlameDocument } from './wire.ts';

export interface FrameInfo {
  readonly name: string;
  readonly file: string;
  readonly line: number;
  readonly binary: string;
  readonly kind: string;
}

/** Frame that stands for what was too small to send. */
export const FOLDED_FRAME = 1;

/**
 * A flame graph laid out: node `i` covers `start[i] .. start[i] + total[i]` of the root's weight, at row
 * `depth[i]`; its subtree is `i .. end[i]`. Nodes are in preorder, so a parent precedes its children.
 */
export class FlameTree {
  readonly type: string;
  readonly frames: readonly FrameInfo[];
  readonly length: number;
  readonly frame: Int32Array;
  readonly depth: Int32Array;
  readonly parent: Int32Array;
  readonly end: Int32Array;
  readonly self: Float64Array;
  readonly total: Float64Array;
  readonly start: Float64Array;
  readonly maxDepth: number;

  constructor(doc: FlameDocument) {
    const { strings, frames, tree } = doc;
    const text = (row: number | undefined): string => strings[row ?? 0] ?? '';
    this.type = doc.type;
    this.frames = frames.name.map((name, i) => ({
      name: text(name),
      file: text(frames.file[i]),
      line: frames.line[i] ?? 0,
      binary: text(frames.binary[i]),
      kind: text(frames.kind[i]),
    }));
    const n = tree.depth.length;
    this.length = n;
    this.frame = Int32Array.from(tree.frame);
    this.depth = Int32Array.from(tree.depth);
    this.self = Float64Array.from(tree.self);
    this.parent = new Int32Array(n).fill(-1);
    this.end = new Int32Array(n);
    this.total = this.self.slice();
    this.start = new Float64Array(n);
    this.maxDepth = this.#link();
    this.#sum();
  }

  #link(): number {
    const path: number[] = [];
    let maxDepth = 0;
    for (let i = 0; i < this.length; i++) {
      const depth = this.depth[i] as number;
      maxDepth = Math.max(maxDepth, depth);
      for (; path.length > depth; ) this.end[path.pop() as number] = i;
      this.parent[i] = path.at(-1) ?? -1;
      path.push(i);
    }
    for (const i of path) this.end[i] = this.length;
    return maxDepth;
  }

  #sum(): void {
    for (let i = this.length - 1; i > 0; i--) {
      const parent = this.parent[i] as number;
      this.total[parent] = (this.total[parent] as number) + (this.total[i] as number);
    }
    const next = new Float64Array(this.length);
    for (let i = 1; i < this.length; i++) {
      const parent = this.parent[i] as number;
      this.start[i] = next[parent] as number;
      next[parent] = (next[parent] as number) + (this.total[i] as number);
      next[i] = this.start[i] as number;
    }
  }

  infoOf(node: number): FrameInfo {
    return this.frames[this.frame[node] ?? 0] ?? { name: '', file: '', line: 0, binary: '', kind: '' };
  }

  children(node: number): number[] {
    const out: number[] = [];
    for (let i = node + 1; i < (this.end[node] ?? 0); i = this.end[i] as number) out.push(i);
    return out;
  }

  /** What leads from below the root down to the node: names, with more where siblings share one. */
  path(node: number): string[] {
    const steps: string[] = [];
    for (let i = node; i > 0; i = this.parent[i] as number) {
      const { name } = this.infoOf(i);
      const alike = this.children(this.parent[i] as number).filter((s) => this.infoOf(s).name === name);
      steps.push(alike.length > 1 ? idOf(this.infoOf(i)) : name);
    }
    return steps.reverse();
  }

  /** The node that a path leads to, or the deepest one that is there. */
  find(path: readonly string[]): number {
    let node = 0;
    for (const step of path) {
      const children = this.children(node);
      const name = step.split('\t', 1)[0];
      const next =
        children.find((child) => idOf(this.infoOf(child)) === step) ??
        children.find((child) => this.infoOf(child).name === step) ??
        children.find((child) => this.infoOf(child).name === name);
      if (next === undefined) break;
      node = next;
    }
    return node;
  }
}

/** All that tells a frame from others, the name first. */
function idOf({ name, file, binary, kind }: FrameInfo): string {
  return [name, file, binary, kind].join('\t');
}
