// SPDX-License-Identifier: Apache-2.0
import { mkdirSync, readdirSync, unlinkSync } from 'node:fs';
import type { RecordCounts, RecordLog, StoredRecord } from '../../component/storage.ts';
import { PermanentError, RetryableError } from '../../consumer/consumer.ts';
import { type Deferred, deferred } from '../../internal/deferred.ts';
import { encodeHeader, HEADER_BYTES, MAX_PAYLOAD_BYTES, payloadCrc } from './record-format.ts';
import { recoverSegment } from './recover.ts';
import { Segment, SEGMENT_NAME, segmentPaths } from './segment.ts';

const DIRECTORY_MODE = 0o700;
/** A record's id is its segment's number times this plus its offset. */
const SEGMENT_STRIDE = 2 ** 32;
/** Numbers stay below what an id can hold; at a segment a second, as an idle log makes them, that is 24 days. */
const MAX_SEGMENT_NUMBER = 2 ** 21 - 1;
/** From here on they begin again as soon as nothing is left: recovery goes by their order. */
const RESTART_NUMBER = 2 ** 20;
/** Appends that wait are written together up to this many bytes. */
const MAX_GROUP_BYTES = 16 * 1024 * 1024;

/** Room on the disk that the logs of one extension share. */
export interface Room {
  usedBytes: number;
  /** 0: as much as the disk has. */
  readonly maxBytes: number;
}

export interface RecordLogOptions {
  readonly directory: string;
  readonly room: Room;
  /** Every append is on the disk before it resolves, not only with the kernel. */
  readonly sync: boolean;
  /** A segment is full once it is this large; what it takes is given back when all of it is removed. */
  readonly segmentBytes: number;
  /** Damage and errors that concern no append. */
  onTrouble(what: string, error?: unknown): void;
}

/** What recovery met. */
export interface Recovery {
  readonly records: number;
  readonly skippedBytes: number;
}

interface Waiting {
  readonly pieces: readonly Uint8Array[];
  readonly bytes: number;
  readonly counts: RecordCounts;
  readonly done: Deferred<StoredRecord>;
}

/**
 * An append-only log in a directory of its own. Records of several callers are written together; a segment is removed
 * as a whole once nothing in it is wanted.
 */
export class FileRecordLog implements RecordLog {
  readonly recovered: readonly StoredRecord[];
  readonly recovery: Recovery;
  readonly #options: RecordLogOptions;
  readonly #segments = new Map<number, Segment>();
  #active: Segment | undefined;
  #nextNumber = 1;
  #waiting: Waiting[] = [];
  #writing: Promise<void> | undefined;
  readonly #destroying = new Set<Promise<void>>();
  #closed = false;
  /** The last write failed: room that can be had at once is worth a new file. */
  #isPressed = false;

  /** Recovers what is there. Throws the error of the file system. */
  constructor(options: RecordLogOptions) {
    this.#options = options;
    mkdirSync(options.directory, { recursive: true, mode: DIRECTORY_MODE });
    const recovered: StoredRecord[] = [];
    let skippedBytes = 0;
    const names = readdirSync(options.directory);
    const numbers = names.flatMap((name) => Number(SEGMENT_NAME.exec(name)?.[1] ?? NaN) || []);
    for (const number of numbers.sort((a, b) => a - b)) skippedBytes += this.#recover(number, recovered);
    const known = new Set(numbers);
    for (const name of names) this.#dropStray(name, known);
    this.recovered = recovered;
    this.recovery = { records: recovered.length, skippedBytes };
  }

