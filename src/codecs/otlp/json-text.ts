// SPDX-License-Identifier: Apache-2.0

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const ZERO = 0x30;
/** Escapes of characters below a space that have a short one. */
const SHORT: ReadonlyMap<number, string> = new Map([
  [0x08, '\\b'],
  [0x09, '\\t'],
  [0x0a, '\\n'],
  [0x0c, '\\f'],
  [0x0d, '\\r'],
]);

/** JSON under construction, in UTF-8. It adds neither commas nor brackets of its own. */
export class JsonWriter {
  #buffer: Uint8Array;
  /** May be set back, to take away what was written since. */
  length = 0;

  constructor(initialSizeBytes: number) {
    this.#buffer = new Uint8Array(initialSizeBytes);
  }

  #reserve(n: number): number {
    const at = this.length;
    if (at + n > this.#buffer.length) {
      const grown = new Uint8Array(Math.max(at + n, this.#buffer.length * 2));
      grown.set(this.#buffer.subarray(0, at));
      this.#buffer = grown;
    }
    this.length = at + n;
    return at;
  }

  byte(value: number): void {
    const at = this.#reserve(1);
    this.#buffer[at] = value;
  }

  endsWith(value: number): boolean {
    return this.#buffer[this.length - 1] === value;
  }

  /** Text of ASCII characters, as it is. */
  ascii(text: string): void {
    const at = this.#reserve(text.length);
    for (let i = 0; i < text.length; i++) this.#buffer[at + i] = text.charCodeAt(i);
  }

  /** Valid UTF-8 as a string in quotes. */
  string(bytes: Uint8Array): void {
    const at = this.#reserve(bytes.length + 2);
    const buffer = this.#buffer;
    buffer[at] = QUOTE;
    for (let i = 0; i < bytes.length; i++) {
      const c = bytes[i] as number;
      if (c < 0x20 || c === QUOTE || c === BACKSLASH) {
        this.length = at + 1 + i;
        this.#escaped(bytes, i);
        return;
      }
      buffer[at + 1 + i] = c;
    }
    buffer[at + 1 + bytes.length] = QUOTE;
  }

  /** The rest of a string, from the first character on that needs a backslash. */
  #escaped(bytes: Uint8Array, from: number): void {
    for (let i = from; i < bytes.length; i++) {
      const c = bytes[i] as number;
      if (c === QUOTE || c === BACKSLASH) {
        this.byte(BACKSLASH);
        this.byte(c);
      } else if (c < 0x20) this.ascii(SHORT.get(c) ?? `\\u${c.toString(16).padStart(4, '0')}`);
      else this.byte(c);
    }
    this.byte(QUOTE);
  }

  /** A whole number below 2^53 in decimal, with zeros in front up to `digits`. */
  decimal(value: number, digits = 1): void {
    let count = digits;
    for (let limit = 10 ** digits; value >= limit; limit *= 10) count++;
    const at = this.#reserve(count);
    let rest = value;
    for (let i = at + count - 1; i >= at; i--) {
      const next = Math.floor(rest / 10);
      this.#buffer[i] = ZERO + rest - next * 10;
      rest = next;
    }
  }

  /** 64 unsigned bits in decimal, in quotes. */
  quoted(lo: number, hi: number): void {
    this.byte(QUOTE);
    if (hi < 0x20_0000) this.decimal(hi * 4_294_967_296 + lo);
    else {
      // Divided by 10^9 in digits of 16 bits, of which each step is exact in a double.
      let quotient = 0;
      let rest = 0;
      for (const digit of [hi >>> 16, hi & 0xffff, lo >>> 16, lo & 0xffff]) {
        const current = rest * 65_536 + digit;
        const q = Math.floor(current / 1e9);
        quotient = quotient * 65_536 + q;
        rest = current - q * 1e9;
      }
      this.decimal(quotient);
      this.decimal(rest, 9);
    }
    this.byte(QUOTE);
  }

  /** The bytes, in a buffer of their own size. */
  finish(): Uint8Array {
    return this.#buffer.slice(0, this.length);
  }
}
