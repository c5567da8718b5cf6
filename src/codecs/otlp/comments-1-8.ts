// SPDX-License-Identifier: Apache-2.0
import { Wire, WireReader } from '../../internal/wire-reader.ts';
import { DictionaryFact } from '../../native/otlp-functions.ts';
import { encodeAnyValue, stringValue } from '../../pdata/any-value.ts';
import type { Dictionary } from '../../pdata/dictionary.ts';
import { PPROF } from '../pprof/names.ts';
import { eachMessage, enter, FORMAT, readRow } from './fields.ts';
import { ForwardWriter } from './json-writer.ts';
import { TableField } from './scan-dictionary.ts';

/** Profile's `comment_strindices` and `attribute_indices` in 1.8. */
const COMMENTS = 7;
const ATTRIBUTES = 12;

/** Estimated heap bytes of a comment beside its text. */
const COMMENT_COST = 32;
const FREE_BYTES = 1 << 16;

/**
 * The 1.8 request in `bytes`, which the scans accepted, with its comments as `pprof.profile.comment` attributes;
 * undefined where it has none. `facts`: `DictionaryFact` of its dictionary. Throws DecodeError where a comment
 * is no string of the table, and where the comments together would take more memory than the request and 64
 * KiB: profiles share strings, and an attribute holds its own.
 */
export function commentsAsAttributes(
  bytes: Uint8Array,
  dictionary: Dictionary,
  facts: Uint32Array,
): Uint8Array | undefined {
  let found = false;
  const r = new WireReader(bytes, FORMAT);
  const each = (field: number, body: () => void): void => eachMessage(r, field, () => found, body);
  const look = (): void => {
    while (!found && r.next()) {
      found = r.field === COMMENTS;
      r.skip();
    }
  };
  each(1, () => each(2, () => each(2, look)));
  return found ? new CommentsWriter(bytes, dictionary, facts).run() : undefined;
}

class CommentsWriter {
  readonly #r: WireReader;
  readonly #w: ForwardWriter;
  readonly #dictionary: Dictionary;
  readonly #facts: Uint32Array;
  /** Rows of new attributes, by the string rows of their comments. */
  readonly #rows = new Map<string, number>();
  readonly #values: Uint8Array[] = [];
  #costBytes = 0;

  constructor(bytes: Uint8Array, dictionary: Dictionary, facts: Uint32Array) {
    this.#r = new WireReader(bytes, FORMAT);
    this.#w = new ForwardWriter(bytes.length + 1024);
    this.#dictionary = dictionary;
    this.#facts = facts;
  }

  run(): Uint8Array {
    this.#fields(1, () => this.#fields(2, () => this.#fields(2, () => this.#profile())));
    this.#addToDictionary();
    return this.#w.finish();
  }

  /** Copies the fields up to the reader's end; `body` writes those of the messages in field `nested`. */
  #fields(nested: number, body: () => void): void {
    const [r, w] = [this.#r, this.#w];
    for (let at = r.pos; r.next(); at = r.pos) {
      if (r.field === nested) {
        const outer = enter(r);
        this.#message(nested, body);
        r.end = outer;
      } else {
        r.skip();
        w.raw(r.bytes, at, r.pos);
      }
    }
  }

  #message(field: number, body: () => void): void {
    this.#w.varint((field << 3) | Wire.Len);
    const begun = this.#w.begin();
    body();
    this.#w.end(begun);
  }

  #profile(): void {
    const [r, w] = [this.#r, this.#w];
    const comments: number[] = [];
    for (let at = r.pos; r.next(); at = r.pos) {
      if (r.field === COMMENTS) this.#readComments(comments);
      else {
        r.skip();
        w.raw(r.bytes, at, r.pos);
      }
    }
    if (comments.length === 0) return;
    w.varint((ATTRIBUTES << 3) | Wire.Varint);
    w.varint(this.#rowOf(comments));
  }

  #readComments(into: number[]): void {
    const r = this.#r;
    const strings = this.#dictionary.tables.strings.length;
    const add = (): void => {
      this.#charge(COMMENT_COST);
      into.push(readRow(r, strings, 'string index'));
    };
    if (r.wire !== Wire.Len) {
      add();
      return;
    }
    const outer = enter(r);
    r.wire = Wire.Varint;
    while (r.pos < r.end) add();
    r.end = outer;
  }

  #charge(sizeBytes: number): void {
    this.#costBytes += sizeBytes;
    if (this.#costBytes > this.#r.bytes.length + FREE_BYTES)
      this.#r.fail(`comments would take more memory than the request and ${FREE_BYTES} bytes`);
  }

  #rowOf(comments: readonly number[]): number {
    const key = comments.join(' ');
    const known = this.#rows.get(key);
    if (known !== undefined) return known;
    const { start, end } = this.#dictionary.tables.strings;
    for (const row of comments) this.#charge((end[row] ?? 0) - (start[row] ?? 0));
    const value = comments.map((row) => stringValue(this.#dictionary.text(row)));
    const row = this.#rowsOf(TableField.attributes) + this.#values.length;
    this.#values.push(encodeAnyValue({ kind: 'array', value }));
    this.#rows.set(key, row);
    return row;
  }

  /** Rows of a table, of which an absent one gets its zero row from `#addToDictionary`. */
  #rowsOf(table: number): number {
    return Math.max(1, this.#facts[DictionaryFact.rows + table] ?? 0);
  }

  /** A second dictionary message: protobuf puts its rows behind those of the first. */
  #addToDictionary(): void {
    const w = this.#w;
    const zeroRow = (table: number): void => {
      if (this.#facts[DictionaryFact.rows + table] === 0) this.#message(table, () => undefined);
    };
    this.#message(2, () => {
      zeroRow(TableField.strings);
      this.#message(TableField.strings, () => w.raw(Buffer.from(PPROF.comment)));
      zeroRow(TableField.attributes);
      for (const value of this.#values) {
        this.#message(TableField.attributes, () => {
          w.varint((1 << 3) | Wire.Varint);
          w.varint(this.#rowsOf(TableField.strings));
          this.#message(2, () => w.raw(value));
        });
      }
    });
  }
}
