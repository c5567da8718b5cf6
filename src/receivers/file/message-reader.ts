// SPDX-License-Identifier: Apache-2.0
import { FRAME_HEADER_BYTES, MAX_FRAME_BYTES } from '../../codecs/otlp/framing.ts';

/** Bytes that can be read at any place: a file, or what was decompressed of one. */
export interface ByteSource {
  /** Fills `target` from `position`; fewer bytes only at the end. */
  read(target: Uint8Array, position: number): Promise<number>;
}

/** Why something was passed over. */
export type SkipReason = 'malformed' | 'too_large' | 'truncated' | 'no_profiles' | 'refused' | 'unreadable';

/** Where messages go. */
export interface MessageSink {
  /** A message that stood behind its length. Resolves when it is delivered or given up, and counted; keeps the bytes. */
  takeFrame(message: Uint8Array, offset: number): Promise<void>;
  /**
   * The same for a line, whose bytes are only lent. `mayGrow`: it may be the beginning of a longer one; then
   * nothing is counted and the answer is false where it cannot be read.
   */
  takeLine(line: Uint8Array, offset: number, mayGrow: boolean): Promise<boolean>;
  skipped(reason: SkipReason, offset: number, detail: string): void;
  /** All that stands before the reader's place was delivered or given up. */
  passed?(): Promise<void>;
}

/** Where a reader is. */
export interface ReadingPlace {
  readonly offset: number;
  /** In the middle of a line that is passed over. */
  readonly passing: boolean;
}

const FIRST_CHUNK_BYTES = 64 * 1024;
const NEWLINE = 0x0a;
const OPEN_BRACE = 0x7b;

/** Reads the messages of a source that may grow, each once: lines, or messages behind their length. */
export class MessageReader {
  readonly #maxBytes: number;
  /** What was read and dealt with. */
  offset: number;
  #layout: 'lines' | 'frames' | undefined;
  /** In the middle of a line that is too long. */
  #passing = false;
  #broken = false;

  constructor(maxBytes: number, place: ReadingPlace = { offset: 0, passing: false }) {
    this.#maxBytes = maxBytes;
    this.offset = place.offset;
    this.#passing = place.passing;
  }

  get place(): ReadingPlace {
    return { offset: this.offset, passing: this.#passing };
  }

  /** Starts again at the beginning, for a source that is another one now. */
  reset(): void {
    this.offset = 0;
    this.#layout = undefined;
    this.#passing = false;
    this.#broken = false;
  }

  /** Goes to the end of a source without delivering; the end of a line may be yet to come. */
  async skipToEnd(source: ByteSource, size: number): Promise<void> {
    await this.#detect(source, size);
    if (this.#layout === 'frames') {
      const header = Buffer.alloc(FRAME_HEADER_BYTES);
      while (this.offset + FRAME_HEADER_BYTES <= size) {
        await source.read(header, this.offset);
        const next = this.offset + FRAME_HEADER_BYTES + header.readUInt32BE();
        if (next > size) return;
        this.offset = next;
      }
      return;
    }
    if (size === 0) return;
    const last = Buffer.alloc(1);
    await source.read(last, size - 1);
    this.offset = size;
    this.#passing = last[0] !== NEWLINE;
  }

  /** Delivers what is there up to `size`. `isFinal`: nothing will come behind it. */
  async read(source: ByteSource, size: number, isFinal: boolean, sink: MessageSink): Promise<void> {
    if (this.#broken || this.offset >= size) return;
    await this.#detect(source, size);
    if (this.#layout === 'frames') await this.#readFrames(source, size, sink);
    else await this.#readLines(source, size, sink);
    if (isFinal && !this.#broken && !this.#passing && this.offset < size) {
      sink.skipped('truncated', this.offset, `${size - this.offset} bytes are no whole message`);
      this.offset = size;
    }
  }

  /** No message is so long that its length begins like text. */
  async #detect(source: ByteSource, size: number): Promise<void> {
    if (this.#layout !== undefined || size === 0) return;
    const first = Buffer.alloc(1);
    await source.read(first, 0);
    this.#layout = (first[0] ?? 0) > MAX_FRAME_BYTES >>> 24 ? 'lines' : 'frames';
  }

  async #readFrames(source: ByteSource, size: number, sink: MessageSink): Promise<void> {
    const header = Buffer.alloc(FRAME_HEADER_BYTES);
    while (this.offset + FRAME_HEADER_BYTES <= size) {
      const at = this.offset;
      await source.read(header, at);
      const length = header.readUInt32BE();
      if (length > MAX_FRAME_BYTES) {
        this.#broken = true;
        sink.skipped('malformed', at, `no message is ${length} bytes long; the rest of the file is not read`);
        return;
      }
      const end = at + FRAME_HEADER_BYTES + length;
      if (end > size) return;
      if (length > this.#maxBytes) sink.skipped('too_large', at, `${length} bytes`);
      else {
        const message = Buffer.allocUnsafeSlow(length);
        await source.read(message, at + FRAME_HEADER_BYTES);
        await sink.takeFrame(message, at);
      }
      this.offset = end;
      await sink.passed?.();
    }
  }

  async #readLines(source: ByteSource, size: number, sink: MessageSink): Promise<void> {
    let chunk = Buffer.alloc(Math.min(FIRST_CHUNK_BYTES, size - this.offset));
    while (this.offset < size) {
      const at = this.offset;
      const wanted = Math.min(chunk.length, size - at);
      const got = await source.read(chunk.subarray(0, wanted), at);
      if (got === 0) return;
      const used = await this.#linesOf(chunk.subarray(0, got), at, sink);
      if (used > 0) continue;
      if (got > this.#maxBytes) {
        sink.skipped('too_large', at, `a line of more than ${this.#maxBytes} bytes`);
        this.#passing = true;
      } else if (at + got < size) {
        chunk = Buffer.alloc(Math.min(size - at, this.#maxBytes + 1, chunk.length * 2));
      } else return this.#readTail(chunk.subarray(0, got), at, sink);
    }
  }

  /** Delivers whole lines of a chunk; gives back how many bytes they are. */
  async #linesOf(chunk: Buffer, at: number, sink: MessageSink): Promise<number> {
    let from = 0;
    for (let end = chunk.indexOf(NEWLINE); end >= 0; end = chunk.indexOf(NEWLINE, from)) {
      await this.#takeLine(chunk.subarray(from, end), at + from, sink);
      from = end + 1;
      this.offset = at + from;
      await sink.passed?.();
    }
    if (this.#passing) {
      from = chunk.length;
      this.offset = at + from;
    }
    return from;
  }

  async #takeLine(line: Buffer, at: number, sink: MessageSink): Promise<void> {
    if (this.#passing) {
      this.#passing = false;
      return;
    }
    if (line.length > this.#maxBytes)
      sink.skipped('too_large', at, `a line of more than ${this.#maxBytes} bytes`);
    else if (!isBlank(line)) await sink.takeLine(line, at, false);
  }

  /** A last line without its end: what can be read is a message. */
  async #readTail(line: Buffer, at: number, sink: MessageSink): Promise<void> {
    if (isBlank(line) || line[0] !== OPEN_BRACE) return;
    if (await sink.takeLine(line, at, true)) this.offset = at + line.length;
  }
}

function isBlank(line: Buffer): boolean {
  return line.every((byte) => byte === 0x20 || byte === 0x09 || byte === 0x0d);
}
