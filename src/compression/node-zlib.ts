// SPDX-License-Identifier: Apache-2.0
import type { Transform } from 'node:stream';
import * as zlib from 'node:zlib';
import { joined } from '../internal/wire-writer.ts';
import { CompressionError } from './compression-error.ts';

/** What `node:zlib` has, by the names of Content-Encoding; zstd from Node 24 on. */
export type NodeCompressionName = 'gzip' | 'zlib' | 'deflate' | 'zstd';

type Engine = Transform & { readonly bytesWritten: number };

/** Output comes in pieces of this size, each a task of libuv's pool. */
const CHUNK_BYTES = 128 << 10;
/** ZSTD_c_compressionLevel of zstd.h. */
const ZSTD_LEVEL = 100;
/** A frame of five bytes without its last one. */
const HALF_FRAME = Buffer.from('28b52ffd200529000068656c6c', 'hex');

/** The types of `node:zlib` that this project compiles with know no zstd. */
function zstdFunction(name: string): ((...args: readonly unknown[]) => unknown) | undefined {
  const found: unknown = Reflect.get(zlib, name);
  return typeof found === 'function' ? (found as (...args: readonly unknown[]) => unknown) : undefined;
}

let zstdUsable: boolean | undefined;

/** Node 22 has a zstd that takes half a frame for a whole one: data would be lost without a word. */
function hasUsableZstd(): boolean {
  const decompress = zstdFunction('zstdDecompressSync');
  if (decompress === undefined) return false;
  try {
    decompress(HALF_FRAME);
    return false;
  } catch {
    return true;
  }
}

/** Whether this Node has it. */
export function isInNode(name: string): name is NodeCompressionName {
  if (name === 'zstd') return (zstdUsable ??= hasUsableZstd());
  return name === 'gzip' || name === 'zlib' || name === 'deflate';
}

/** The counterpart of the addon's `decompress`, with the same verdict on the same bytes. */
export async function decompressWithNode(
  name: NodeCompressionName,
  bytes: Uint8Array,
  limitBytes: number,
): Promise<Uint8Array> {
  const pieces: Uint8Array[] = [];
  let room = limitBytes;
  for (let at = 0; at === 0 || at < bytes.length; ) {
    const { output, consumed } = await runEngine(inflater(name, bytes), bytes.subarray(at), room);
    if (consumed === 0 || (name !== 'zstd' && consumed < bytes.length)) {
      throw new CompressionError('malformed', 'bytes behind the end of the stream');
    }
    pieces.push(output);
    room -= output.length;
    at += consumed;
  }
  return exactly(pieces);
}

/** The counterpart of the addon's `compress`. `level` is one that the algorithm has. */
export async function compressWithNode(
  name: NodeCompressionName,
  pieces: readonly Uint8Array[],
  level: number,
): Promise<Uint8Array> {
  return (await runEngine(deflater(name, level), joined(pieces), Number.MAX_SAFE_INTEGER)).output;
}

function inflater(name: NodeCompressionName, bytes: Uint8Array): Engine {
  const options = { chunkSize: CHUNK_BYTES };
  if (name === 'gzip') return zlib.createGunzip(options);
  if (name === 'zstd') return zstdEngine('createZstdDecompress', options);
  const bare = name === 'deflate' && ((bytes[0] ?? 0) & 0x0f) !== 8;
  return bare ? zlib.createInflateRaw(options) : zlib.createInflate(options);
}

function deflater(name: NodeCompressionName, level: number): Engine {
  const options = { chunkSize: CHUNK_BYTES, level };
  if (name === 'gzip') return zlib.createGzip(options);
  if (name !== 'zstd') return zlib.createDeflate(options);
  return zstdEngine('createZstdCompress', { chunkSize: CHUNK_BYTES, params: { [ZSTD_LEVEL]: level } });
}

function zstdEngine(name: 'createZstdCompress' | 'createZstdDecompress', options: object): Engine {
  const create = zstdFunction(name);
  if (create === undefined) throw new CompressionError('unsupported', 'this Node has no zstd');
  return create(options) as Engine;
}

interface EngineResult {
  readonly output: Uint8Array;
  /** Bytes of the input that belong to the stream. */
  readonly consumed: number;
}

function runEngine(engine: Engine, bytes: Uint8Array, limitBytes: number): Promise<EngineResult> {
  return new Promise((resolve, reject) => {
    const pieces: Uint8Array[] = [];
    let size = 0;
    engine.on('data', (piece: Uint8Array) => {
      size += piece.length;
      pieces.push(piece);
      if (size > limitBytes) engine.destroy(new CompressionError('too_large', 'over the limit'));
    });
    engine.on('error', (cause) => {
      if (cause instanceof CompressionError) reject(cause);
      else reject(new CompressionError('malformed', cause.message, { cause }));
    });
    engine.on('end', () => resolve({ output: exactly(pieces), consumed: engine.bytesWritten }));
    engine.end(bytes);
  });
}

/** Engines give out parts of larger memory. */
function exactly(pieces: readonly Uint8Array[]): Uint8Array {
  const whole = joined(pieces);
  return whole.buffer.byteLength === whole.length && !Buffer.isBuffer(whole) ? whole : new Uint8Array(whole);
}
