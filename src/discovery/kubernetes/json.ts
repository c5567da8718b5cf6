// SPDX-License-Identifier: Apache-2.0

/** JSON of unknown shape. Reading what is absent or of another type gives an empty value, never an error. */
export type JsonObject = Readonly<Record<string, unknown>>;

const EMPTY: JsonObject = {};

export function objectAt(from: JsonObject, key: string): JsonObject {
  return asObject(from[key]);
}

export function asObject(value: unknown): JsonObject {
  return isObject(value) ? value : EMPTY;
}

function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

export function textAt(from: JsonObject, key: string): string {
  const value = from[key];
  return typeof value === 'string' ? value : '';
}

export function numberAt(from: JsonObject, key: string): number {
  const value = from[key];
  return typeof value === 'number' ? value : 0;
}

export function listAt(from: JsonObject, key: string): readonly JsonObject[] {
  const value = from[key];
  return Array.isArray(value) ? value.map(asObject) : [];
}

/** The entries of a map of texts whose keys are wanted. */
export function textsAt(
  from: JsonObject,
  key: string,
  wanted: (name: string) => boolean,
): Readonly<Record<string, string>> {
  const out: Record<string, string> = {};
  for (const [name, value] of Object.entries(objectAt(from, key))) {
    if (typeof value === 'string' && wanted(name)) out[name] = value;
  }
  return out;
}
