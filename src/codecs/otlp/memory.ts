// SPDX-License-Identifier: Apache-2.0
import { DecodeError } from '../../internal/wire-reader.ts';
import { DictionaryFact as D, ProfilesFact as P } from '../../native/otlp-functions.ts';
import { FORMAT } from './fields.ts';
import { TableField as T } from './scan-dictionary.ts';

/**
 * Everything that a request can become takes at most this many times its size, plus a constant. Real requests
 * need one to two times; what needs more repeats empty messages and is an attack or a bug.
 */
const BYTES_PER_BYTE = 3;
const FREE_BYTES = 1 << 20;

/** Estimated heap sizes in bytes. */
const Cost = { resource: 176, scope: 200, profile: 250, attribute: 120, nestedValue: 48 } as const;

/** What is known of a request so far. */
export interface Findings {
  readonly resources: number;
  /** `DictionaryFact`. */
  readonly dictionary?: Uint32Array;
  /** `ProfilesFact`, the totals. */
  readonly profiles?: Uint32Array;
}

/**
 * Refuses a request whose columns and objects, were all of them made, would take more memory than a request of
 * its size may. Throws DecodeError.
 */
export function checkMemory(bytes: Uint8Array, findings: Findings): void {
  const { resources, dictionary, profiles } = findings;
  let need = resources * Cost.resource;
  if (dictionary !== undefined) need += dictionaryBytes(dictionary);
  if (profiles !== undefined) need += profilesBytes(profiles);
  if (need <= bytes.length * BYTES_PER_BYTE + FREE_BYTES) return;
  throw new DecodeError(
    FORMAT,
    0,
    `decoding would take ${need} bytes of memory, more than ${BYTES_PER_BYTE} times the message and ${FREE_BYTES} bytes`,
  );
}

function dictionaryBytes(f: Uint32Array): number {
  const at = (place: number): number => f[place] ?? 0;
  const rows = (field: number): number => at(D.rows + field);
  const listed = (place: number, lists: number): number => (at(place) === 0 ? 0 : 4 * (lists + at(place)));
  const perLine = 4 + (at(D.lineNumbers) === 0 ? 0 : 8) + (at(D.columns) === 0 ? 0 : 8);
  return (
    rows(T.strings) * 8 +
    rows(T.functions) * (at(D.startLines) === 0 ? 12 : 20) +
    rows(T.mappings) * 28 +
    listed(D.mappingAttributes, rows(T.mappings)) +
    rows(T.locations) * 12 +
    listed(D.locationAttributes, rows(T.locations)) +
    (at(D.lines) === 0 ? 0 : rows(T.locations) * 4 + at(D.lines) * perLine) +
    rows(T.stacks) * 4 +
    at(D.frames) * 4 +
    rows(T.links) * 24 +
    rows(T.attributes) * 16 +
    at(D.nestedValues) * Cost.nestedValue
  );
}

function profilesBytes(f: Uint32Array): number {
  const at = (place: number): number => f[place] ?? 0;
  const samples = at(P.samples);
  const entries = at(P.sampleAttributes);
  const timestamps = at(P.timestamps);
  return (
    at(P.scopes) * Cost.scope +
    at(P.profiles) * Cost.profile +
    at(P.attributes) * Cost.attribute +
    at(P.profileAttributes) * 4 +
    samples * 8 +
    (entries === 0 ? 0 : samples * 4 + entries * 4) +
    at(P.values) * 8 +
    (timestamps === 0 ? 0 : samples * 4 + timestamps * 8)
  );
}
