// SPDX-License-Identifier: Apache-2.0
import { DecodeError } from '../../internal/wire-reader.ts';

/** Levels of brackets inside a value that is passed over. */
const MAX_SKIPPED_DEPTH = 64;
const NUMBER = /^-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?$/;
const LONE_SURROGATE = /\p{Surrogate}/u;

const QUOTE = 0x22;
const COMMA = 0x2c;
const COLON = 0x3a;
const MINUS = 0x2d;

/** The kinds of token that a JSON value can start with. */
export type JsonKind = 'object' | 'array' | 'string' | 'number' | 'true' | 'false' | 'null';

/**
 * A cursor over JSON text in UTF-8, as RFC 8259 has it. It makes no objects: what a caller does not ask for
 * costs nothing. Places in errors are a byte offset and the path, such as `dictionary.stringTable[0]`.
 */
export class JsonCursor {
  readonly bytes: Uint8Array;
  readonly format: string;
  pos = 0;
  /** Range of the last string read, without its quotes. */
  start = 0;
  end = 0;
  /** Whether that string is written with backslashes. */
  escaped = false;
  readonly #path: (string | number)[] = [];
  readonly #text: Buffer;

  /** `bytes` must be UTF-8. */
  constructor(bytes: Uint8Array, format: string) {
    this.bytes = bytes;
    this.format = format;
    this.#text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  }

  fail(want: string, at = this.pos): never {
    const path = this.#path
      .map((step) => (typeof step === 'number' ? `[${step}]` : `.${step}`))
      .join('')
      .slice(1);
    throw new DecodeError(this.format, at, `${path === '' ? 'document' : path}: want ${want}`);
  }

  push(step: string | number): void {
    this.#path.push(step);
  }

  /** Names the next element of the list that was pushed last. */
  replace(step: number): void {
    this.#path[this.#path.length - 1] = step;
  }

  pop(): void {
    this.#path.pop();
  }

  /** Moves to the next token and gives its first byte; -1 at the end. */
  peek(): number {
    const { bytes } = this;
    for (;;) {
      const c = bytes[this.pos];
      if (c === undefined) return -1;
      if (c > 0x20 || (c !== 0x20 && c !== 0x0a && c !== 0x0d && c !== 0x09)) return c;
      this.pos++;
    }
  }

  /** The kind of value that comes next. */
  kind(want: string): JsonKind {
    const c = this.peek();
    if (c === QUOTE) return 'string';
    if (c === 0x7b) return 'object';
    if (c === 0x5b) return 'array';
    if (c === MINUS || (c >= 0x30 && c <= 0x39)) return 'number';
    if (this.#word('true')) return 'true';
    if (this.#word('false')) return 'false';
    return this.#word('null') ? 'null' : this.fail(want);
  }

  #word(word: string): boolean {
    for (let i = 0; i < word.length; i++) {
      if (this.bytes[this.pos + i] !== word.charCodeAt(i)) return false;
    }
    return true;
  }

  /** Passes over `true`, `false` or `null`. */
  word(kind: 'true' | 'false' | 'null'): void {
    this.pos += kind.length;
  }

  /** Enters the object or list that comes next; false where it is empty, and then it is left again. */
  open(isObject: boolean): boolean {
    const want = isObject ? 'an object' : 'an array';
    if (this.peek() !== (isObject ? 0x7b : 0x5b)) this.fail(want);
    this.pos++;
    if (this.peek() !== (isObject ? 0x7d : 0x5d)) return true;
    this.pos++;
    return false;
  }

  /** Behind a member: true where another one follows, false behind the end of the object or list. */
  more(isObject: boolean): boolean {
    const c = this.peek();
    if (c === COMMA) {
      this.pos++;
      return true;
    }
    if (c !== (isObject ? 0x7d : 0x5d)) this.fail(isObject ? '"," or "}"' : '"," or "]"');
    this.pos++;
    return false;
  }

  /** Reads a key and its colon into `start`, `end`, `escaped`. */
  key(): void {
    if (this.peek() !== QUOTE) this.fail('a key in quotes');
    this.string();
    if (this.peek() !== COLON) this.fail('":"');
    this.pos++;
  }

  /** Reads the string that comes next into `start`, `end`, `escaped`. */
  string(): void {
    const { bytes } = this;
    const start = this.pos + 1;
    let pos = start;
    this.escaped = false;
    for (;;) {
      const c = bytes[pos];
      if (c === undefined) this.fail('the end of a string', start);
      if (c === QUOTE) break;
      if (c < 0x20) this.fail('no control characters in a string', pos);
      if (c === 0x5c) {
        this.escaped = true;
        pos++;
      }
      pos++;
    }
    this.start = start;
    this.end = pos;
    this.pos = pos + 1;
  }

  /** Text of the last string. */
  text(): string {
    if (!this.escaped) return this.#text.toString('utf8', this.start, this.end);
    let text: unknown;
    try {
      text = JSON.parse(this.#text.toString('utf8', this.start - 1, this.end + 1));
    } catch {
      return this.fail('a string with valid escapes', this.start);
    }
    if (typeof text !== 'string' || LONE_SURROGATE.test(text))
      this.fail('a string that is Unicode: half of a surrogate pair is not', this.start);
    return text;
  }

  /** The number that comes next, as it is written. */
  number(): string {
    const { bytes } = this;
    const from = this.pos;
    let pos = from;
    for (let c = bytes[pos]; c !== undefined && isNumeric(c); c = bytes[++pos]);
    const text = this.#text.toString('latin1', from, pos);
    if (!NUMBER.test(text)) this.fail('a JSON number', from);
    this.pos = pos;
    return text;
  }

  /** Passes over the value that comes next, which is checked all the same. */
  skip(depth = 0): void {
    if (depth > MAX_SKIPPED_DEPTH) this.fail(`no more than ${MAX_SKIPPED_DEPTH} brackets in each other`);
    const kind = this.kind('a JSON value');
    if (kind === 'string') {
      this.string();
      if (this.escaped) this.text();
    } else if (kind === 'number') this.number();
    else if (kind !== 'object' && kind !== 'array') this.word(kind);
    else {
      const isObject = kind === 'object';
      if (!this.open(isObject)) return;
      do {
        if (isObject) this.key();
        this.skip(depth + 1);
      } while (this.more(isObject));
    }
  }
}

function isNumeric(c: number): boolean {
  return (c >= 0x30 && c <= 0x39) || c === MINUS || c === 0x2e || c === 0x65 || c === 0x45 || c === 0x2b;
}
