// SPDX-License-Identifier: Apache-2.0
import type { ReverseWriter } from '../../../internal/wire-writer.ts';
import type { Entry, Level } from '../log-encoding.ts';
import { encodeRequest, type Origin, toNs, writeAnyValue, writeAttributes } from './message.ts';

/** Source: https://opentelemetry.io/docs/specs/otel/logs/data-model/#field-severitynumber */
const SEVERITY: Readonly<Record<Level, number>> = { debug: 5, info: 9, warn: 13, error: 17 };

/** An entry of the log, and the span in which it was written. */
export interface TracedEntry extends Entry {
  readonly traceId?: string | undefined;
  readonly spanId?: string | undefined;
}

/** ExportLogsServiceRequest. */
export function encodeLogs(origin: Origin, entries: readonly TracedEntry[]): Uint8Array {
  return encodeRequest(origin, (writer) => {
    for (const entry of entries.toReversed()) writeEntry(writer, entry);
  });
}

function writeEntry(writer: ReverseWriter, entry: TracedEntry): void {
  const before = writer.length;
  const timeNs = toNs(entry.timeMs);
  writer.fixed64Field(11, timeNs);
  if (entry.spanId !== undefined) writer.bytesField(10, Buffer.from(entry.spanId, 'hex'));
  if (entry.traceId !== undefined) writer.bytesField(9, Buffer.from(entry.traceId, 'hex'));
  writeAttributes(writer, 6, entry.fields);
  writeAnyValue(writer, 5, entry.message);
  writer.stringField(3, entry.level);
  writer.int32Field(2, SEVERITY[entry.level]);
  writer.fixed64Field(1, timeNs);
  writer.message(2, before);
}
