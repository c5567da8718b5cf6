// SPDX-License-Identifier: Apache-2.0

/** Bytes of this size and more are kept as they are, smaller ones copied: a piece has its price too. */
const PIECE_BYTES = 4096;
/** Of further memory, where the first does not suffice. */
const LARGEST_STEP_BYTES = 4 << 20;

/**
 * Writes protobuf from the last byte to the first, so that the length of a nested message is known
 * when its prefix is written: no sizing pass, no padded lengths, no copies. Callers emit fields in
 * descending order. What is written large stays a piece of its own until `finish`, so nobody may write to it.
 */
export class ReverseWriter {
  #buffer: Uint8Array;
  #pos: number;
  /** Where in the buffer the last piece begins: what was written since ends there. */
  #end: number;
  /** Last first. */
  readonly #pieces: Uint8Array[] = [];
  #piecesBytes = 0;

  constructor(initialSizeBytes = 4096) {
    this.#buffer = allocate(initialSizeBytes);
    this.#pos = initialSizeBytes;
    this.#end = initialSizeBytes;
  }

  /** Bytes written so far; remember it before a nested message and pass it to `message`. */
  get length(): number {
    return this.#piecesBytes + this.#end - this.#pos;
  }

  #reserve(n: number): number {
    if (this.#pos < n) {
      this.#cut();
      const step = Math.min(LARGEST_STEP_BYTES, Math.max(this.#piecesBytes, PIECE_BYTES));
      this.#buffer = allocate(Math.max(step, n));
      this.#pos = this.#buffer.length;
      this.#end = this.#pos;
    }
    this.#pos -= n;
    return this.#pos;
  }

  /** Makes a piece of what the buffer has. */
  #cut(): void {
    if (this.#pos < this.#end) this.#add(this.#buffer.subarray(this.#pos, this.#end));
    this.#end = this.#pos;
  }

  #add(piece: Uint8Array): void {
    this.#pieces.push(piece);
    this.#piecesBytes += piece.length;
  }

  raw(bytes: Uint8Array): void {
    if (bytes.length >= PIECE_BYTES) {
      this.#cut();
      this.#add(bytes);
    } else if (bytes.length > 0) {
      const at = this.#reserve(bytes.length);
      this.#buffer.set(bytes, at);
    }
  }

  /** An unsigned varint below 2^32. */
  varint(value: number): void {
    if (value < 0x80) {
      const at = this.#reserve(1);
      this.#buffer[at] = value;
      return;
    }
    const n = value < 0x4000 ? 2 : value < 0x20_0000 ? 3 : value < 0x1000_0000 ? 4 : 5;
    let at = this.#reserve(n);
    let rest = value;
    for (let i = 1; i < n; i++) {
      this.#buffer[at++] = (rest & 0x7f) | 0x80;
      rest >>>= 7;
    }
    this.#buffer[at] = rest;
  }

  /** A 64-bit varint from its unsigned halves. */
  varint64(lo: number, hi: number): void {
    if (hi === 0) {
      this.varint(lo);
      return;
    }
    let n = 5;
    for (let rest = hi >>> 3; rest !== 0; rest >>>= 7) n++;
    let at = this.#reserve(n);
    let low = lo;
    let high = hi;
    for (let i = 1; i < n; i++) {
      this.#buffer[at++] = (low & 0x7f) | 0x80;
      low = ((low >>> 7) | (high << 25)) >>> 0;
      high >>>= 7;
    }
    this.#buffer[at] = low;
  }

  varintBig(value: bigint): void {
    const v = BigInt.asUintN(64, value);
    this.varint64(Number(v & 0xffff_ffffn), Number(v >> 32n));
  }

  fixed64(lo: number, hi: number): void {
    const at = this.#reserve(8);
    const b = this.#buffer;
    b[at] = lo;
    b[at + 1] = lo >>> 8;
    b[at + 2] = lo >>> 16;
    b[at + 3] = lo >>> 24;
    b[at + 4] = hi;
    b[at + 5] = hi >>> 8;
    b[at + 6] = hi >>> 16;
    b[at + 7] = hi >>> 24;
  }

  tag(field: number, wire: number): void {
    this.varint((field << 3) | wire);
  }

  /** Field of a non-negative int32; nothing when 0, as proto3 asks. */
  int32Field(field: number, value: number): void {
    if (value === 0) return;
    this.varint(value);
    this.tag(field, 0);
  }

  /** Field of an int64 or uint64; nothing when 0. */
  int64Field(field: number, value: bigint): void {
    if (value === 0n) return;
    this.varintBig(value);
    this.tag(field, 0);
  }

  fixed64Field(field: number, value: bigint): void {
    if (value === 0n) return;
    this.fixed64(Number(value & 0xffff_ffffn), Number((value >> 32n) & 0xffff_ffffn));
    this.tag(field, 1);
  }

  bytesField(field: number, value: Uint8Array): void {
    if (value.length === 0) return;
    this.raw(value);
    this.varint(value.length);
    this.tag(field, 2);
  }

  stringField(field: number, value: string): void {
    if (value.length === 0) return;
    const before = this.length;
    this.string(value);
    this.message(field, before);
  }

  string(value: string): void {
    this.raw(encoder.encode(value));
  }

  /** Closes a nested message whose contents were written since `before`. */
  message(field: number, before: number): void {
    this.varint(this.length - before);
    this.tag(field, 2);
  }

  /** The bytes; the writer must not be used afterwards. */
  finish(): Uint8Array {
    return joined(this.finishPieces());
  }

  /** The bytes in pieces, some of which are what was given to the writer; it must not be used afterwards. */
  finishPieces(): Uint8Array[] {
    this.#cut();
    return this.#pieces.reverse();
  }
}

const encoder = new TextEncoder();

/** Memory that is not zeroed: all that is handed out has been written. */
function allocate(sizeBytes: number): Uint8Array {
  return new Uint8Array(Buffer.allocUnsafeSlow(sizeBytes).buffer);
}

/** Pieces as one; a piece that is alone is given back as it is. */
export function joined(pieces: readonly Uint8Array[]): Uint8Array {
  const [first] = pieces;
  if (pieces.length === 1 && first !== undefined) return first;
  const whole = allocate(pieces.reduce((sum, piece) => sum + piece.length, 0));
  let at = 0;
  for (const piece of pieces) {
    whole.set(piece, at);
    at += piece.length;
  }
  return whole;
}
