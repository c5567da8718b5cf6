// SPDX-License-Identifier: Apache-2.0
import { join } from 'node:path';
import protobuf from 'protobufjs';
import { packageRoot } from '../package-root.ts';

const PROFILES = 'opentelemetry.proto.profiles.v1development';
const REQUEST = 'opentelemetry.proto.collector.profiles.v1development.ExportProfilesServiceRequest';

/** Field numbers by message that differ from the vendored revision, and fields that did not exist. */
const OLDER: Readonly<Record<string, Readonly<Record<string, Readonly<Record<string, number>>>>>> = {
  '1.10': {},
  '1.9': { Sample: { values: 2, attributeIndices: 3, linkIndex: 4 } },
  '1.8': {
    Sample: { values: 2, attributeIndices: 3, linkIndex: 4 },
    Profile: {
      profileId: 8,
      droppedAttributesCount: 9,
      originalPayloadFormat: 10,
      originalPayload: 11,
      attributeIndices: 12,
    },
  },
};

/** ExportProfilesServiceRequest as protobufjs reads it from `proto/`: a second opinion on our codec. */
export function otlpRequestType(revision: '1.8' | '1.9' | '1.10' = '1.10'): protobuf.Type {
  const root = new protobuf.Root();
  root.resolvePath = (_origin, target) => join(packageRoot(), 'proto', target);
  root.loadSync('opentelemetry/proto/collector/profiles/v1development/profiles_service.proto');
  root.resolveAll();
  for (const [message, numbers] of Object.entries(OLDER[revision] ?? {})) {
    const type = root.lookupType(`${PROFILES}.${message}`);
    const fields = Object.keys(numbers).map((name) => type.get(name) as protobuf.Field);
    for (const field of fields) type.remove(field);
    for (const field of fields) {
      // Renumbered in place: a new Field would lose what proto3 says about packing.
      field.id = numbers[field.name] ?? 0;
      type.add(field);
    }
  }
  return root.lookupType(REQUEST);
}

/** A message as plain data: every field present, 64-bit numbers as text, bytes as base64. */
export function plainOtlp(type: protobuf.Type, bytes: Uint8Array): Record<string, unknown> {
  return type.toObject(type.decode(bytes), {
    longs: String,
    bytes: String,
    defaults: true,
    arrays: true,
    oneofs: true,
  });
}

const ZERO_IDS: readonly unknown[] = ['AAAAAAAAAAAAAAAAAAAAAA==', 'AAAAAAAAAAA='];
const DEFAULTS: readonly unknown[] = [null, '', 0, '0', false, ...ZERO_IDS];

/**
 * What a request says, as text to compare: keys sorted, and what proto3 may spell out or leave away
 * (defaults, zero ids) left away. Which member of a oneof is set stays.
 */
export function otlpMeaning(type: protobuf.Type, bytes: Uint8Array): string {
  return JSON.stringify(pruned(plainOtlp(type, bytes)));
}

function pruned(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(pruned);
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value)
    .map(([key, inner]) => [key, pruned(inner)] as const)
    .filter(([, inner]) => !DEFAULTS.includes(inner) && !isEmpty(inner));
  return Object.fromEntries(entries.sort(([a], [b]) => (a < b ? -1 : 1)));
}

function isEmpty(value: unknown): boolean {
  return typeof value === 'object' && value !== null && Object.keys(value).length === 0;
}
