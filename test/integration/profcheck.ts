// SPDX-License-Identifier: Apache-2.0
import { join } from 'node:path';
import protobuf from 'protobufjs';
import { packageRoot } from '../../src/internal/package-root.ts';

/**
 * The rules of the profiles SIG's conformance checker, applied to a request as protobufjs reads it: an
 * independent decoder, so that our own encoder is not judged by our own decoder.
 */

interface Row {
  readonly [field: string]: unknown;
}

const num = (row: Row, field: string): number => Number(row[field] ?? 0);
const list = (row: Row, field: string): readonly unknown[] => {
  const value = row[field];
  return Array.isArray(value) ? value : [];
};
const rows = (row: Row, field: string): readonly Row[] => list(row, field) as readonly Row[];
const sub = (row: Row, field: string): Row => (row[field] ?? {}) as Row;
const big = (value: unknown): bigint =>
  BigInt(typeof value === 'string' || typeof value === 'number' ? value : 0);

let requestType: protobuf.Type | undefined;

function decodeRequest(bytes: Uint8Array): Row {
  if (requestType === undefined) {
    const root = new protobuf.Root();
    root.resolvePath = (_origin, target) =>
      target.startsWith('/') ? target : join(packageRoot(), 'proto', target);
    root.loadSync('opentelemetry/proto/collector/profiles/v1development/profiles_service.proto');
    requestType = root.lookupType(
      'opentelemetry.proto.collector.profiles.v1development.ExportProfilesServiceRequest',
    );
  }
  const object: Row = requestType.toObject(requestType.decode(bytes), {
    longs: String,
    bytes: Array,
    arrays: true,
  });
  return object;
}

class Findings {
  readonly found: string[] = [];

  add(condition: boolean, message: string): void {
    if (!condition && this.found.length < 50) this.found.push(message);
  }

  index(at: string, value: number, length: number): void {
    this.add(value >= 0 && value < length, `${at}: index ${value} is out of range [0..${length})`);
  }
}

function isZero(value: unknown): boolean {
  if (Array.isArray(value)) return value.length === 0;
  if (value !== null && typeof value === 'object') return Object.values(value).every(isZero);
  return value === undefined || value === null || value === '' || value === '0' || value === 0;
}

function checkTables(d: Row, f: Findings): void {
  for (const name of [
    'mappingTable',
    'locationTable',
    'functionTable',
    'linkTable',
    'stringTable',
    'attributeTable',
    'stackTable',
  ]) {
    const table = list(d, name);
    f.add(table.length > 0 && isZero(table[0]), `${name}: must have zero value at index 0`);
    if (name === 'stringTable' || name === 'mappingTable') {
      f.add(new Set(table.map((v) => JSON.stringify(v))).size === table.length, `${name}: has duplicates`);
    }
  }
}

function checkRows(d: Row, f: Findings): void {
  const strings = list(d, 'stringTable').length;
  const attributes = (at: string, row: Row): void =>
    checkAttributes(d, at, list(row, 'attributeIndices').map(Number), f);
  rows(d, 'mappingTable').forEach((m, i) => {
    const [start, limit] = [big(m['memoryStart']), big(m['memoryLimit'])];
    f.add((start === 0n && limit === 0n) || start < limit, `mapping_table[${i}]: ${start}..${limit}`);
    f.index(`mapping_table[${i}].filename`, num(m, 'filenameStrindex'), strings);
    attributes(`mapping_table[${i}]`, m);
  });
  rows(d, 'locationTable').forEach((l, i) => {
    f.index(`location_table[${i}].mapping`, num(l, 'mappingIndex'), list(d, 'mappingTable').length);
    attributes(`location_table[${i}]`, l);
    for (const line of rows(l, 'lines')) {
      f.index(`location_table[${i}].line`, num(line, 'functionIndex'), list(d, 'functionTable').length);
      f.add(
        num(line, 'line') >= 0 && num(line, 'column') >= 0,
        `location_table[${i}]: negative line or column`,
      );
    }
  });
  rows(d, 'functionTable').forEach((fn, i) => {
    for (const field of ['nameStrindex', 'systemNameStrindex', 'filenameStrindex']) {
      f.index(`function_table[${i}].${field}`, num(fn, field), strings);
    }
    f.add(num(fn, 'startLine') >= 0, `function_table[${i}]: negative start line`);
  });
  rows(d, 'stackTable').forEach((s, i) => {
    for (const location of list(s, 'locationIndices')) {
      f.index(`stack_table[${i}]`, Number(location), list(d, 'locationTable').length);
    }
  });
  rows(d, 'attributeTable').forEach((a, i) => {
    f.index(`attribute_table[${i}].key`, num(a, 'keyStrindex'), strings);
    f.index(`attribute_table[${i}].unit`, num(a, 'unitStrindex'), strings);
  });
}

