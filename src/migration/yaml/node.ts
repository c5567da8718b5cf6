// SPDX-License-Identifier: Apache-2.0
import { configText, type Text } from '../evaluate/text.ts';
import type { Place } from '../place.ts';

/** A part of the configuration that is written. */
export type Node =
  /** `sample` stands in where a late text has to be checked and is not known. */
  | { readonly kind: 'text'; readonly text: Text; readonly sample: unknown }
  | { readonly kind: 'plain'; readonly value: number | boolean | null }
  | { readonly kind: 'list'; readonly items: readonly Node[]; readonly isInline?: boolean }
  | MappingNode;

/** Keys in the order in which they are written. */
export class MappingNode {
  readonly kind = 'mapping';
  readonly entries = new Map<string, Entry>();

  /** Sets a key; of one that is there already the value changes. `place` is where it comes from. */
  set(key: string, node: Node, comments: readonly string[] = [], place?: Place): this {
    this.entries.set(key, { node, comments, place });
    return this;
  }

  /** Sets all keys of another mapping. */
  setAll(other: MappingNode): this {
    for (const [key, entry] of other.entries) this.entries.set(key, entry);
    return this;
  }

  /** Where what stands at a path of keys comes from, or the nearest thing around it that comes from somewhere. */
  placeOf(path: readonly string[]): Place | undefined {
    const [key = '', ...rest] = path;
    const entry = this.entries.get(key);
    const inner = entry?.node.kind === 'mapping' ? entry.node.placeOf(rest) : undefined;
    return inner ?? entry?.place;
  }

  /** The mapping at a path of keys, made where there is none. */
  at(...path: readonly string[]): MappingNode {
    const [key, ...rest] = path;
    if (key === undefined) return this;
    const found = this.entries.get(key)?.node;
    const next = found?.kind === 'mapping' ? found : new MappingNode();
    if (next !== found) this.set(key, next);
    return next.at(...rest);
  }
}

interface Entry {
  readonly node: Node;
  /** Lines that stand before the key. */
  readonly comments: readonly string[];
  readonly place: Place | undefined;
}

/** A text that is known now; dollars in it are dollars. */
export const fixedNode = (value: string): Node => ({
  kind: 'text',
  text: value === '' ? [] : [value],
  sample: value,
});
export const plainNode = (value: number | boolean | null): Node => ({ kind: 'plain', value });
export const listNode = (items: readonly Node[]): Node => ({ kind: 'list', items });
/** A list of ids, on one line. */
export const idsNode = (ids: readonly string[]): Node => ({
  kind: 'list',
  items: ids.map(fixedNode),
  isInline: true,
});

/** A default of the tables, in YAML's words. */
export function defaultNode(value: string): Node {
  if (value === 'true' || value === 'false') return plainNode(value === 'true');
  return /^-?\d+(\.\d+)?$/.test(value) ? plainNode(Number(value)) : fixedNode(value);
}

/** True where the text can be written as a value of our configuration. */
export const canBeWritten = (text: Text): boolean => configText(text) !== undefined;
