// SPDX-License-Identifier: Apache-2.0

/**
 * The tables of a profiles dictionary as columns. A row is an index; row 0 of every table is its
 * zero value and stands for "unset". Source: opentelemetry-proto profiles/v1development, v1.10.
 */

/**
 * Bytes that say the same as the columns beside them, in the named wire form (for example "otlp/1.10"):
 * spliced by an encoder of that form as long as nobody edits what they stand for.
 */
export interface EncodedForm {
  readonly form: string;
  readonly bytes: Uint8Array;
}

/**
 * What the seven tables have in common. Columns may be made on first use from encoded rows, so reading
 * one may cost time: hoist columns out of loops, and ask for none that you do not need.
 */
export interface Table {
  /** Rows, the zero row included. */
  readonly length: number;
  /** All rows as fields of a dictionary message, tags included. A table that is edited has none. */
  readonly encoded?: EncodedForm | undefined;
}

/** Lists of row indices: list `i` is `values[start[i] .. start[i + 1]]`. `start` has n + 1 entries. */
export interface IndexLists {
  readonly start: Uint32Array;
  readonly values: Int32Array;
}

/** Strings as ranges of UTF-8 bytes (validated). `end[i]` is exclusive. */
export interface StringTable extends Table {
  readonly bytes: Uint8Array;
  readonly start: Uint32Array;
  readonly end: Uint32Array;
}

/** `name`, `systemName`, `filename` are string rows; `startLine` is 1-based, 0 = unset. */
export interface FunctionTable extends Table {
  readonly name: Int32Array;
  readonly systemName: Int32Array;
  readonly filename: Int32Array;
  readonly startLine: BigInt64Array;
}

/** Addresses are in the address space of the mapped file as the producer chose it (ELF for native code). */
export interface MappingTable extends Table {
  readonly memoryStart: BigUint64Array;
  readonly memoryLimit: BigUint64Array;
  readonly fileOffset: BigUint64Array;
  readonly filename: Int32Array;
  readonly attributes: IndexLists;
}

/** Lines of location `i` are `lineStart[i] .. lineStart[i + 1]`, innermost inlined function first. */
export interface LocationTable extends Table {
  readonly mapping: Int32Array;
  readonly address: BigUint64Array;
  readonly attributes: IndexLists;
  readonly lineStart: Uint32Array;
  readonly lineFunction: Int32Array;
  readonly lineLine: BigInt64Array;
  readonly lineColumn: BigInt64Array;
}

/** Locations of a stack, leaf first. */
export interface StackTable extends Table {
  readonly locations: IndexLists;
}

/** Ids as packed bytes: 16 a trace id, 8 a span id. An id that was absent is all zeros. */
export interface LinkTable extends Table {
  readonly traceIds: Uint8Array;
  readonly spanIds: Uint8Array;
}

/** Values are encoded `AnyValue` messages, `bytes[start[i] .. end[i]]`: equal bytes, equal value. */
export interface AttributeTable extends Table {
  readonly key: Int32Array;
  readonly unit: Int32Array;
  readonly bytes: Uint8Array;
  readonly start: Uint32Array;
  readonly end: Uint32Array;
}

/** Samples of one profile. Rows of `values` and `timestamps` are either empty or as proto's shapes ask. */
export interface Samples {
  readonly length: number;
  readonly stack: Int32Array;
  readonly link: Int32Array;
  readonly attributes: IndexLists;
  readonly valueStart: Uint32Array;
  readonly values: BigInt64Array;
  readonly timestampStart: Uint32Array;
  readonly timestamps: BigUint64Array;
}

/** List `i` as a view. */
export function listAt(lists: IndexLists, i: number): Int32Array {
  return lists.values.subarray(lists.start[i], lists.start[i + 1]);
}

/** Index lists from plain arrays; for builders of small tables and tests. */
export function indexLists(lists: readonly ArrayLike<number>[]): IndexLists {
  const start = new Uint32Array(lists.length + 1);
  let total = 0;
  lists.forEach((list, i) => {
    total += list.length;
    start[i + 1] = total;
  });
  const values = new Int32Array(total);
  lists.forEach((list, i) => values.set(list, start[i]));
  return { start, values };
}

/** `n` empty lists. */
export function emptyLists(n: number): IndexLists {
  return { start: new Uint32Array(n + 1), values: new Int32Array(0) };
}
