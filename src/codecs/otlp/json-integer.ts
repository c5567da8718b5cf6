// SPDX-License-Identifier: Apache-2.0
import type { JsonCursor } from './json-cursor.ts';

/** Integers of protobuf, by their range. */
export type IntegerKind = 'int32' | 'uint32' | 'int64' | 'uint64' | 'fixed64';

const RANGE: Readonly<Record<IntegerKind, readonly [bigint, bigint]>> = {
  int32: [-(2n ** 31n), 2n ** 31n],
  uint32: [0n, 2n ** 32n],
  int64: [-(2n ** 63n), 2n ** 63n],
  uint64: [0n, 2n ** 64n],
  fixed64: [0n, 2n ** 64n],
};
const DECIMAL = /^(-?)(\d{1,40})(?:\.(\d{1,40}))?(?:[eE]([+-]?\d{1,3}))?$/;
/** Digits that a double holds exactly. */
const SAFE_DIGITS = 15;
const MAX_DIGITS = 19;

/** The last integer read: 64 bits in two's complement, as unsigned halves. */
export const integer = { lo: 0, hi: 0 };

/**
 * Reads an integer, written as a number or as text, into `integer`: exact over all 64 bits, whatever a double
 * could hold. Proto3 allows `1.0` and `1e3` where they are whole.
 */
export function readInteger(json: JsonCursor, kind: IntegerKind): void {
  const { bytes } = json;
  const from = json.pos;
  const quoted = json.peek() === 0x22;
  let pos = json.pos + (quoted ? 1 : 0);
  const negative = bytes[pos] === 0x2d;
  if (negative) pos++;
  const digits = pos;
  while (isDigit(bytes[pos])) pos++;
  const count = pos - digits;
  const ends = quoted ? bytes[pos] === 0x22 : !continuesNumber(bytes[pos]);
  if (!ends || count === 0 || count > MAX_DIGITS || bytes[digits] === 0x30) {
    readSlowly(json, kind, quoted);
    return;
  }
  setDigits(bytes, digits, pos);
  if (negative) negate();
  if (!fits(kind, negative)) failRange(json, kind, from);
  json.pos = quoted ? pos + 1 : pos;
}

const isDigit = (c: number | undefined): boolean => c !== undefined && c >= 0x30 && c <= 0x39;
const continuesNumber = (c: number | undefined): boolean =>
  c === 0x2e || c === 0x65 || c === 0x45 || c === 0x2b || c === 0x2d;

/** Up to 19 digits as unsigned halves; every step is exact in a double. */
function setDigits(bytes: Uint8Array, from: number, to: number): void {
  const cut = to - from > SAFE_DIGITS ? to - 9 : to;
  let high = 0;
  for (let i = from; i < cut; i++) high = high * 10 + (bytes[i] as number) - 0x30;
  if (cut === to) {
    integer.hi = Math.floor(high / 4_294_967_296);
    integer.lo = high >>> 0;
    return;
  }
  let low = 0;
  for (let i = cut; i < to; i++) low = low * 10 + (bytes[i] as number) - 0x30;
  // high (below 10^10) times 10^9 plus low, in pieces of 16 bits of high.
  const part = (high % 65_536) * 1e9 + low;
  const upper = Math.floor(high / 65_536) * 1e9;
  const middle = (upper % 65_536) * 65_536 + (part % 4_294_967_296);
  integer.hi =
    Math.floor(upper / 65_536) + Math.floor(part / 4_294_967_296) + Math.floor(middle / 4_294_967_296);
  integer.lo = middle >>> 0;
}

function negate(): void {
  integer.lo = -integer.lo >>> 0;
  integer.hi = (~integer.hi + (integer.lo === 0 ? 1 : 0)) >>> 0;
}

/** Whether the number just read, of at most 19 digits and not 0, is in range. */
function fits(kind: IntegerKind, negative: boolean): boolean {
  const { lo, hi } = integer;
  switch (kind) {
    case 'int32':
      return negative ? hi === 0xffff_ffff && lo >= 0x8000_0000 : hi === 0 && lo < 0x8000_0000;
    case 'uint32':
      return !negative && hi === 0;
    case 'int64':
      return hi >= 0x8000_0000 === negative;
    default:
      return !negative;
  }
}

/** Zeros, fractions, exponents and twenty digits. */
function readSlowly(json: JsonCursor, kind: IntegerKind, quoted: boolean): void {
  const at = json.pos;
  let text: string;
  if (quoted) {
    json.string();
    text = json.text();
  } else if (json.kind('an integer') === 'number') text = json.number();
  else return json.fail('an integer', at);
  const [, sign = '', whole = '', fraction = '', exponent = '0'] =
    DECIMAL.exec(text) ?? json.fail('an integer', at);
  const shift = Number(exponent) - fraction.length;
  let value = BigInt(whole + fraction);
  if (shift >= 0) value *= 10n ** BigInt(Math.min(shift, 60));
  else {
    const divisor = 10n ** BigInt(-shift);
    if (value % divisor !== 0n) json.fail('an integer', at);
    value /= divisor;
  }
  if (sign === '-') value = -value;
  const [min, limit] = RANGE[kind];
  if (value < min || value >= limit) failRange(json, kind, at);
  const bits = BigInt.asUintN(64, value);
  integer.lo = Number(bits & 0xffff_ffffn);
  integer.hi = Number(bits >> 32n);
}

function failRange(json: JsonCursor, kind: IntegerKind, at: number): never {
  const [min, limit] = RANGE[kind];
  return json.fail(`an integer in [${min}..${limit})`, at);
}
