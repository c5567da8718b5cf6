// SPDX-License-Identifier: Apache-2.0
import type { AnyValue } from '../../pdata/any-value.ts';
import { Int32Column } from '../../pdata/columns.ts';
import { countingUint32, zerosUint32 } from '../../pdata/constant-columns.ts';
import { editProfileAttributes } from '../../pdata/edit-attributes.ts';
import { mergeBatches } from '../../pdata/merge.ts';
import {
  type Profile,
  ProfilesBatch,
  type ScopeProfiles,
  type ValueType,
  withProfiles,
  withSamples,
  withScopes,
} from '../../pdata/profiles-batch.ts';
import { WordRows } from '../../pdata/rows.ts';
import type { Samples } from '../../pdata/tables.ts';
import { PPROF } from './names.ts';
import { sameSamples } from './same-samples.ts';
import { hasOneValueEach } from './values.ts';

/**
 * Several files of one program as one, as `pprof` merges the scrapes that it is given: samples with the
 * same stack, labels and link become one whose values are the sums. The time is the earliest that is set,
 * the duration the sum, the period the largest; comments are those of all files, and what else describes
 * a file is that of the first. A sum beyond 64 bits begins another sample. Linear.
 *
 * The batches are as `decodePprof` gives them; an empty one is passed over. Throws RangeError where a
 * file has other sample types or another period type than the first, or the profiles of one differ in
 * more than values. Source: https://github.com/google/pprof/blob/main/profile/merge.go
 */
export function mergePprof(batches: readonly ProfilesBatch[]): ProfilesBatch {
  const files = batches.filter((batch) => batch.resources.length > 0);
  const [only] = files;
  if (only === undefined) return mergeBatches(batches);
  if (files.length === 1) return only;
  const merged = mergeBatches(files);
  const scopes = merged.resources.flatMap((rp) => rp.scopes);
  const [resource] = merged.resources;
  const [first] = scopes;
  if (resource === undefined || first === undefined || scopes.length !== files.length)
    throw new RangeError('want batches with the profiles of one pprof file each');
  const columns = scopes.map((scope) => alike(first, scope));
  const profiles = sumOf(columns);
  const batch = new ProfilesBatch(merged.dictionary, [withScopes(resource, [withProfiles(first, profiles)])]);
  return withAllComments(
    batch,
    columns.flatMap(([p]) => p ?? []),
  );
}

/** The profiles of `scope` in the order in which `first` has the same types. */
function alike(first: ScopeProfiles, scope: ScopeProfiles): Profile[] {
  const left = [...scope.profiles];
  const found = first.profiles.map((wanted) => {
    const at = left.findIndex(
      (p) => sameType(p.sampleType, wanted.sampleType) && sameType(p.periodType, wanted.periodType),
    );
    // Each is taken once: a file may have one type several times.
    return at < 0 ? undefined : left.splice(at, 1)[0];
  });
  const profiles = found.filter((p) => p !== undefined);
  if (profiles.length !== found.length || scope.profiles.length !== found.length)
    throw new RangeError('pprof files with different sample or period types cannot be merged');
  const [head] = profiles;
  for (const p of profiles) {
    if (head === undefined || !sameSamples(head.samples, p.samples) || !hasOneValueEach(p.samples))
      throw new RangeError('profiles of one pprof file must share their samples, with one value each');
  }
  return profiles;
}

const sameType = (a: ValueType, b: ValueType): boolean => a.type === b.type && a.unit === b.unit;

/** One profile for each type. */
function sumOf(files: readonly (readonly Profile[])[]): Profile[] {
  const total = files.reduce((sum, [p]) => sum + (p?.samples.length ?? 0), 0);
  const types = files[0]?.length ?? 0;
  const sum = new Sum(total, types);
  for (const profiles of files) sum.add(profiles.map((p) => p.samples));
  const all = files.map(([p]) => p).filter((p) => p !== undefined);
  const times = all.map((p) => p.timeUnixNano).filter((time) => time !== 0n);
  const changes = {
    timeUnixNano: times.reduce((a, b) => (b < a ? b : a), times[0] ?? 0n),
    durationNano: all.reduce((duration, p) => duration + p.durationNano, 0n),
    period: all.reduce((period, p) => (p.period > period ? p.period : period), all[0]?.period ?? 0n),
  };
  const samples = sum.build();
  return (files[0] ?? []).flatMap((p, i) => {
    const own = samples[i];
    return own === undefined ? [] : [withSamples(p, own, changes)];
  });
}

/** Sorting in place pays up to here; crafted samples with many labels must not cost more than their share. */
const FEW_ATTRIBUTES = 16;

