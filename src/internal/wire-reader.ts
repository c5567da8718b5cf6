// SPDX-License-Identifier: Apache-2.0

/** Why bytes could not be understood. `offset` counts bytes from the start of the input. */
export class DecodeError extends Error {
  override readonly name = 'DecodeError';
  readonly format: string;
  readonly offset: number;

  constructor(format: string, offset: number, reason: string, options?: ErrorOptions) {
    super(`invalid ${format} at byte ${offset}: ${reason}`, options);
    this.format = format;
    this.offset = offset;
  }
}

/** Protobuf wire types. Groups (3, 4) are refused: no message we read has them. */
export const Wire = { Varint: 0, I64: 1, Len: 2, I32: 5 } as const;

/**
 * A bounds-checked cursor over protobuf bytes. It allocates nothing.
 *
 * 64-bit values never pass through a double: `varint64` and `fixed64` leave them in `lo` and `hi`
 * (unsigned 32-bit halves), to be stored into the halves of a 64-bit typed array.
 * Source: https://protobuf.dev/programming-guides/encoding/
 */
export class WireReader {
  readonly bytes: Uint8Array;
  readonly format: string;
  pos: number;
  end: number;
  /** Halves of the last 64-bit value read. */
  lo = 0;
  hi = 0;
  /** Field number and wire type of the last tag read. */
  field = 0;
  wire = 0;

  constructor(bytes: Uint8Array, format: string, pos = 0, end = bytes.length) {
    this.bytes = bytes;
    this.format = format;
    this.pos = pos;
    this.end = end;
  }

  fail(reason: string, offset = this.pos): never {
    throw new DecodeError(this.format, offset, reason);
  }

  /** Moves to the next field; false at the end of the message. */
  next(): boolean {
    if (this.pos >= this.end) return false;
    const at = this.pos;
    const tag = this.uint32();
    this.field = tag >>> 3;
    this.wire = tag & 7;
    if (this.field === 0) this.fail('field number 0', at);
    return true;
  }

  /** A varint of at most 64 bits into `lo`, `hi`. */
  varint64(): void {
    const { bytes, end } = this;
    let pos = this.pos;
    let lo = 0;
    let hi = 0;
    for (let shift = 0; ; shift += 7) {
      if (pos >= end) this.fail('truncated varint');
      const b = bytes[pos++] as number;
      if (shift < 28) lo |= (b & 0x7f) << shift;
      else if (shift === 28) {
        lo |= (b & 0x7f) << 28;
        hi = (b & 0x7f) >>> 4;
      } else if (shift < 63) hi |= (b & 0x7f) << (shift - 32);
      else if (shift === 63) {
        if (b > 1) this.fail('varint longer than 64 bits');
        hi |= b << 31;
      }
      if (b < 0x80) break;
    }
    this.pos = pos;
    this.lo = lo >>> 0;
    this.hi = hi >>> 0;
  }

  /** A varint that must fit in 32 unsigned bits. */
  uint32(): number {
    const b = this.bytes[this.pos] as number;
    if (this.pos < this.end && b < 0x80) {
      this.pos++;
      return b;
    }
    const at = this.pos;
    this.varint64();
    if (this.hi !== 0) this.fail('value over 32 bits', at);
    return this.lo;
  }

  /** An int32 index or count: refuses negative values. */
  index(): number {
    const at = this.pos;
    const value = this.uint32OrNegative();
    if (value < 0) this.fail('negative index', at);
    return value;
  }

  /** An int32 varint; negative numbers take ten bytes on the wire. */
  private uint32OrNegative(): number {
    const b = this.bytes[this.pos] as number;
    if (this.pos < this.end && b < 0x80) {
      this.pos++;
      return b;
    }
    this.varint64();
    return this.hi === 0 && this.lo < 0x8000_0000 ? this.lo : -1;
  }

  fixed64(): void {
    const { bytes, pos } = this;
    if (pos + 8 > this.end) this.fail('truncated fixed64');
    this.lo =
      ((bytes[pos] as number) |
        ((bytes[pos + 1] as number) << 8) |
        ((bytes[pos + 2] as number) << 16) |
        ((bytes[pos + 3] as number) << 24)) >>>
      0;
    this.hi =
      ((bytes[pos + 4] as number) |
        ((bytes[pos + 5] as number) << 8) |
        ((bytes[pos + 6] as number) << 16) |
        ((bytes[pos + 7] as number) << 24)) >>>
      0;
    this.pos = pos + 8;
  }

  /** The last 64-bit value as an unsigned bigint. */
  u64(): bigint {
    return (BigInt(this.hi) << 32n) | BigInt(this.lo);
  }

  /** The last 64-bit value as a signed bigint. */
  i64(): bigint {
    return BigInt.asIntN(64, this.u64());
  }

  /** Length of a LEN field, checked against what is left. The cursor then stands on its first byte. */
  length(): number {
    const at = this.pos;
    const n = this.uint32();
    if (n > this.end - this.pos) this.fail(`length ${n} runs past the end of the message`, at);
    return n;
  }

  /** The next LEN field as a view, not a copy. */
  view(): Uint8Array {
    const n = this.length();
    const at = this.pos;
    this.pos = at + n;
    return this.bytes.subarray(at, at + n);
  }

  expect(wire: number): void {
    if (this.wire !== wire) this.fail(`field ${this.field} has wire type ${this.wire}, want ${wire}`);
  }

  skip(): void {
    switch (this.wire) {
      case Wire.Varint:
        this.varint64();
        return;
      case Wire.I64:
        if (this.pos + 8 > this.end) this.fail('truncated fixed64');
        this.pos += 8;
        return;
      case Wire.Len: {
        const n = this.length();
        this.pos += n;
        return;
      }
      case Wire.I32:
        if (this.pos + 4 > this.end) this.fail('truncated fixed32');
        this.pos += 4;
        return;
      default:
        this.fail(`wire type ${this.wire}`);
    }
  }
}
