// SPDX-License-Identifier: Apache-2.0

/** Scalar kinds of proto3 JSON. `hex` and `id` are bytes that OTLP/JSON writes as hex digits. */
export type ScalarKind =
  | 'string'
  | 'bool'
  | 'int32'
  | 'uint32'
  | 'int64'
  | 'uint64'
  | 'fixed64'
  | 'double'
  | 'bytes'
  | 'hex'
  | 'id';

export interface Field {
  readonly number: number;
  /** In lowerCamelCase. */
  readonly name: string;
  /** The name in bytes, and as the beginning of a member. */
  readonly key: Uint8Array;
  readonly opening: string;
  readonly kind: ScalarKind | (() => Message);
  readonly repeated: boolean;
}

/** Fields of a message in ascending order, at most 31, and their places in it by name and number. */
export interface Message {
  readonly fields: readonly Field[];
  /** Every name that is read: also the one in proto's own spelling, and what an older revision called it. */
  readonly byName: ReadonlyMap<string, number>;
  readonly byNumber: ReadonlyMap<number, number>;
  /** Place of a field that is written even where the JSON does not have it. */
  readonly always?: number;
}

/** Keys by which a request of OTLP 1.7 is known: read as today's it would lose what it says. */
export const OLDER_KEYS: ReadonlySet<string> = new Set([
  'attributeUnits',
  'attribute_units',
  'locationsStartIndex',
  'locations_start_index',
  'timeNanos',
  'time_nanos',
]);

type Spec = readonly [number: number, name: string, kind: Field['kind'], repeated?: 'repeated'];

function message(...specs: readonly Spec[]): Message {
  const fields = specs.map(([number, name, kind, repeated]) => ({
    number,
    name,
    key: Buffer.from(name),
    opening: `"${name}":`,
    kind,
    repeated: repeated !== undefined,
  }));
  const byName = new Map(
    fields.flatMap(({ name }, i) => [[name, i] as const, [protoName(name), i] as const]),
  );
  return { fields, byName, byNumber: new Map(fields.map((f, i) => [f.number, i])) };
}

const protoName = (name: string): string => name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);

/** The message with another name for one of its fields. */
function alias(base: Message, name: string, older: string): Message {
  return { ...base, byName: new Map([...base.byName, [older, base.byName.get(name) ?? -1]]) };
}

const anyValue: Message = message(
  [1, 'stringValue', 'string'],
  [2, 'boolValue', 'bool'],
  [3, 'intValue', 'int64'],
  [4, 'doubleValue', 'double'],
  [5, 'arrayValue', () => arrayValue],
  [6, 'kvlistValue', () => keyValueList],
  [7, 'bytesValue', 'bytes'],
  [8, 'stringValueStrindex', 'int32'],
);
const arrayValue = message([1, 'values', () => anyValue, 'repeated']);
const keyValue = message([1, 'key', 'string'], [2, 'value', () => anyValue], [3, 'keyStrindex', 'int32']);
const keyValueList = message([1, 'values', () => keyValue, 'repeated']);
const entityRef = message(
  [1, 'schemaUrl', 'string'],
  [2, 'type', 'string'],
  [3, 'idKeys', 'string', 'repeated'],
  [4, 'descriptionKeys', 'string', 'repeated'],
);
const resource = message(
  [1, 'attributes', () => keyValue, 'repeated'],
  [2, 'droppedAttributesCount', 'uint32'],
  [3, 'entityRefs', () => entityRef, 'repeated'],
);
const scope = message(
  [1, 'name', 'string'],
  [2, 'version', 'string'],
  [3, 'attributes', () => keyValue, 'repeated'],
  [4, 'droppedAttributesCount', 'uint32'],
);
const valueType = message([1, 'typeStrindex', 'int32'], [2, 'unitStrindex', 'int32']);
const sampleFields = message(
  [1, 'stackIndex', 'int32'],
  [2, 'attributeIndices', 'int32', 'repeated'],
  [3, 'linkIndex', 'int32'],
  [4, 'values', 'int64', 'repeated'],
  [5, 'timestampsUnixNano', 'fixed64', 'repeated'],
);
/** The link is a number here, as it is in no older revision. */
const sample: Message = { ...sampleFields, always: sampleFields.byName.get('linkIndex') ?? 0 };
const profileFields = message(
  [1, 'sampleType', () => valueType],
  [2, 'samples', () => sample, 'repeated'],
  [3, 'timeUnixNano', 'fixed64'],
  [4, 'durationNano', 'uint64'],
  [5, 'periodType', () => valueType],
  [6, 'period', 'int64'],
  [7, 'profileId', 'id'],
  [8, 'droppedAttributesCount', 'uint32'],
  [9, 'originalPayloadFormat', 'string'],
  [10, 'originalPayload', 'bytes'],
  [11, 'attributeIndices', 'int32', 'repeated'],
);
const profile = alias(profileFields, 'samples', 'sample');
const scopeProfiles = message(
  [1, 'scope', () => scope],
  [2, 'profiles', () => profile, 'repeated'],
  [3, 'schemaUrl', 'string'],
);
const resourceProfiles = message(
  [1, 'resource', () => resource],
  [2, 'scopeProfiles', () => scopeProfiles, 'repeated'],
  [3, 'schemaUrl', 'string'],
);
const mapping = message(
  [1, 'memoryStart', 'uint64'],
  [2, 'memoryLimit', 'uint64'],
  [3, 'fileOffset', 'uint64'],
  [4, 'filenameStrindex', 'int32'],
  [5, 'attributeIndices', 'int32', 'repeated'],
);
const line = message([1, 'functionIndex', 'int32'], [2, 'line', 'int64'], [3, 'column', 'int64']);
const locationFields = message(
  [1, 'mappingIndex', 'int32'],
  [2, 'address', 'uint64'],
  [3, 'lines', () => line, 'repeated'],
  [4, 'attributeIndices', 'int32', 'repeated'],
);
const location = alias(locationFields, 'lines', 'line');
const fn = message(
  [1, 'nameStrindex', 'int32'],
  [2, 'systemNameStrindex', 'int32'],
  [3, 'filenameStrindex', 'int32'],
  [4, 'startLine', 'int64'],
);
const link = message([1, 'traceId', 'hex'], [2, 'spanId', 'hex']);
const keyValueAndUnit = message(
  [1, 'keyStrindex', 'int32'],
  [2, 'value', () => anyValue],
  [3, 'unitStrindex', 'int32'],
);
const stack = message([1, 'locationIndices', 'int32', 'repeated']);
const dictionary = message(
  [1, 'mappingTable', () => mapping, 'repeated'],
  [2, 'locationTable', () => location, 'repeated'],
  [3, 'functionTable', () => fn, 'repeated'],
  [4, 'linkTable', () => link, 'repeated'],
  [5, 'stringTable', 'string', 'repeated'],
  [6, 'attributeTable', () => keyValueAndUnit, 'repeated'],
  [7, 'stackTable', () => stack, 'repeated'],
);

/** ExportProfilesServiceRequest of OTLP 1.10, the same as ProfilesData. */
export const requestMessage: Message = message(
  [1, 'resourceProfiles', () => resourceProfiles, 'repeated'],
  [2, 'dictionary', () => dictionary],
);
