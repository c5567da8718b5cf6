// SPDX-License-Identifier: Apache-2.0

/** Where something is written; line and column count from 1. */
export interface Place {
  readonly file: string;
  readonly line: number;
  readonly column: number;
}

export type ScalarValue = null | boolean | number | bigint | string;

interface NodeBase {
  readonly place: Place;
  /** The text that `${…}` put here before YAML gave it a type: what a key of type string receives. */
  readonly original?: string;
}

export interface ScalarNode extends NodeBase {
  readonly kind: 'scalar';
  readonly value: ScalarValue;
}

interface ListNode extends NodeBase {
  readonly kind: 'list';
  readonly items: readonly Tree[];
}

export interface MappingEntry {
  readonly keyPlace: Place;
  readonly node: Tree;
}

export interface MappingNode extends NodeBase {
  readonly kind: 'mapping';
  readonly entries: ReadonlyMap<string, MappingEntry>;
}

/** A configuration whose every value knows where it was written. */
export type Tree = ScalarNode | ListNode | MappingNode;

export type TreePath = readonly (string | number)[];

/** The value without its places. Keys keep their order; `__proto__` is a key like any other. */
export function toPlain(tree: Tree): unknown {
  switch (tree.kind) {
    case 'scalar':
      return tree.value;
    case 'list':
      return tree.items.map(toPlain);
    case 'mapping':
      return Object.fromEntries([...tree.entries].map(([key, entry]) => [key, toPlain(entry.node)]));
  }
}

/** The node at a path, or undefined where the path leaves the tree. */
export function nodeAt(tree: Tree, path: TreePath): Tree | undefined {
  let node: Tree | undefined = tree;
  for (const step of path) node = node === undefined ? undefined : childOf(node, step);
  return node;
}

function childOf(node: Tree, step: string | number): Tree | undefined {
  if (node.kind === 'mapping') return node.entries.get(String(step))?.node;
  return node.kind === 'list' ? node.items[Number(step)] : undefined;
}

/**
 * Where a path is written, or where its nearest written ancestor is: a scalar at its value, a section
 * at its key; always the key with `pointAt` key.
 */
export function placeOf(tree: Tree, path: TreePath, pointAt: 'value' | 'key' = 'value'): Place {
  let node = tree;
  let place = tree.place;
  for (const step of path) {
    const child = childOf(node, step);
    if (child === undefined) return place;
    place = node.kind === 'mapping' ? (node.entries.get(String(step))?.keyPlace ?? child.place) : child.place;
    node = child;
  }
  return pointAt === 'value' && node.kind === 'scalar' && node.value !== null ? node.place : place;
}

/**
 * A copy of the tree in which the value at `path` is replaced, or its key removed where `change` gives
 * undefined. The same tree where there is nothing to change; items of lists are never removed.
 */
export function changeAt(tree: Tree, path: TreePath, change: (node: Tree) => Tree | undefined): Tree {
  const [step, ...rest] = path;
  const child = step === undefined ? undefined : childOf(tree, step);
  if (step === undefined || child === undefined) return tree;
  const changed = rest.length === 0 ? change(child) : changeAt(child, rest, change);
  if (changed === child) return tree;
  if (tree.kind === 'list') {
    if (changed === undefined) return tree;
    return { ...tree, items: tree.items.map((item, index) => (index === Number(step) ? changed : item)) };
  }
  if (tree.kind !== 'mapping') return tree;
  const entries = new Map(tree.entries);
  const entry = entries.get(String(step));
  if (changed === undefined) entries.delete(String(step));
  else if (entry !== undefined) entries.set(String(step), { ...entry, node: changed });
  return { ...tree, entries };
}

/**
 * Lays `over` on `base` as the Collector does: mappings are merged key by key, everything else is
 * replaced by the later source; a later null wipes an earlier mapping, a later `{}` keeps it.
 */
export function mergeTrees(base: MappingNode, over: MappingNode): MappingNode {
  const entries = new Map(base.entries);
  for (const [key, entry] of over.entries) {
    const earlier = entries.get(key)?.node;
    const both = earlier?.kind === 'mapping' && entry.node.kind === 'mapping';
    entries.set(key, both ? { ...entry, node: mergeTrees(earlier, entry.node) } : entry);
  }
  return { ...base, entries };
}
