// SPDX-License-Identifier: Apache-2.0
import type { SpanContext } from '@opentelemetry/api';
import type { ReverseWriter } from '../../../internal/wire-writer.ts';
import type { EndedSpan } from '../span.ts';
import { encodeRequest, type Origin, toNs, writeAttributes } from './message.ts';

/** ExportTraceServiceRequest. */
export function encodeSpans(origin: Origin, spans: readonly EndedSpan[]): Uint8Array {
  return encodeRequest(origin, (writer) => {
    for (const span of spans.toReversed()) writeSpan(writer, span);
  });
}

function writeSpan(writer: ReverseWriter, span: EndedSpan): void {
  const before = writer.length;
  writeFlags(writer, 16, span.context);
  const status = writer.length;
  writer.int32Field(3, span.status.code);
  writer.stringField(2, span.status.message ?? '');
  writer.message(15, status);
  for (const { context, attributes } of span.links.toReversed()) {
    const link = writer.length;
    writeFlags(writer, 6, context);
    writeAttributes(writer, 4, attributes ?? {});
    writeIds(writer, context);
    writer.message(13, link);
  }
  for (const { name, attributes, timeMs } of span.events.toReversed()) {
    const event = writer.length;
    writeAttributes(writer, 3, attributes);
    writer.stringField(2, name);
    writer.fixed64Field(1, toNs(timeMs));
    writer.message(11, event);
  }
  writer.int32Field(10, span.droppedAttributes);
  writeAttributes(writer, 9, span.attributes);
  writer.fixed64Field(8, toNs(span.endMs));
  writer.fixed64Field(7, toNs(span.startMs));
  writer.int32Field(6, span.kind + 1);
  writer.stringField(5, span.name);
  if (span.parentSpanId !== undefined) writer.bytesField(4, Buffer.from(span.parentSpanId, 'hex'));
  writer.stringField(3, span.context.traceState?.serialize() ?? '');
  writeIds(writer, span.context);
  writer.message(2, before);
}

function writeIds(writer: ReverseWriter, { traceId, spanId }: SpanContext): void {
  writer.bytesField(2, Buffer.from(spanId, 'hex'));
  writer.bytesField(1, Buffer.from(traceId, 'hex'));
}

/** Flags of W3C trace context as a fixed32. */
function writeFlags(writer: ReverseWriter, field: number, { traceFlags }: SpanContext): void {
  if (traceFlags === 0) return;
  writer.raw(Uint8Array.of(traceFlags & 0xff, 0, 0, 0));
  writer.tag(field, 5);
}
