// SPDX-License-Identifier: Apache-2.0
import type { FileHandle } from 'node:fs/promises';

/**
 * Messages in a file as the Go Collector's file exporter writes them where a line will not do (protobuf, or
 * anything compressed): each behind its length in 4 bytes, big-endian.
 * Source: open-telemetry/opentelemetry-collector-contrib, exporter/fileexporter.
 */
export const FRAME_HEADER_BYTES = 4;

/** No writer makes longer messages. It also tells such a file from text: `{` would be a length of 2 GB. */
export const MAX_FRAME_BYTES = 128 * 1024 * 1024;

/** What stands before a message of this length. Throws RangeError above MAX_FRAME_BYTES. */
export function frameHeader(length: number): Uint8Array {
  if (length > MAX_FRAME_BYTES) {
    throw new RangeError(`a message of ${length} bytes is longer than a file may hold (${MAX_FRAME_BYTES})`);
  }
  const header = Buffer.alloc(FRAME_HEADER_BYTES);
  header.writeUInt32BE(length);
  return header;
}

const CHUNK_BYTES = 256 * 1024;

/**
 * Where the last whole message of a file ends; undefined where its beginning is no length that a message
 * can have, so that it is not such a file. Reads headers alone, in chunks where messages are small.
 */
export async function endOfFrames(file: FileHandle, fileBytes: number): Promise<number | undefined> {
  const chunk = Buffer.alloc(Math.min(CHUNK_BYTES, fileBytes));
  let chunkAt = 0;
  let chunkEnd = 0;
  let at = 0;
  while (at + FRAME_HEADER_BYTES <= fileBytes) {
    if (at < chunkAt || at + FRAME_HEADER_BYTES > chunkEnd) {
      const { bytesRead } = await file.read(chunk, 0, chunk.length, at);
      [chunkAt, chunkEnd] = [at, at + bytesRead];
      if (bytesRead < FRAME_HEADER_BYTES) return at;
    }
    const length = chunk.readUInt32BE(at - chunkAt);
    if (length > MAX_FRAME_BYTES) return at === 0 ? undefined : at;
    const next = at + FRAME_HEADER_BYTES + length;
    if (next > fileBytes) return at;
    at = next;
  }
  return at;
}
