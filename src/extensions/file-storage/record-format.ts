// SPDX-License-Identifier: Apache-2.0
import { crc32 } from 'node:zlib';
import type { RecordCounts } from '../../component/storage.ts';

/**
 * A segment is a file of records, each a header and a payload. The header names its own offset, so that bytes of a
 * payload that look like one are none. All numbers are little-endian:
 *
 *     0 magic "OPQ1"   4 payload bytes   8 offset in the segment   12 CRC-32 of the payload
 *     16 samples (f64)   24 events (f64)   32 CRC-32 of the 32 bytes before
 */
export const HEADER_BYTES = 36;
/** More than any exporter can send at once. */
export const MAX_PAYLOAD_BYTES = 512 * 1024 * 1024;

const MAGIC = 0x3151504f;
const CHECKED_BYTES = 32;

/** One record as its header tells of it. */
export interface RecordHeader {
  readonly offset: number;
  readonly bytes: number;
  readonly payloadCrc: number;
  readonly counts: RecordCounts;
}

export function payloadCrc(pieces: readonly Uint8Array[]): number {
  return pieces.reduce((crc, piece) => crc32(piece, crc), 0);
}

export function encodeHeader(header: RecordHeader): Uint8Array {
  const bytes = new Uint8Array(HEADER_BYTES);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, MAGIC, true);
  view.setUint32(4, header.bytes, true);
  view.setUint32(8, header.offset, true);
  view.setUint32(12, header.payloadCrc, true);
  view.setFloat64(16, header.counts.samples, true);
  view.setFloat64(24, header.counts.events, true);
  view.setUint32(CHECKED_BYTES, crc32(bytes.subarray(0, CHECKED_BYTES)), true);
  return bytes;
}

/** The header at `at` of bytes that begin at `base` of the segment; undefined where there is none. */
export function decodeHeader(bytes: Uint8Array, at: number, base: number): RecordHeader | undefined {
  if (at + HEADER_BYTES > bytes.length) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset + at, HEADER_BYTES);
  if (view.getUint32(0, true) !== MAGIC || view.getUint32(8, true) !== base + at) return undefined;
  if (view.getUint32(CHECKED_BYTES, true) !== crc32(bytes.subarray(at, at + CHECKED_BYTES))) return undefined;
  const size = view.getUint32(4, true);
  if (size > MAX_PAYLOAD_BYTES) return undefined;
  return {
    offset: base + at,
    bytes: size,
    payloadCrc: view.getUint32(12, true),
    counts: { samples: view.getFloat64(16, true), events: view.getFloat64(24, true) },
  };
}

/** An entry of a segment's list of removed records: the offset, and its complement to know a torn one by. */
export const REMOVAL_BYTES = 8;

export function encodeRemovals(offsets: readonly number[]): Uint8Array {
  const view = new DataView(new ArrayBuffer(offsets.length * REMOVAL_BYTES));
  offsets.forEach((offset, i) => {
    view.setUint32(i * REMOVAL_BYTES, offset, true);
    view.setUint32(i * REMOVAL_BYTES + 4, ~offset >>> 0, true);
  });
  return new Uint8Array(view.buffer);
}

/** What was removed; entries that are not whole are left out, so that their records come back. */
export function decodeRemovals(bytes: Uint8Array): Set<number> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const offsets = new Set<number>();
  for (let at = 0; at + REMOVAL_BYTES <= bytes.length; at += REMOVAL_BYTES) {
    const offset = view.getUint32(at, true);
    if (view.getUint32(at + 4, true) === ~offset >>> 0) offsets.add(offset);
  }
  return offsets;
}
