// SPDX-License-Identifier: Apache-2.0
import type { ReverseWriter } from '../../../internal/wire-writer.ts';
import type { HistogramPoint, MetricReading, NumberPoint } from '../readings.ts';
import { encodeRequest, type Origin, writeAttributes, writeDouble, writeRawDouble } from './message.ts';

const DELTA = 1;
const CUMULATIVE = 2;

/** A reading, and what its sums count from. */
export interface TimedReading {
  readonly reading: MetricReading;
  readonly isDelta: boolean;
  readonly startNs: bigint;
}

/** ExportMetricsServiceRequest. */
export function encodeMetrics(origin: Origin, readings: readonly TimedReading[], timeNs: bigint): Uint8Array {
  return encodeRequest(origin, (writer) => {
    for (const reading of readings.toReversed()) writeMetric(writer, reading, timeNs);
  });
}

function writeMetric(writer: ReverseWriter, timed: TimedReading, timeNs: bigint): void {
  const { reading, isDelta } = timed;
  const startNs = reading.kind === 'gauge' ? 0n : timed.startNs;
  const before = writer.length;
  if (reading.kind === 'counter') {
    writer.int32Field(3, 1);
  }
  if (reading.kind !== 'gauge') writer.int32Field(2, isDelta ? DELTA : CUMULATIVE);
  if (reading.kind === 'histogram') {
    for (const point of reading.points.toReversed()) writeHistogramPoint(writer, point, startNs, timeNs);
  } else {
    for (const point of reading.points.toReversed()) writeNumberPoint(writer, point, startNs, timeNs);
  }
  writer.message({ gauge: 5, counter: 7, histogram: 9 }[reading.kind], before);
  writer.stringField(3, reading.unit);
  writer.stringField(2, reading.help);
  writer.stringField(1, reading.name);
  writer.message(2, before);
}

function writeNumberPoint(writer: ReverseWriter, point: NumberPoint, startNs: bigint, timeNs: bigint): void {
  const before = writer.length;
  writeAttributes(writer, 7, point.labels);
  writeDouble(writer, 4, point.value);
  writer.fixed64Field(3, timeNs);
  writer.fixed64Field(2, startNs);
  writer.message(1, before);
}

function writeHistogramPoint(
  writer: ReverseWriter,
  point: HistogramPoint,
  startNs: bigint,
  timeNs: bigint,
): void {
  const before = writer.length;
  writeAttributes(writer, 9, point.labels);
  const bounds = writer.length;
  for (const bound of point.bounds.toReversed()) writeRawDouble(writer, bound);
  writer.message(7, bounds);
  const counts = writer.length;
  for (const count of point.counts.toReversed()) writer.fixed64(count >>> 0, Math.floor(count / 2 ** 32));
  writer.message(6, counts);
  writeDouble(writer, 5, point.sum);
  writer.fixed64Field(4, BigInt(point.counts.reduce((sum, count) => sum + count, 0)));
  writer.fixed64Field(3, timeNs);
  writer.fixed64Field(2, startNs);
  writer.message(1, before);
}