  /** Bytes that nobody could read. */
  #recover(number: number, into: StoredRecord[]): number {
    const { directory, room, onTrouble } = this.#options;
    this.#nextNumber = Math.max(this.#nextNumber, number + 1);
    const paths = segmentPaths(directory, number);
    const { records, sizeBytes, skippedBytes } = recoverSegment(paths.log, paths.done);
    // Nothing is appended to it: a record could not be told from what is left of a torn one.
    const segment = new Segment(directory, number, sizeBytes, true);
    for (const { offset, bytes, counts } of records) {
      segment.live.add(offset);
      into.push({ id: number * SEGMENT_STRIDE + offset, bytes, counts });
    }
    if (skippedBytes > 0)
      onTrouble(`"${paths.log}": ${skippedBytes} bytes are no whole record and were passed over`);
    room.usedBytes += sizeBytes;
    this.#segments.set(number, segment);
    this.#tidy(segment);
    return skippedBytes;
  }

  /** A list of removals whose segment is gone already. */
  #dropStray(name: string, numbers: ReadonlySet<number>): void {
    const number = Number(/^(\d{10})\.done$/.exec(name)?.[1] ?? NaN);
    if (Number.isNaN(number) || numbers.has(number)) return;
    unlinkSync(segmentPaths(this.#options.directory, number).done);
  }

  async append(pieces: readonly Uint8Array[], counts: RecordCounts): Promise<StoredRecord> {
    if (this.#closed) throw new RetryableError('the storage is closed');
    const bytes = pieces.reduce((sum, piece) => sum + piece.length, 0);
    if (bytes > MAX_PAYLOAD_BYTES)
      throw new PermanentError(`a record of ${bytes} bytes is larger than ${MAX_PAYLOAD_BYTES}`);
    const { room } = this.#options;
    const needed = HEADER_BYTES + bytes;
    if (room.maxBytes > 0 && room.usedBytes + needed > room.maxBytes)
      throw new RetryableError(`storage is full: ${room.usedBytes} of ${room.maxBytes} bytes are in use`);
    // Taken at once, so that those who wait cannot take it twice.
    room.usedBytes += needed;
    const done = deferred<StoredRecord>();
    this.#waiting.push({ pieces, bytes, counts, done });
    this.#writing ??= this.#write();
    return await done.promise;
  }

  async #write(): Promise<void> {
    while (this.#waiting.length > 0) {
      const group = this.#takeGroup();
      try {
        await this.#writeGroup(group);
        this.#isPressed = false;
      } catch (cause) {
        this.#isPressed = true;
        const why = cause instanceof Error ? cause.message : String(cause);
        for (const { bytes, done } of group) {
          this.#options.room.usedBytes -= HEADER_BYTES + bytes;
          done.reject(new RetryableError(`cannot write to the storage: ${why}`, { cause }));
        }
      }
    }
    this.#writing = undefined;
    this.#letGo();
  }

  #takeGroup(): Waiting[] {
    let bytes = 0;
    let count = 0;
    while (count < this.#waiting.length && (count === 0 || bytes < MAX_GROUP_BYTES))
      bytes += this.#waiting[count++]?.bytes ?? 0;
    return this.#waiting.splice(0, count);
  }

  async #writeGroup(group: readonly Waiting[]): Promise<void> {
    const segment = await this.#segmentToWrite();
    const records: { offset: number; item: Waiting }[] = [];
    const pieces: Uint8Array[] = [];
    let at = segment.sizeBytes;
    for (const item of group) {
      const { bytes, counts } = item;
      pieces.push(encodeHeader({ offset: at, bytes, counts, payloadCrc: payloadCrc(item.pieces) }));
      pieces.push(...item.pieces.filter((piece) => piece.length > 0));
      records.push({ offset: at, item });
      at += HEADER_BYTES + bytes;
    }
    await segment.append(pieces, at - segment.sizeBytes, this.#options.sync);
    for (const { offset, item } of records) {
      segment.live.add(offset);
      item.done.resolve({
        id: segment.number * SEGMENT_STRIDE + offset,
        bytes: item.bytes,
        counts: item.counts,
      });
    }
  }

  async #segmentToWrite(): Promise<Segment> {
    if (this.#isPressed) this.#letGo();
    const active = this.#active;
    if (active !== undefined && !active.closed && active.sizeBytes < this.#options.segmentBytes)
      return active;
    if (this.#nextNumber > RESTART_NUMBER && this.#segments.size === 0) {
      await Promise.all(this.#destroying);
      this.#nextNumber = 1;
    }
    if (this.#nextNumber > MAX_SEGMENT_NUMBER) throw new Error('the storage has used up its segment numbers');
    const segment = new Segment(this.#options.directory, this.#nextNumber++, 0, false);
    await segment.create();
    this.#segments.set(segment.number, segment);
    this.#active = segment;
    if (active !== undefined) {
      active.closed = true;
      this.#tidy(active);
    }
    return segment;
  }

  async read(record: StoredRecord): Promise<Uint8Array> {
    const segment = this.#segmentOf(record);
    if (segment === undefined) throw new PermanentError('the record is not in the storage');
    try {
      return await segment.read(record.id % SEGMENT_STRIDE, record.bytes);
    } finally {
      this.#tidy(segment);
    }
  }

  remove(record: StoredRecord): void {
    const segment = this.#segmentOf(record);
    if (segment === undefined) return;
    segment.remove(record.id % SEGMENT_STRIDE, (error) =>
      this.#options.onTrouble('cannot note what was delivered: it may be sent again after a restart', error),
    );
    if (this.#writing === undefined) this.#letGo();
    this.#tidy(segment);
  }

  /** An idle log keeps nothing on the disk. Not while the segment is written to. */
  #letGo(): void {
    const active = this.#active;
    if (active === undefined || active.live.size > 0 || active.sizeBytes === 0) return;
    active.closed = true;
    this.#active = undefined;
    this.#tidy(active);
  }

  #segmentOf(record: StoredRecord): Segment | undefined {
    return this.#segments.get(Math.floor(record.id / SEGMENT_STRIDE));
  }

  #tidy(segment: Segment): void {
    if (!segment.isSpent || !this.#segments.delete(segment.number)) return;
    const destroying = segment
      .destroy()
      .catch((error: unknown) => this.#options.onTrouble('cannot remove a file of the storage', error))
      .finally(() => {
        this.#options.room.usedBytes -= segment.sizeBytes;
        this.#destroying.delete(destroying);
      });
    this.#destroying.add(destroying);
  }

  async close(): Promise<void> {
    this.#closed = true;
    await this.#writing;
    if (this.#active !== undefined) {
      this.#active.closed = true;
      this.#tidy(this.#active);
    }
    await Promise.all(this.#destroying);
    for (const segment of this.#segments.values()) {
      await segment.close();
      this.#options.room.usedBytes -= segment.sizeBytes;
    }
    this.#segments.clear();
  }
}
