// SPDX-License-Identifier: Apache-2.0
import { Lru } from '../internal/lru.ts';
import type { AnyValue } from './any-value.ts';
import type { Attributes } from './attributes.ts';
import { hashEnd, hashInt, hashStart } from './columns.ts';

/** Characters of a text that go into its hash; equality is checked on all of them. */
const SAMPLED = 8;

/**
 * Remembers a value per list of attributes: the resources of a host come again with every interval. Two
 * lists are the same where keys, kinds, values and order are. At most `capacity` are kept; the one that
 * was not asked for longest makes room.
 */
export class AttributesMemo<V> {
  readonly #entries: Lru<number, { readonly attributes: Attributes; readonly value: V }>;

  constructor(capacity: number) {
    this.#entries = new Lru(capacity);
  }

  get(attributes: Attributes): V | undefined {
    const entry = this.#entries.get(hashAttributes(attributes));
    return entry !== undefined && sameAttributes(entry.attributes, attributes) ? entry.value : undefined;
  }

  /** Of two lists with one hash the later is kept: a collision costs time, never a wrong answer. */
  set(attributes: Attributes, value: V): void {
    this.#entries.set(hashAttributes(attributes), { attributes, value });
  }

  clear(): void {
    this.#entries.clear();
  }
}

function hashAttributes(attributes: Attributes): number {
  let hash = hashInt(hashStart(), attributes.length);
  for (const { key, value } of attributes) hash = hashValue(hashText(hash, key), value);
  return hashEnd(hash);
}

function hashValue(hash: number, value: AnyValue): number {
  switch (value.kind) {
    case 'string':
      return hashText(hash, value.value);
    case 'int':
      return hashInt(hash, Number(BigInt.asIntN(32, value.value)));
    case 'double':
      return hashInt(hash, value.value | 0);
    case 'array':
      return value.value.reduce(hashValue, hashInt(hash, value.value.length));
    case 'map':
    case 'bytes':
      return hashInt(hash, value.value.length);
    default:
      return hash;
  }
}

function hashText(hash: number, text: string): number {
  const { length } = text;
  let mixed = length;
  if (length <= SAMPLED) for (let i = 0; i < length; i++) mixed = Math.imul(mixed, 31) + text.charCodeAt(i);
  else {
    for (let i = 1; i <= SAMPLED; i++)
      mixed = Math.imul(mixed, 31) + text.charCodeAt(((i * length) >> 3) - 1);
  }
  return hashInt(hash, mixed);
}

function sameAttributes(a: Attributes, b: Attributes): boolean {
  if (a === b) return true;
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) {
    const x = a[i];
    const y = b[i];
    if (x === undefined || y === undefined || x.key !== y.key || !sameValue(x.value, y.value)) return false;
  }
  return true;
}

function sameValue(a: AnyValue, b: AnyValue): boolean {
  if (a.kind === 'array') {
    return (
      b.kind === 'array' &&
      a.value.length === b.value.length &&
      a.value.every((v, i) => sameValue(v, b.value[i] ?? v))
    );
  }
  if (a.kind === 'map') return b.kind === 'map' && sameAttributes(a.value, b.value);
  if (a.kind === 'bytes') return b.kind === 'bytes' && Buffer.compare(a.value, b.value) === 0;
  if (a.kind === 'empty' || b.kind === 'empty') return a.kind === b.kind;
  return a.kind === b.kind && Object.is(a.value, b.value);
}
