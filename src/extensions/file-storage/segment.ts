// SPDX-License-Identifier: Apache-2.0
import { type FileHandle, open, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { PermanentError } from '../../consumer/consumer.ts';
import { decodeHeader, encodeRemovals, HEADER_BYTES, payloadCrc } from './record-format.ts';

const FILE_MODE = 0o600;
/** Small records are read with those behind them, as a queue asks for them in their order. */
const READ_AHEAD_BYTES = 256 * 1024;
/** A larger one is read alone, so that whoever keeps it keeps no others with it. */
const MAX_SHARED_BYTES = READ_AHEAD_BYTES / 4;

/** A stretch of the file that was read, or is being read. */
interface Window {
  readonly from: number;
  readonly to: number;
  readonly bytes: Promise<Buffer>;
}

/** `0000000007.log` holds records, `0000000007.done` what was removed of them. */
export const SEGMENT_NAME = /^(\d{10})\.log$/;

export function segmentPaths(directory: string, number: number): { log: string; done: string } {
  const name = String(number).padStart(10, '0');
  return { log: join(directory, `${name}.log`), done: join(directory, `${name}.done`) };
}

/** One file of records. Writes come one after the other from the log; reads and removals at any time. */
export class Segment {
  readonly number: number;
  readonly #paths: { log: string; done: string };
  /** Offsets of records that are kept. */
  readonly live = new Set<number>();
  sizeBytes: number;
  /** Whether records are appended to it no more. */
  closed: boolean;
  #file: FileHandle | undefined;
  #doneFile: FileHandle | undefined;
  #removed: number[] = [];
  #writingRemovals: Promise<void> | undefined;
  #reading = 0;
  #window: Window | undefined;
  #gone = false;

  /** A segment of an earlier run, or with `closed` false a new one. */
  constructor(directory: string, number: number, sizeBytes: number, closed: boolean) {
    this.number = number;
    this.#paths = segmentPaths(directory, number);
    this.sizeBytes = sizeBytes;
    this.closed = closed;
  }

  /** Makes the file; the number must be new. */
  async create(): Promise<void> {
    this.#file = await open(this.#paths.log, 'wx+', FILE_MODE);
  }

  /** Writes pieces at the end, all or nothing. `sync`: on the disk when this resolves. */
  async append(pieces: readonly Uint8Array[], bytes: number, sync: boolean): Promise<void> {
    const file = await this.#open();
    try {
      let at = this.sizeBytes;
      let left = pieces;
      while (left.length > 0) {
        const { bytesWritten } = await file.writev(left, at);
        at += bytesWritten;
        left = after(left, bytesWritten);
      }
      if (sync) await file.datasync();
    } catch (error) {
      // What was written of it is no record for anybody: it would be found again after a restart.
      await file.truncate(this.sizeBytes).catch(() => {
        this.closed = true;
      });
      throw error;
    }
    this.sizeBytes += bytes;
  }

  /** The payload of the record at `offset`. Rejects with PermanentError where it is damaged. */
  async read(offset: number, bytes: number): Promise<Uint8Array> {
    this.#reading++;
    try {
      const record = await this.#bytesAt(offset, HEADER_BYTES + bytes);
      const payload = record.subarray(HEADER_BYTES);
      const header = decodeHeader(record, 0, offset);
      if (payload.length < bytes || header?.bytes !== bytes || header.payloadCrc !== payloadCrc([payload]))
        throw new PermanentError(`a record of ${bytes} bytes in "${this.#paths.log}" is damaged`);
      return payload;
    } finally {
      this.#reading--;
    }
  }

  /** Fewer where the file ends before. */
  async #bytesAt(from: number, bytes: number): Promise<Buffer> {
    if (bytes > MAX_SHARED_BYTES) return this.#readFile(from, bytes);
    const known = this.#window;
    const holds = known !== undefined && known.from <= from && from + bytes <= known.to;
    const window = holds ? known : this.#readWindow(from, bytes);
    const at = from - window.from;
    return (await window.bytes).subarray(at, at + bytes);
  }

  #readWindow(from: number, bytes: number): Window {
    const to = Math.max(from + bytes, Math.min(from + READ_AHEAD_BYTES, this.sizeBytes));
    const window = { from, to, bytes: this.#readFile(from, to - from) };
    this.#window = window;
    // What could not be read is tried again.
    window.bytes.catch(() => {
      if (this.#window === window) this.#window = undefined;
    });
    return window;
  }

  async #readFile(from: number, bytes: number): Promise<Buffer> {
    const file = await this.#open();
    // Not of the pool that Node shares: whoever keeps a record would keep what lies beside it.
    const buffer = Buffer.allocUnsafeSlow(bytes);
    const { bytesRead } = await file.read(buffer, 0, bytes, from);
    return buffer.subarray(0, bytesRead);
  }

  /** Notes that a record is not wanted any more; written soon, with others. */
  remove(offset: number, onError: (error: unknown) => void): void {
    if (!this.live.delete(offset) || this.#gone) return;
    this.#removed.push(offset);
    this.#writingRemovals ??= this.#writeRemovals()
      .catch(onError)
      .finally(() => {
        this.#writingRemovals = undefined;
      });
  }

  async #writeRemovals(): Promise<void> {
    // Those of one turn of the event loop go together.
    await new Promise(setImmediate);
    while (this.#removed.length > 0 && !this.#gone) {
      const offsets = this.#removed;
      this.#removed = [];
      this.#doneFile ??= await open(this.#paths.done, 'a', FILE_MODE);
      await this.#doneFile.appendFile(encodeRemovals(offsets));
    }
  }

  /** Whether nothing in it is wanted and nobody reads it. */
  get isSpent(): boolean {
    return this.closed && this.live.size === 0 && this.#reading === 0;
  }

  /** Removes the files. */
  async destroy(): Promise<void> {
    this.#gone = true;
    await this.close();
    // The list goes last: records without it would all come back.
    await unlink(this.#paths.log);
    await unlink(this.#paths.done).catch((error: unknown) => {
      if (!(error instanceof Error && 'code' in error && error.code === 'ENOENT')) throw error;
    });
  }

  /** Finishes what is being written and closes the files. */
  async close(): Promise<void> {
    await this.#writingRemovals;
    this.#window = undefined;
    const files = [this.#file, this.#doneFile];
    this.#file = undefined;
    this.#doneFile = undefined;
    for (const file of files) await file?.close();
  }

  async #open(): Promise<FileHandle> {
    if (this.#file !== undefined) return this.#file;
    const file = await open(this.#paths.log, 'r+');
    // Two may have opened it at the same time.
    if (this.#file === undefined) this.#file = file;
    else await file.close();
    return this.#file;
  }
}

/** What is left of pieces after the first `bytes` of them. */
function after(pieces: readonly Uint8Array[], bytes: number): readonly Uint8Array[] {
  let skip = bytes;
  let first = 0;
  while (first < pieces.length && skip >= (pieces[first]?.length ?? 0)) skip -= pieces[first++]?.length ?? 0;
  const rest = pieces.slice(first);
  const [head] = rest;
  return head === undefined || skip === 0 ? rest : [head.subarray(skip), ...rest.slice(1)];
}
