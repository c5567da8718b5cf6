// SPDX-License-Identifier: Apache-2.0
import { fileURLToPath } from 'node:url';
import protobuf from 'protobufjs';
import { IngestError, type IncomingProfile, type IncomingSample } from './fake-pyroscope-store.ts';

// Decoded with protobufjs and the published .proto files, not with the codec under test.
interface AnyValue {
  stringValue?: string;
  intValue?: string;
  arrayValue?: { values?: AnyValue[] };
}
interface KeyValue {
  key?: string;
  value?: AnyValue;
}
interface ValueType {
  typeStrindex: number;
  unitStrindex: number;
}
interface Sample {
  stackIndex: number;
  attributeIndices: number[];
  linkIndex: number;
  values: string[];
  timestampsUnixNano: string[];
}
interface Profile {
  sampleType?: ValueType | null;
  samples: Sample[];
  timeUnixNano: string;
  periodType?: ValueType | null;
  period: string;
}
interface Dictionary {
  mappingTable: object[];
  locationTable: { mappingIndex: number; lines: { functionIndex: number }[] }[];
  functionTable: { nameStrindex: number }[];
  linkTable: { traceId: Buffer; spanId: Buffer }[];
  stringTable: string[];
  attributeTable: { keyStrindex: number; value?: AnyValue }[];
  stackTable: { locationIndices: number[] }[];
}
interface Request {
  resourceProfiles: {
    resource?: { attributes: KeyValue[] } | null;
    scopeProfiles: { scope?: { attributes: KeyValue[] } | null; profiles: Profile[] }[];
  }[];
  dictionary?: Dictionary | null;
}

let requestType: Promise<protobuf.Type> | undefined;

function loadRequestType(): Promise<protobuf.Type> {
  const folder = fileURLToPath(new URL('../../proto/', import.meta.url));
  const root = new protobuf.Root();
  root.resolvePath = (_, target) => `${folder}${target}`;
  return root
    .load('opentelemetry/proto/collector/profiles/v1development/profiles_service.proto')
    .then((r) =>
      r.lookupType('opentelemetry.proto.collector.profiles.v1development.ExportProfilesServiceRequest'),
    );
}

/** ExportProfilesServiceRequest → profiles, as pkg/ingester/otlp of Pyroscope 2.2 converts it. */
export async function decodeOtlpExport(bytes: Uint8Array): Promise<IncomingProfile[]> {
  requestType ??= loadRequestType();
  const type = await requestType;
  const request = type.toObject(type.decode(bytes), {
    longs: String,
    bytes: Buffer,
    arrays: true,
    defaults: true,
    oneofs: false,
  }) as Request;
  const { dictionary } = request;
  if (dictionary === undefined || dictionary === null)
    throw new IngestError('conversion', 'missing profile metadata dictionary');
  if (request.resourceProfiles.length === 0) throw new IngestError('conversion', 'missing resource profiles');
  const out: IncomingProfile[] = [];
  for (const rp of request.resourceProfiles) {
    for (const sp of rp.scopeProfiles) {
      const labels = seriesLabels(rp.resource?.attributes ?? [], sp.scope?.attributes ?? []);
      for (const p of sp.profiles) if (p.samples.length > 0) out.push(convert(dictionary, p, labels));
    }
  }
  return out;
}

