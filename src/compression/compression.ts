// SPDX-License-Identifier: Apache-2.0
import { gunzipSync } from 'node:zlib';
import { type CodecsAddon, codecsAddon } from '../native/codecs-addon.ts';
import { CompressionError } from './compression-error.ts';
import { compressWithNode, decompressWithNode, isInNode } from './node-zlib.ts';

export { CompressionError } from './compression-error.ts';

/**
 * By the names of HTTP's Content-Encoding, as the Collector uses them.
 *
 * - `deflate`: written with the zlib header (RFC 9110 §8.4.1.2), read with and without it
 * - `snappy`: written as a block, read as a block and framed. gRPC's `grpc-encoding: snappy` is written as
 *   `x-snappy-framed`: its Go peers read nothing else
 * - `lz4`: the frame format
 */
export type CompressionName = 'gzip' | 'zlib' | 'deflate' | 'zstd' | 'snappy' | 'x-snappy-framed' | 'lz4';

/** Bytes, or pieces that are them together. */
export type Bytes = Uint8Array | readonly Uint8Array[];

/** What decompressed bytes may cost. */
export interface DecompressLimits {
  /** Bytes after decompression, at most; no allocation for them is larger. */
  readonly maxBytes: number;
}

/**
 * Output of up to this size may have any ratio to its input; above it, at most MAX_RATIO times. Telemetry
 * reaches 50, text made to be compressed 300; what makes more is a bomb (deflate 1032, zstd 30 000).
 */
const FREE_BYTES = 1 << 20;
const MAX_RATIO = 512;

interface LevelRange {
  readonly min: number;
  readonly max: number;
  readonly byDefault: number;
}
const DEFLATE_LEVELS: LevelRange = { min: 0, max: 9, byDefault: 6 };
const NO_LEVELS: LevelRange = { min: 0, max: 0, byDefault: 0 };
const LEVELS: Readonly<Record<CompressionName, LevelRange>> = {
  gzip: DEFLATE_LEVELS,
  zlib: DEFLATE_LEVELS,
  deflate: DEFLATE_LEVELS,
  zstd: { min: 1, max: 22, byDefault: 3 },
  snappy: NO_LEVELS,
  'x-snappy-framed': NO_LEVELS,
  lz4: NO_LEVELS,
};

/** Compression on threads of libuv's pool: nothing of it runs on the event loop. */
export interface Compression {
  isSupported(name: string): name is CompressionName;
  decompress(name: CompressionName, bytes: Uint8Array, limits: DecompressLimits): Promise<Uint8Array>;
  compress(name: CompressionName, bytes: Bytes, level?: number): Promise<Uint8Array>;
}

/** Compression with the addon where there is one, else with what `node:zlib` has. */
export function compressionWith(addon: CodecsAddon | undefined): Compression {
  const isSupported = (name: string): name is CompressionName =>
    Object.hasOwn(LEVELS, name) && (addon !== undefined || isInNode(name));
  return {
    isSupported,
    async decompress(name, bytes, { maxBytes }) {
      const limit = outputLimit(bytes, maxBytes);
      try {
        if (bytes.length === 0) throw new CompressionError('malformed', 'no bytes');
        if (addon !== undefined) return await addon.decompress(name, bytes, limit);
        if (isInNode(name)) return await decompressWithNode(name, bytes, limit);
      } catch (cause) {
        throw decompressError(name, cause, limit < maxBytes ? undefined : maxBytes);
      }
      throw unsupported(name);
    },
    async compress(name, bytes, level) {
      const pieces = bytes instanceof Uint8Array ? [bytes] : bytes;
      try {
        if (addon !== undefined) return await addon.compress(name, pieces, levelOf(name, level));
        if (isInNode(name)) return await compressWithNode(name, pieces, levelOf(name, level));
      } catch (cause) {
        if (codeOf(cause) !== 'no_memory') throw cause;
        throw new CompressionError('too_large', `no memory to compress with ${name}`, { cause });
      }
      throw unsupported(name);
    },
  };
}

/** Bytes that may come of `bytes`: `maxBytes` at most, and no more than what is no bomb. */
export function outputLimit(bytes: Uint8Array, maxBytes: number): number {
  return Math.min(maxBytes, Math.max(FREE_BYTES, bytes.length * MAX_RATIO));
}

let shared: Compression | undefined;
const ours = (): Compression => (shared ??= compressionWith(codecsAddon()));

/** Whether `name` (in lower case) is a compression that this installation has. */
export function isSupported(name: string): name is CompressionName {
  return ours().isSupported(name);
}

/**
 * What `bytes` are when decompressed, in memory of exactly that size. Members and frames in a row are one
 * stream (gzip, zstd, framed snappy, lz4); anything else behind the end is malformed, and so are no bytes
 * at all. Until it settles nobody may write to `bytes` or transfer its buffer: another thread reads it.
 * Rejects with CompressionError.
 */
export function decompress(
  name: CompressionName,
  bytes: Uint8Array,
  limits: DecompressLimits,
): Promise<Uint8Array> {
  return ours().decompress(name, bytes, limits);
}

/** gzip data that has been inflated before, once more and on this thread. Throws Error where it is none after all. */
export function gunzipNow(bytes: Uint8Array, { maxBytes }: DecompressLimits): Uint8Array {
  const addon = codecsAddon();
  if (addon === undefined) return gunzipSync(bytes, { maxOutputLength: maxBytes });
  return addon.decompressNow('gzip', bytes, maxBytes);
}

/**
 * `bytes` compressed, in memory of exactly that size. `level`: gzip, zlib, deflate 0 to 9 (6), zstd 1 to 22
 * (3), the others have none; -1 is the default, other numbers become the nearest level. Until it settles
 * nobody may write to `bytes` or transfer its buffer. Rejects with CompressionError.
 */
export function compress(name: CompressionName, bytes: Bytes, level?: number): Promise<Uint8Array> {
  return ours().compress(name, bytes, level);
}

function levelOf(name: CompressionName, level = -1): number {
  const { min, max, byDefault } = LEVELS[name];
  return level === -1 ? byDefault : Math.min(max, Math.max(min, Math.trunc(level)));
}

function unsupported(name: CompressionName): CompressionError {
  return new CompressionError('unsupported', `${name} needs the codecs addon: run "npm run setup"`);
}

/** `maxBytes`: undefined where the ratio was the limit. What is no verdict on the bytes is given back. */
function decompressError(name: CompressionName, cause: unknown, maxBytes: number | undefined): unknown {
  switch (codeOf(cause)) {
    case 'too_large': {
      const most = maxBytes === undefined ? `${MAX_RATIO} times its size` : `${maxBytes} bytes`;
      return new CompressionError('too_large', `${name} becomes larger than ${most}`, { cause });
    }
    case 'no_memory':
      return new CompressionError('too_large', `no memory to decompress ${name}`, { cause });
    case 'malformed':
      return new CompressionError('malformed', `not valid ${name}`, { cause });
    default:
      return cause;
  }
}

function codeOf(cause: unknown): unknown {
  if (cause instanceof CompressionError) return cause.reason;
  return cause instanceof Error && 'code' in cause ? cause.code : undefined;
}
