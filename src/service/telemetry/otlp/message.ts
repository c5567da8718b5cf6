// SPDX-License-Identifier: Apache-2.0
import type { BuildInfo } from '../../../component/component.ts';
import type { Labels } from '../../../component/telemetry.ts';
import { ReverseWriter } from '../../../internal/wire-writer.ts';
import { errorText } from '../log-encoding.ts';

/** What everything that is sent belongs to. */
export interface Origin {
  readonly resource: Labels;
  readonly build: BuildInfo;
}

const NS_PER_MS = 1_000_000n;
/** Of values within values, so that none that refers to itself runs on. */
const MAX_DEPTH = 8;

/** Nanoseconds of milliseconds since the Unix epoch. */
export function toNs(ms: number): bigint {
  const whole = Math.floor(ms);
  return BigInt(whole) * NS_PER_MS + BigInt(Math.round((ms - whole) * 1e6));
}

/** A field of type double, written also where it is 0. */
export function writeDouble(writer: ReverseWriter, field: number, value: number): void {
  writeRawDouble(writer, value);
  writer.tag(field, 1);
}

const scratch = new DataView(new ArrayBuffer(8));

/** Eight bytes of a double. */
export function writeRawDouble(writer: ReverseWriter, value: number): void {
  scratch.setFloat64(0, value, true);
  writer.fixed64(scratch.getUint32(0, true), scratch.getUint32(4, true));
}

/** KeyValue messages. Undefined values are left out. */
export function writeAttributes(
  writer: ReverseWriter,
  field: number,
  attributes: Readonly<Record<string, unknown>>,
): void {
  writeEntries(writer, field, Object.entries(attributes), 0);
}

function writeEntries(
  writer: ReverseWriter,
  field: number,
  entries: readonly (readonly [string, unknown])[],
  depth: number,
): void {
  for (const [key, value] of entries.toReversed()) {
    if (value === undefined) continue;
    const before = writer.length;
    writeAnyValue(writer, 2, value, depth);
    writer.stringField(1, key);
    writer.message(field, before);
  }
}

/** An AnyValue of whatever a log field or attribute holds; errors become their text. */
export function writeAnyValue(writer: ReverseWriter, field: number, value: unknown, depth = 0): void {
  const before = writer.length;
  writeValue(writer, value, depth);
  writer.message(field, before);
}

function writeValue(writer: ReverseWriter, value: unknown, depth: number): void {
  switch (typeof value) {
    case 'boolean':
      writer.varint(value ? 1 : 0);
      return writer.tag(2, 0);
    case 'bigint':
      writer.varintBig(value);
      return writer.tag(3, 0);
    case 'number':
      if (!Number.isSafeInteger(value)) return writeDouble(writer, 4, value);
      writer.varintBig(BigInt(value));
      return writer.tag(3, 0);
    case 'object':
      return writeObject(writer, value, depth);
    default:
      return writeText(writer, String(value));
  }
}

function writeObject(writer: ReverseWriter, value: object | null, depth: number): void {
  if (value === null) return;
  if (value instanceof Error) return writeText(writer, errorText(value));
  if (depth >= MAX_DEPTH) return writeText(writer, '…');
  const before = writer.length;
  const plain = value instanceof Set ? [...value] : value;
  if (Array.isArray(plain)) {
    for (const item of plain.toReversed()) writeAnyValue(writer, 1, item, depth + 1);
    return writer.message(5, before);
  }
  const { toJSON } = plain as { readonly toJSON?: unknown };
  // A secret says by this what may be seen of it.
  if (typeof toJSON === 'function') return writeText(writer, String(toJSON.call(plain)));
  const entries = plain instanceof Map ? [...plain].map(([k, v]) => [String(k), v] as const) : undefined;
  writeEntries(writer, 1, entries ?? Object.entries(plain), depth + 1);
  return writer.message(6, before);
}

/** Written also where it is empty: the kind of the value is what the field says. */
function writeText(writer: ReverseWriter, text: string): void {
  const before = writer.length;
  writer.string(text);
  writer.message(1, before);
}

/**
 * A request of one resource and one scope, which have the same fields for all signals. `writeItems` writes
 * the metrics, spans or log records as field 2 of their scope, last first.
 */
export function encodeRequest(
  { resource, build }: Origin,
  writeItems: (writer: ReverseWriter) => void,
): Uint8Array {
  const writer = new ReverseWriter();
  writeItems(writer);
  const scope = writer.length;
  writer.stringField(2, build.version);
  writer.stringField(1, build.command);
  writer.message(1, scope);
  writer.message(2, 0);
  const attributes = writer.length;
  writeAttributes(writer, 1, resource);
  writer.message(1, attributes);
  writer.message(1, 0);
  return writer.finish();
}