function convert(d: Dictionary, p: Profile, labels: [string, string][]): IncomingProfile {
  const fail = (message: string): never => {
    throw new IngestError('conversion', message);
  };
  const at = <T>(table: readonly T[], index: number, what: string): T =>
    table[index] ?? fail(`invalid ${what} index: ${index}`);
  const typeText = (t: ValueType): [string, string] => [
    at(d.stringTable, t.typeStrindex, 'string'),
    at(d.stringTable, t.unitStrindex, 'string'),
  ];
  if (p.sampleType === undefined || p.sampleType === null) return fail('sample type is missing');
  const [sampleType, sampleUnit] = typeText(p.sampleType);
  const hasPeriod = p.period !== '0' && p.periodType !== undefined && p.periodType !== null;
  const [periodType, periodUnit] = hasPeriod && p.periodType ? typeText(p.periodType) : ['', ''];
  const isCpu =
    sampleType === 'samples' &&
    sampleUnit === 'count' &&
    periodType === 'cpu' &&
    periodUnit === 'nanoseconds';
  const isOffCpu = sampleType === 'off_cpu' && sampleUnit === 'nanoseconds' && periodType === '';
  const samples = p.samples.map((s): IncomingSample => {
    const stack = at(d.stackTable, s.stackIndex, 'stack').locationIndices.flatMap((row) => {
      const { lines, mappingIndex } = at(d.locationTable, row, 'location');
      at(d.mappingTable, mappingIndex, 'mapping');
      if (lines.length === 0) return [''];
      return lines.map((l) =>
        at(d.stringTable, at(d.functionTable, l.functionIndex, 'function').nameStrindex, 'string'),
      );
    });
    const attributes = s.attributeIndices.flatMap((row): [string, string][] => {
      const { keyStrindex, value } = at(d.attributeTable, row, 'attribute');
      const text = labelText(value);
      return text === undefined ? [] : [[at(d.stringTable, keyStrindex, 'string'), text]];
    });
    if (s.linkIndex !== 0)
      attributes.push(['span_id', at(d.linkTable, s.linkIndex, 'link').spanId.toString('hex')]);
    return {
      stack: stack.reverse(),
      value: valueOf(s, isOffCpu, fail) * (isCpu ? BigInt(p.period) : 1n),
      labels: attributes,
    };
  });
  return {
    labels: [['__name__', isCpu ? 'process_cpu' : isOffCpu ? 'off_cpu' : periodType], ...labels],
    sampleType: isCpu ? 'cpu' : sampleType,
    sampleUnit: isCpu ? 'nanoseconds' : sampleUnit,
    periodType,
    periodUnit,
    timeNanos: BigInt(p.timeUnixNano),
    sizeBytes: 0,
    samples,
  };
}

function valueOf(s: Sample, isOffCpu: boolean, fail: (message: string) => never): bigint {
  if (s.values.length === 0) {
    return s.timestampsUnixNano.length === 0
      ? fail('sample value is required')
      : BigInt(s.timestampsUnixNano.length);
  }
  if (isOffCpu) return s.values.reduce((sum, v) => sum + BigInt(v), 0n);
  if (s.values.length !== 1) return fail(`sample values length mismatch ${s.values.length} 1`);
  return BigInt(s.values[0] ?? '0');
}

/** The label that a value becomes; undefined where the server drops the attribute. References it does not know. */
function labelText(value: AnyValue | undefined): string | undefined {
  if (value?.stringValue !== undefined) return value.stringValue === '' ? undefined : value.stringValue;
  if (value?.intValue !== undefined) return value.intValue;
  const list = value?.arrayValue?.values ?? [];
  return list.length === 1 && list[0]?.arrayValue === undefined ? labelText(list[0]) : undefined;
}

function seriesLabels(resource: readonly KeyValue[], scope: readonly KeyValue[]): [string, string][] {
  const labels: [string, string][] = [
    ['__delta__', 'false'],
    ['__otel__', 'true'],
  ];
  const textOf = (key: string): string | undefined => labelText(resource.find((a) => a.key === key)?.value);
  const executable = textOf('process.executable.name');
  labels.push([
    'service_name',
    textOf('service.name') ??
      (executable === undefined ? 'unknown_service' : `unknown_service:${executable}`),
  ]);
  const seen = new Set<string>();
  for (const { key = '', value } of [...resource, ...scope]) {
    const text = labelText(value);
    if (text === undefined || key === '__name__' || seen.has(key)) continue;
    seen.add(key);
    labels.push([key, text]);
  }
  return labels;
}