function checkAttributes(d: Row, at: string, indices: readonly number[], f: Findings): void {
  const table = rows(d, 'attributeTable');
  for (const index of indices) f.index(`${at}.attribute_indices`, index, table.length);
  const keys = indices.map((index) => num(table[index] ?? {}, 'keyStrindex'));
  f.add(new Set(keys).size === keys.length, `${at}: duplicate attribute key`);
}

function checkProfile(d: Row, at: string, p: Row, f: Findings): void {
  const strings = list(d, 'stringTable').length;
  for (const type of ['sampleType', 'periodType']) {
    f.index(`${at}.${type}`, num(sub(p, type), 'typeStrindex'), strings);
    f.index(`${at}.${type}`, num(sub(p, type), 'unitStrindex'), strings);
  }
  const start = big(p['timeUnixNano']);
  const end = start + big(p['durationNano']);
  const shapes = new Set<string>();
  rows(p, 'samples').forEach((s, i) => {
    const here = `${at}.sample[${i}]`;
    f.index(`${here}.stack`, num(s, 'stackIndex'), list(d, 'stackTable').length);
    f.index(`${here}.link`, num(s, 'linkIndex'), list(d, 'linkTable').length);
    checkAttributes(d, here, list(s, 'attributeIndices').map(Number), f);
    const [values, times] = [list(s, 'values').length, list(s, 'timestampsUnixNano').map(big)];
    f.add(values + times.length > 0, `${here}: neither values nor timestamps`);
    f.add(
      times.length === 0 ? values === 1 : values === 0 || values === times.length,
      `${here}: ${values} values, ${times.length} timestamps`,
    );
    for (const time of times)
      f.add(time >= start && time < end, `${here}: timestamp ${time} is outside [${start}, ${end})`);
    shapes.add(`${values > 0} ${times.length > 0}`);
  });
  f.add(shapes.size <= 1, `${at}: samples of different shapes`);
}

/** What is wrong with an ExportProfilesServiceRequest or ProfilesData; empty where it conforms. */
export function profcheck(bytes: Uint8Array): string[] {
  const f = new Findings();
  const request = decodeRequest(bytes);
  const d = sub(request, 'dictionary');
  const resources = rows(request, 'resourceProfiles');
  f.add(resources.length > 0, 'resource profiles are empty');
  checkTables(d, f);
  checkRows(d, f);
  resources.forEach((r, i) => {
    const scopes = rows(r, 'scopeProfiles');
    f.add(scopes.length > 0, `resource_profiles[${i}]: no scope profiles`);
    scopes.forEach((s, j) => {
      const profiles = rows(s, 'profiles');
      f.add(profiles.length > 0, `resource_profiles[${i}].scope_profiles[${j}]: no profiles`);
      profiles.forEach((p, k) =>
        checkProfile(d, `resource_profiles[${i}].scope_profiles[${j}].profile[${k}]`, p, f),
      );
    });
  });
  return f.found;
}