class Sum {
  /** Stack, link and the sorted attributes of each sample. */
  readonly #identities: WordRows;
  /** Row of the sums by identity. */
  readonly #rowOf: Int32Array;
  readonly #stack: Int32Array;
  readonly #link: Int32Array;
  readonly #attributeStart: Uint32Array;
  readonly #attributes: Int32Column;
  readonly #values: readonly BigInt64Array[];
  #length = 0;

  constructor(total: number, types: number) {
    this.#identities = new WordRows(total, total * 5);
    this.#rowOf = new Int32Array(total);
    this.#stack = new Int32Array(total);
    this.#link = new Int32Array(total);
    this.#attributeStart = new Uint32Array(total + 1);
    this.#attributes = new Int32Column(total * 2 + 1);
    this.#values = Array.from({ length: types }, () => new BigInt64Array(total));
  }

  /** Samples of one file, a column of values for each type. */
  add(columns: readonly Samples[]): void {
    const [first] = columns;
    if (first === undefined) return;
    const values = columns.map((s) => s.values);
    const { stack, link, attributes, length } = first;
    for (let i = 0; i < length; i++) {
      const from = attributes.start[i] as number;
      const to = attributes.start[i + 1] as number;
      const known = this.#identities.length;
      const identity = this.#identityOf(stack[i] as number, link[i] as number, attributes.values, from, to);
      if (identity < known && this.#addTo(this.#rowOf[identity] as number, values, i)) continue;
      const row = this.#length++;
      this.#rowOf[identity] = row;
      this.#stack[row] = stack[i] as number;
      this.#link[row] = link[i] as number;
      for (let a = from; a < to; a++) this.#attributes.push(attributes.values[a] as number);
      this.#attributeStart[row + 1] = this.#attributes.length;
      this.#copyTo(row, values, i);
    }
  }

  #identityOf(stack: number, link: number, attributes: Int32Array, from: number, to: number): number {
    const rows = this.#identities;
    rows.push(stack);
    rows.push(link);
    const start = rows.tail;
    for (let a = from; a < to; a++) rows.push(attributes[a] as number);
    if (to - from > FEW_ATTRIBUTES) rows.words.subarray(start, rows.tail).sort();
    else insertionSort(rows.words, start, rows.tail);
    return rows.intern();
  }

  #copyTo(row: number, values: readonly BigInt64Array[], i: number): void {
    for (const [t, column] of values.entries()) {
      const to = this.#values[t];
      if (to !== undefined) to[row] = column[i] ?? 0n;
    }
  }

  /** False, and nothing added, where a sum does not fit in 64 bits. */
  #addTo(row: number, values: readonly BigInt64Array[], i: number): boolean {
    const sums = values.map((column, t) => (this.#values[t]?.[row] ?? 0n) + (column[i] ?? 0n));
    if (sums.some((sum) => BigInt.asIntN(64, sum) !== sum)) return false;
    sums.forEach((sum, t) => {
      const to = this.#values[t];
      if (to !== undefined) to[row] = sum;
    });
    return true;
  }

  build(): Samples[] {
    const length = this.#length;
    const shared = {
      length,
      stack: this.#stack.slice(0, length),
      link: this.#link.slice(0, length),
      attributes: { start: this.#attributeStart.slice(0, length + 1), values: this.#attributes.finish() },
      valueStart: countingUint32(length + 1),
      timestampStart: zerosUint32(length + 1),
      timestamps: new BigUint64Array(0),
    };
    return this.#values.map((column) => ({ ...shared, values: column.slice(0, length) }));
  }
}

function insertionSort(words: Int32Array, from: number, to: number): void {
  for (let i = from + 1; i < to; i++) {
    const word = words[i] as number;
    let at = i;
    while (at > from && (words[at - 1] as number) > word) {
      words[at] = words[at - 1] as number;
      at--;
    }
    words[at] = word;
  }
}

/** Comments of all files, each once; a new attribute only where the first file does not have them all. */
function withAllComments(batch: ProfilesBatch, files: readonly Profile[]): ProfilesBatch {
  const { dictionary } = batch;
  const texts = new Map<string, AnyValue>();
  let ofFirst = 0;
  files.forEach((p, i) => {
    for (const row of p.attributes) {
      if (dictionary.attributeKey(row) !== PPROF.comment) continue;
      const value = dictionary.attributeValue(row);
      for (const item of value.kind === 'array' ? value.value : [value]) {
        if (item.kind === 'string') texts.set(item.value, item);
      }
    }
    if (i === 0) ofFirst = texts.size;
  });
  if (texts.size === ofFirst) return batch;
  const comment = { key: PPROF.comment, value: { kind: 'array', value: [...texts.values()] } } as const;
  return editProfileAttributes(batch, (attributes) => [
    ...attributes.filter(({ key }) => key !== PPROF.comment),
    { ...comment, unit: '' },
  ]);
}
