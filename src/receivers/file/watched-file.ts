// SPDX-License-Identifier: Apache-2.0
import { createHash } from 'node:crypto';
import { constants, type Stats } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { CompressionError, type CompressionName, decompress } from '../../compression/compression.ts';
import { type ByteSource, MessageReader, type MessageSink, type ReadingPlace } from './message-reader.ts';

const FINGERPRINT_BYTES = 1024;
const MAGIC_BYTES = 4;
/** A compressed file is taken as a whole: packed, and unpacked, at most. */
const MAX_PACKED_BYTES = 256 * 1024 * 1024;
const MAX_UNPACKED_BYTES = 512 * 1024 * 1024;

/** The compression that bytes begin with, if any. */
export function compressionOf(bytes: Uint8Array): CompressionName | undefined {
  const [a, b, c, d] = bytes;
  if (a === 0x28 && b === 0xb5 && c === 0x2f && d === 0xfd) return 'zstd';
  return a === 0x1f && b === 0x8b && c === 8 ? 'gzip' : undefined;
}

/** How far a file is read, and how it begins, for a later run. */
export interface FilePosition extends ReadingPlace {
  /** Of the first bytes, so many as there were up to 1 KiB. */
  readonly beginBytes: number;
  readonly beginHash: string;
}

const hashOf = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('base64');

/** What a file is known by, whatever its name: device and inode. */
export const fileKey = ({ dev, ino }: Stats): string => `${dev}:${ino}`;

/**
 * One file that is read on, by whatever name: it is known by its inode. While it is open nobody else can
 * have that; opened again, it must begin as it did.
 */
export class WatchedFile {
  path: string;
  readonly #key: string;
  /** Polls in a row that did not find it. */
  missed = 0;
  readonly #maxBytes: number;
  readonly #reader: MessageReader;
  #handle: FileHandle | undefined;
  #fingerprint: Buffer = Buffer.alloc(0);
  /** Size at the last look; -1 before the first. */
  #seen = -1;
  #packed: boolean | undefined;

  #known: FilePosition | undefined;

  /** `stats`: of the file that is meant, whatever has its name by now. `known`: where an earlier run was. */
  constructor(path: string, stats: Stats, maxBytes: number, known?: FilePosition) {
    this.path = path;
    this.#key = fileKey(stats);
    this.#maxBytes = maxBytes;
    this.#known = known;
    this.#reader = new MessageReader(maxBytes, known);
  }

  get position(): FilePosition {
    const begin = this.#fingerprint;
    const { beginBytes, beginHash } = this.#known ?? {
      beginBytes: begin.length,
      beginHash: hashOf(begin),
    };
    return { ...this.#reader.place, beginBytes, beginHash };
  }

  get isOpen(): boolean {
    return this.#handle !== undefined;
  }

