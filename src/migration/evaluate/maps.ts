// SPDX-License-Identifier: Apache-2.0
import type { Call } from './call.ts';
import { fixedValue } from './text.ts';
import { areEqual, array, kindOf, type Value } from './value.ts';

type Fields = ReadonlyMap<string, Value>;

/** So that two long lists do not become one of their product. */
const MAX_RESULTS = 100_000;

/** `array.combine_maps` and `map.inner_join`: maps of two lists that have the same values under some names, as one. */
export function combineMaps({ name, args }: Call): Value {
  const [left, right] = [mapsOf(args[0], name), mapsOf(args[1], name)];
  const keys = namesOf(args[2], name);
  if (keys.length === 0) throw new Error(`${name}: no names to join by`);
  // The fourth argument of array.combine_maps says whether what has no partner stays.
  const strategy = args[3]?.kind === 'string' ? fixedValue(args[3].text) : 'update';
  const keepsAlone = args[3]?.kind === 'bool' && args[3].value;
  const [only, without] = [namesOf(args[4], name), namesOf(args[5], name)];
  const results: Value[] = [];
  for (const a of left) {
    const before = results.length;
    for (const b of right) {
      if (!keys.every((key) => isSame(a.get(key), b.get(key)))) continue;
      if (results.length >= MAX_RESULTS) throw new Error(`${name}: more than ${MAX_RESULTS} results`);
      const fields = [...merged(a, b, strategy)].filter(
        ([key]) => (only.length === 0 || only.includes(key)) && !without.includes(key),
      );
      results.push({ kind: 'object', fields: new Map(fields) });
    }
    if (keepsAlone && results.length === before) results.push({ kind: 'object', fields: a });
  }
  return array(results);
}

const isSame = (a: Value | undefined, b: Value | undefined): boolean =>
  a !== undefined && b !== undefined && areEqual(a, b) === true;

function merged(a: Fields, b: Fields, strategy: string | undefined): Fields {
  if (strategy === 'update') return new Map([...a, ...b]);
  const isClash = (key: string): boolean => a.has(key) && b.has(key) && !isSame(a.get(key), b.get(key));
  return new Map([...a, ...b].filter(([key]) => !isClash(key)));
}

function mapsOf(value: Value | undefined, name: string): readonly Fields[] {
  if (value?.kind !== 'array')
    throw new Error(
      `${name} of ${value === undefined ? 'nothing' : kindOf(value)}: targets can be joined only while the collector runs; use discovery.process with "join", or the enrich processor`,
    );
  return value.items.map((item) => {
    if (item.kind !== 'object')
      throw new Error(`${name}: expected a list of objects, got ${kindOf(item)} in it`);
    return item.fields;
  });
}

function namesOf(value: Value | undefined, name: string): readonly string[] {
  if (value === undefined) return [];
  if (value.kind !== 'array') throw new Error(`${name}: expected a list of names, got ${kindOf(value)}`);
  return value.items.map((item) => {
    const text = item.kind === 'string' ? fixedValue(item.text) : undefined;
    if (text === undefined) throw new Error(`${name}: expected a list of names, got ${kindOf(item)} in it`);
    return text;
  });
}
