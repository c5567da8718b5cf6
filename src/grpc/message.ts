// SPDX-License-Identifier: Apache-2.0
import { Code, GrpcError } from './status.ts';

/** Why a message was not taken. */
export type MessageProblem =
  | 'malformed'
  | 'too_large'
  | 'unsupported'
  | 'busy'
  | 'incomplete'
  | 'unauthenticated';

/** A message that cannot be taken, with the status that says so. */
export class MessageError extends GrpcError {
  override readonly name = 'MessageError';
  readonly reason: MessageProblem;

  constructor(reason: MessageProblem, code: number, message: string, options?: ErrorOptions) {
    super(code, message, { ...options, retryAfterMs: reason === 'busy' ? BUSY_RETRY_AFTER_MS : undefined });
    this.reason = reason;
  }
}

const BUSY_RETRY_AFTER_MS = 1_000;

/** Memory that a message takes out of what all messages together may take. */
export interface Hold {
  /** Takes `bytes` more; false, and nothing taken, where there is no room. */
  grow(bytes: number): boolean;
  /** Gives everything back; a second call does nothing. */
  release(): void;
  /** What a sender is told where there is no room, in place of the usual. */
  readonly why?: string;
}

/** A message as it was sent. */
export interface SentMessage {
  readonly isCompressed: boolean;
  readonly bytes: Buffer;
}

/** Flag and length in front of each message. */
const PREFIX_BYTES = 5;

/** The prefix of a message of `length` bytes. */
export function messagePrefix(length: number, isCompressed: boolean): Buffer {
  const prefix = Buffer.allocUnsafeSlow(PREFIX_BYTES);
  prefix[0] = isCompressed ? 1 : 0;
  prefix.writeUInt32BE(length, 1);
  return prefix;
}

/** What grpc-go says; operators search for it. */
export function tooLarge(lengthBytes: number | string, maxBytes: number): MessageError {
  const message = `grpc: received message larger than max (${lengthBytes} vs. ${maxBytes})`;
  return new MessageError('too_large', Code.resourceExhausted, message);
}

/** The refusal of a message that finds no room. */
export function busy({ why }: Hold): MessageError {
  const usual = 'too many bytes of requests are in flight already';
  return new MessageError('busy', Code.resourceExhausted, why ?? usual);
}

/** A message up to this size gets its whole buffer at once. */
const FIRST_STEP_BYTES = 64 * 1024;
/** An announced length costs at most this many times the bytes that came. */
const GROWTH = 32;

/**
 * Puts one message together from the bytes of a stream. The length in its prefix is checked before
 * anything is allocated, and the buffer grows towards exactly that length as bytes come.
 * Source: https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md (Length-Prefixed-Message)
 */
export class MessageReader {
  readonly #maxBytes: number;
  readonly #hold: Hold;
  #prefixSeen = 0;
  #flag = 0;
  #length = 0;
  #bytes: Buffer = EMPTY;
  #filled = 0;

  constructor(maxBytes: number, hold: Hold) {
    this.#maxBytes = maxBytes;
    this.#hold = hold;
  }

  /** Bytes of the message that came so far. */
  get received(): number {
    return this.#filled;
  }

  /** Copies what is the message's out of `chunk`; throws MessageError. */
  push(chunk: Buffer): void {
    const start = this.#prefixSeen === PREFIX_BYTES ? 0 : this.#readPrefix(chunk);
    const end = this.#filled + chunk.length - start;
    if (end === this.#filled) return;
    if (end > this.#length) {
      throw new MessageError('malformed', Code.unimplemented, 'a unary call has one message, not several');
    }
    if (end > this.#bytes.length) this.#grow(end);
    chunk.copy(this.#bytes, this.#filled, start);
    this.#filled = end;
  }

  /** Where the prefix ends in `chunk`. */
  #readPrefix(chunk: Buffer): number {
    let at = 0;
    for (; at < chunk.length && this.#prefixSeen < PREFIX_BYTES; at++, this.#prefixSeen++) {
      const byte = chunk[at] ?? 0;
      if (this.#prefixSeen === 0) this.#flag = byte;
      else this.#length = this.#length * 256 + byte;
    }
    if (this.#prefixSeen < PREFIX_BYTES) return at;
    if (this.#flag > 1) {
      const message = `message flag ${this.#flag} is neither 0 (plain) nor 1 (compressed)`;
      throw new MessageError('malformed', Code.internal, message);
    }
    if (this.#length > this.#maxBytes) throw tooLarge(this.#length, this.#maxBytes);
    return at;
  }

  #grow(needed: number): void {
    const old = this.#bytes;
    const stepped = Math.max(FIRST_STEP_BYTES, old.length * GROWTH, needed);
    const size = Math.min(this.#length, stepped);
    if (!this.#hold.grow(size - old.length)) throw busy(this.#hold);
    this.#bytes = Buffer.allocUnsafeSlow(size);
    old.copy(this.#bytes, 0, 0, this.#filled);
  }

  /**
   * The message, once the sender has ended its side; throws MessageError where it is not whole. The reader
   * lets go of it: a stream may be reachable long after its call, and would keep the message alive.
   */
  finish(): SentMessage {
    if (this.#prefixSeen === 0) {
      throw new MessageError('malformed', Code.unimplemented, 'a unary call has one message, not none');
    }
    if (this.#prefixSeen < PREFIX_BYTES || this.#filled < this.#length) {
      const message = `message ended after ${this.#filled} of ${this.#length} bytes`;
      throw new MessageError('incomplete', Code.internal, message);
    }
    const bytes = this.#bytes;
    this.#bytes = EMPTY;
    return { isCompressed: this.#flag === 1, bytes };
  }
}

const EMPTY = Buffer.alloc(0);