  /** Starts behind all that is there. */
  async skipToEnd(stats: Stats): Promise<void> {
    const source = await this.#open(stats.size);
    if (source === undefined || this.#packed === true) this.#reader.offset = stats.size;
    else await this.#reader.skipToEnd(source, stats.size);
  }

  /** Starts at the beginning again. */
  rewind(): void {
    this.#reader.reset();
    this.#packed = undefined;
    // What comes now may begin otherwise.
    this.#fingerprint = Buffer.alloc(0);
    this.#seen = -1;
  }

  /** Delivers what is new. Rejects with the error of the system, and with what the sink rejects with. */
  async read(stats: Stats, sink: MessageSink): Promise<number> {
    const before = this.#reader.offset;
    const { size } = stats;
    if (size < this.#reader.offset) this.rewind();
    const stable = size === this.#seen;
    this.#seen = size;
    // What cannot be read yet can be read when more has come; a compressed file when no more comes.
    if (size === this.#reader.offset || (stable && this.#packed === false)) return 0;
    const source = await this.#open(size);
    if (source === undefined) {
      this.#seen = -1;
      return 0;
    }
    if (this.#packed === true) {
      if (stable) await this.#readPacked(source, size, sink);
    } else await this.#reader.read(source, size, false, sink);
    return Math.max(0, this.#reader.offset - before);
  }

  /** Delivers the rest of a file that is no longer where it was; `isGone`: for the last time, and closes it. */
  async readUnseen(isGone: boolean, sink: MessageSink): Promise<void> {
    const handle = this.#handle;
    if (handle === undefined) return;
    try {
      const { size } = await handle.stat();
      const source = await this.#open(size);
      if (source === undefined || size <= this.#reader.offset) return;
      if (this.#packed !== true) await this.#reader.read(source, size, isGone, sink);
      else if (isGone) await this.#readPacked(source, size, sink);
    } finally {
      if (isGone) await this.close();
    }
  }

  async close(): Promise<void> {
    const handle = this.#handle;
    this.#handle = undefined;
    await handle?.close();
  }

  /** The file as a source; undefined while it is empty, and where another one has its name by now. */
  async #open(size: number): Promise<ByteSource | undefined> {
    if (size === 0) return undefined;
    const isNew = this.#handle === undefined;
    this.#handle ??= await this.#openItself();
    if (this.#handle === undefined) return undefined;
    const source = new FileSource(this.#handle);
    if (isNew || this.#fingerprint.length < FINGERPRINT_BYTES) {
      const begin = Buffer.alloc(Math.min(FINGERPRINT_BYTES, size));
      const got = begin.subarray(0, await source.read(begin, 0));
      const known = Math.min(got.length, this.#fingerprint.length);
      if (!got.subarray(0, known).equals(this.#fingerprint.subarray(0, known)) || this.#isAnother(got))
        this.rewind();
      this.#known = undefined;
      this.#fingerprint = got;
    }
    if (this.#packed === undefined && this.#fingerprint.length >= MAGIC_BYTES)
      this.#packed = compressionOf(this.#fingerprint) !== undefined;
    return source;
  }

  /** Whether an earlier run saw other bytes there: the inode has gone to another file. */
  #isAnother(begin: Buffer): boolean {
    const known = this.#known;
    if (known === undefined) return false;
    return begin.length < known.beginBytes || hashOf(begin.subarray(0, known.beginBytes)) !== known.beginHash;
  }

  /** The file may have been rotated away since one looked: then the next look finds both. */
  async #openItself(): Promise<FileHandle | undefined> {
    // A pipe that took the file's place since we looked must not make us wait for a writer.
    const handle = await open(this.path, constants.O_RDONLY | constants.O_NONBLOCK);
    try {
      if (fileKey(await handle.stat()) === this.#key) return handle;
    } catch (error) {
      await handle.close();
      throw error;
    }
    await handle.close();
    return undefined;
  }

  async #readPacked(source: ByteSource, size: number, sink: MessageSink): Promise<void> {
    const at = this.#reader.offset;
    const length = size - at;
    this.#reader.offset = size;
    if (length > MAX_PACKED_BYTES) {
      return sink.skipped('too_large', at, `a compressed file of ${length} bytes`);
    }
    const packed = Buffer.allocUnsafeSlow(length);
    await source.read(packed, at);
    const name = compressionOf(packed);
    if (name === undefined)
      return sink.skipped('malformed', at, 'bytes behind the end of what is compressed');
    let plain: Uint8Array;
    try {
      plain = await decompress(name, packed, { maxBytes: MAX_UNPACKED_BYTES });
    } catch (error) {
      if (!(error instanceof CompressionError)) throw error;
      const reason = error.reason === 'too_large' ? 'too_large' : 'malformed';
      return sink.skipped(reason, at, error.message);
    }
    // Places in what is unpacked are none in the file: that is read as a whole or not.
    const { skipped, takeFrame, takeLine } = sink;
    const inner = { skipped, takeFrame, takeLine };
    await new MessageReader(this.#maxBytes).read(new BytesSource(plain), plain.length, true, inner);
  }
}

class FileSource implements ByteSource {
  readonly #handle: FileHandle;

  constructor(handle: FileHandle) {
    this.#handle = handle;
  }

  async read(target: Uint8Array, position: number): Promise<number> {
    let done = 0;
    while (done < target.length) {
      const { bytesRead } = await this.#handle.read(target, done, target.length - done, position + done);
      if (bytesRead === 0) return done;
      done += bytesRead;
    }
    return done;
  }
}

class BytesSource implements ByteSource {
  readonly #bytes: Uint8Array;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  async read(target: Uint8Array, position: number): Promise<number> {
    const part = this.#bytes.subarray(position, position + target.length);
    target.set(part);
    return part.length;
  }
}
