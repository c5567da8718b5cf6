// SPDX-License-Identifier: Apache-2.0
import { CompressionError, decompress } from '../../compression/compression.ts';
import { DecodeError } from '../../internal/wire-reader.ts';
import type { ProfilesBatch } from '../../pdata/profiles-batch.ts';
import { decodePprof, type DecodePprofOptions, DEFAULT_MAX_BYTES, FORMAT, isGzip } from './decode.ts';

/**
 * A pprof file as it lies on disk or comes from `/debug/pprof`: gzipped or not. Inflates off the event loop
 * and never beyond `maxBytes`. Rejects with DecodeError as `decodePprof` throws it, and where the gzip data
 * is damaged, inflates to more than 512 times its size, or is followed by anything else.
 */
export async function readPprof(bytes: Uint8Array, options: DecodePprofOptions = {}): Promise<ProfilesBatch> {
  const maxBytes = options.maxBytes ?? DEFAULT_MAX_BYTES;
  return decodePprof(isGzip(bytes) ? await inflate(bytes, maxBytes) : bytes, options);
}

async function inflate(bytes: Uint8Array, maxBytes: number): Promise<Uint8Array> {
  try {
    return await decompress('gzip', bytes, { maxBytes });
  } catch (cause) {
    if (!(cause instanceof CompressionError)) throw cause;
    throw new DecodeError(FORMAT, 0, cause.message, { cause });
  }
}
