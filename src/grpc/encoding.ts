// SPDX-License-Identifier: Apache-2.0
import {
  CompressionError,
  type CompressionName,
  compress,
  decompress,
  isSupported,
} from '../compression/compression.ts';
import { busy, type Hold, MessageError, type SentMessage, tooLarge } from './message.ts';
import { Code } from './status.ts';

/**
 * Values of `grpc-encoding` and what they mean: "deflate" is the zlib format, "snappy" its framed one, as
 * the Collector's configgrpc sends it. Source: https://github.com/mostynb/go-grpc-compression
 */
const COMPRESSIONS = {
  gzip: 'gzip',
  deflate: 'zlib',
  zstd: 'zstd',
  snappy: 'x-snappy-framed',
} as const satisfies Record<string, CompressionName>;
export type GrpcEncoding = keyof typeof COMPRESSIONS;

let accepted: string | undefined;

/** Value of `grpc-accept-encoding`: everything that `unpack` takes. */
export function acceptedEncodings(): string {
  const usable = (): string[] =>
    Object.entries(COMPRESSIONS).flatMap(([encoding, name]) => (isSupported(name) ? [encoding] : []));
  return (accepted ??= ['identity', ...usable()].join(','));
}

/** Throws MessageError where messages in this `grpc-encoding` could not be read. */
export function checkEncoding(encoding: string): void {
  if (encoding === 'identity') return;
  if (isSupportedEncoding(encoding)) return;
  const message = `grpc-encoding "${encoding}" is not supported (valid values: [${acceptedEncodings()}])`;
  throw new MessageError('unsupported', Code.unimplemented, message);
}

/** Whether messages in this `grpc-encoding` can be read and written in this installation. */
export function isSupportedEncoding(encoding: string): boolean {
  return isEncoding(encoding) && isSupported(COMPRESSIONS[encoding]);
}

function isEncoding(encoding: string): encoding is GrpcEncoding {
  return Object.hasOwn(COMPRESSIONS, encoding);
}

/** The message as its sender wrote it; rejects with MessageError. */
export async function unpack(
  { isCompressed, bytes }: SentMessage,
  encoding: string,
  maxBytes: number,
  hold: Hold,
): Promise<Uint8Array> {
  if (!isCompressed) return bytes;
  if (!isEncoding(encoding)) {
    const message = 'message is marked as compressed, but grpc-encoding names no compression';
    throw new MessageError('malformed', Code.internal, message);
  }
  let plain: Uint8Array;
  try {
    plain = await decompress(COMPRESSIONS[encoding], bytes, { maxBytes });
  } catch (cause) {
    if (!(cause instanceof CompressionError)) throw cause;
    if (cause.reason === 'too_large') throw tooLarge(`more than ${maxBytes}`, maxBytes);
    const message = `message cannot be decompressed with ${encoding}: ${cause.message}`;
    throw new MessageError('malformed', Code.internal, message, { cause });
  }
  if (!hold.grow(plain.length)) throw busy(hold);
  return plain;
}

/** Compresses a message, given in pieces, to be sent. */
export function pack(pieces: readonly Uint8Array[], encoding: GrpcEncoding): Promise<Uint8Array> {
  return compress(COMPRESSIONS[encoding], pieces);
}
