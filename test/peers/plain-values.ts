// SPDX-License-Identifier: Apache-2.0
import { isDeepStrictEqual } from 'node:util';
import { durationSchema } from '../../src/config/sections/duration.ts';

/** A value that two effective configurations have under one path and that is not the same in both. */
export interface Differing {
  /** Keys joined by `::`; ids of components and protocols are `*`. */
  readonly path: string;
  readonly ours: unknown;
  readonly theirs: unknown;
}

/** The differing values under the paths that both have. "60s" and "1m0s" are the same, so are "Normal" and "normal". */
export function differingValues(ours: unknown, theirs: unknown, path: readonly string[] = []): Differing[] {
  if (isMapping(ours) && isMapping(theirs)) {
    return Object.keys(theirs)
      .filter((key) => key in ours)
      .flatMap((key) => differingValues(ours[key], theirs[key], [...path, key]));
  }
  if (isDeepStrictEqual(comparable(ours), comparable(theirs))) return [];
  return [{ path: path.map(generalized).join('::'), ours, theirs }];
}

function isMapping(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function generalized(key: string, index: number, path: readonly string[]): string {
  const isId = index === 1 && path[0] !== 'service';
  return isId || path[index - 1] === 'protocols' ? '*' : key;
}

/** One form for what is written in several. */
function comparable(value: unknown): unknown {
  // The Go Collector prints absent parts, empty lists and empty mappings in turns.
  if (value === null || value === undefined) return '';
  if (Array.isArray(value)) return value.length === 0 ? '' : value.map(comparable);
  if (isMapping(value)) return Object.keys(value).length === 0 ? '' : value;
  if (typeof value !== 'string') return value;
  const duration = durationSchema().safeParse(value);
  return duration.success ? `${duration.data} ms` : value.toLowerCase();
}
