// SPDX-License-Identifier: Apache-2.0
import type protobuf from 'protobufjs';
import { otlpRequestType, plainOtlp } from '../../src/internal/testing/otlp-proto.ts';
import type { WriteRevision } from '../../src/codecs/otlp/revision.ts';

/** A message as protobufjs gives it. */
export type Plain = Record<string, unknown>;

const TYPES = new Map<string, protobuf.Type>();

/** ExportProfilesServiceRequest of a revision, loaded once. */
export function requestType(revision: '1.8' | WriteRevision): protobuf.Type {
  let type = TYPES.get(revision);
  if (type === undefined) TYPES.set(revision, (type = otlpRequestType(revision)));
  return type;
}

/** Fields that refer to a row, and the table that it is in. */
const ROWS: Readonly<Record<string, string>> = {
  stackIndex: 'stackTable',
  linkIndex: 'linkTable',
  mappingIndex: 'mappingTable',
  functionIndex: 'functionTable',
  locationIndices: 'locationTable',
  attributeIndices: 'attributeTable',
};

/** What a row, or a message, that is not there refers to: row 0 of a table need not be its zero row. */
const ABSENT: Readonly<Record<string, Plain>> = {
  attributeTable: { keyStrindex: 0, unitStrindex: 0 },
  functionTable: { nameStrindex: 0, systemNameStrindex: 0, filenameStrindex: 0 },
  locationTable: { mappingIndex: 0 },
  mappingTable: { filenameStrindex: 0 },
  sampleType: { typeStrindex: 0, unitStrindex: 0 },
  periodType: { typeStrindex: 0, unitStrindex: 0 },
};

/**
 * What a request says about its resources, as protobufjs reads it: every reference into the dictionary is
 * replaced by the row, keys sorted, what proto3 may leave away left away. It shares no code with pdata, so
 * it is a second opinion on it.
 */
export function resolvedMeaning(revision: '1.8' | WriteRevision, bytes: Uint8Array): string {
  return resolvedText(plainOtlp(requestType(revision), bytes));
}

/** The same of a message that is read already. */
export function resolvedText(request: Plain): string {
  return JSON.stringify(new Resolver(request).resolve(request['resourceProfiles']));
}

const isPlain = (value: unknown): value is Plain => typeof value === 'object' && value !== null;

class Resolver {
  readonly #tables: Plain;
  readonly #rows = new Map<string, unknown>();

  constructor(request: Plain) {
    const { dictionary } = request;
    this.#tables = isPlain(dictionary) ? dictionary : {};
  }

  resolve(value: unknown): unknown {
    if (Array.isArray(value)) return value.map((item) => this.resolve(item));
    if (!isPlain(value)) return value;
    const entries = Object.entries(this.#inlined(value))
      .map(([key, inner]) => [key, this.#field(key, inner)] as const)
      .filter(([key, inner]) => !isUnset(key, inner));
    return Object.fromEntries(entries.sort(([a], [b]) => (a < b ? -1 : 1)));
  }

  #field(key: string, inner: unknown): unknown {
    const table = ROWS[key];
    if (table === undefined) return this.resolve(inner ?? ABSENT[key]);
    return Array.isArray(inner) ? inner.map((row) => this.#row(table, row)) : this.#row(table, inner);
  }

  #row(table: string, index: unknown): unknown {
    const key = `${table} ${String(index)}`;
    if (!this.#rows.has(key)) {
      const rows = this.#tables[table];
      this.#rows.set(
        key,
        this.resolve((Array.isArray(rows) ? rows[Number(index)] : undefined) ?? ABSENT[table]),
      );
    }
    return this.#rows.get(key);
  }

  /** References to the string table become text. */
  #inlined(message: Plain): Plain {
    const out: Plain = {};
    for (const [name, inner] of Object.entries(message)) {
      if (!name.endsWith('Strindex')) out[name] ??= inner;
      else if (name === 'stringValueStrindex') {
        out['stringValue'] = this.#string(inner);
        out['value'] = 'stringValue';
      } else if (name !== 'keyStrindex' || inner !== 0 || !('key' in message))
        out[name.slice(0, -'Strindex'.length)] = this.#string(inner);
    }
    return out;
  }

  #string(index: unknown): unknown {
    const rows = this.#tables['stringTable'];
    return Array.isArray(rows) ? (rows[Number(index)] ?? '') : '';
  }
}

const DEFAULTS: readonly unknown[] = [null, undefined, '', 0, '0', false];

/** Which member of a oneof is set stays; an id of zeros is none. */
function isUnset(key: string, value: unknown): boolean {
  if (DEFAULTS.includes(value)) return true;
  if (key.endsWith('Id') && typeof value === 'string') return /^A+=*$/.test(value);
  return isPlain(value) && Object.keys(value).length === 0;
}
