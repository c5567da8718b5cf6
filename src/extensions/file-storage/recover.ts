// SPDX-License-Identifier: Apache-2.0
import { closeSync, fstatSync, openSync, readFileSync, readSync } from 'node:fs';
import {
  decodeHeader,
  decodeRemovals,
  HEADER_BYTES,
  REMOVAL_BYTES,
  type RecordHeader,
} from './record-format.ts';

/** Bytes of a segment looked at in one go. */
const WINDOW_BYTES = 64 * 1024;
/** A segment has no more records than this many bytes of removals can tell of. */
const MAX_REMOVALS_BYTES = 64 * 1024 * 1024;

/** What is left in a segment of an earlier run. */
export interface RecoveredSegment {
  /** Records that were not removed. */
  readonly records: readonly RecordHeader[];
  readonly sizeBytes: number;
  /** Bytes between whole records, or after the last: written when the process died, or damaged since. */
  readonly skippedBytes: number;
}

/**
 * Finds the records of a segment by their headers; payloads are checked when they are read. Where bytes are no header
 * the search goes on behind them: one damaged place costs what stood there. Throws the error of the file system.
 */
export function recoverSegment(path: string, removalsPath: string): RecoveredSegment {
  const removed = readRemovals(removalsPath);
  const fd = openSync(path, 'r');
  try {
    const sizeBytes = fstatSync(fd).size;
    const window = new Window(fd, sizeBytes);
    const records: RecordHeader[] = [];
    let skippedBytes = 0;
    let at = 0;
    while (at + HEADER_BYTES <= sizeBytes) {
      const header = window.headerAt(at);
      if (header !== undefined && header.offset + HEADER_BYTES + header.bytes <= sizeBytes) {
        if (!removed.has(header.offset)) records.push(header);
        at += HEADER_BYTES + header.bytes;
      } else {
        const next = window.nextCandidate(at + 1);
        skippedBytes += next - at;
        at = next;
      }
    }
    return { records, sizeBytes, skippedBytes: skippedBytes + sizeBytes - at };
  } finally {
    closeSync(fd);
  }
}

function readRemovals(path: string): Set<number> {
  let fd: number;
  try {
    fd = openSync(path, 'r');
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return new Set();
    throw error;
  }
  try {
    if (fstatSync(fd).size > MAX_REMOVALS_BYTES) throw new Error(`"${path}" is too large`);
    const bytes = readFileSync(fd);
    return decodeRemovals(bytes.subarray(0, bytes.length - (bytes.length % REMOVAL_BYTES)));
  } finally {
    closeSync(fd);
  }
}

/** A part of a file at a time. */
class Window {
  readonly #fd: number;
  readonly #sizeBytes: number;
  readonly #buffer = Buffer.alloc(WINDOW_BYTES);
  #base = 0;
  #length = 0;

  constructor(fd: number, sizeBytes: number) {
    this.#fd = fd;
    this.#sizeBytes = sizeBytes;
  }

  headerAt(at: number): RecordHeader | undefined {
    this.#show(at, HEADER_BYTES);
    return decodeHeader(this.#buffer.subarray(0, this.#length), at - this.#base, this.#base);
  }

  /** Where a header may begin, at `at` or behind it; the end of the file where none can. */
  nextCandidate(at: number): number {
    for (let from = at; from + HEADER_BYTES <= this.#sizeBytes; ) {
      this.#show(from, HEADER_BYTES);
      const found = this.#buffer.subarray(0, this.#length).indexOf('OPQ1', from - this.#base, 'latin1');
      if (found >= 0) return this.#base + found;
      // The last bytes may be the beginning of one.
      from = Math.max(from + 1, this.#base + this.#length - 3);
    }
    return this.#sizeBytes;
  }

  #show(at: number, bytes: number): void {
    if (at >= this.#base && at + bytes <= this.#base + this.#length) return;
    this.#base = at;
    this.#length = readSync(this.#fd, this.#buffer, 0, WINDOW_BYTES, at);
  }
}
