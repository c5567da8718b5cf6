// SPDX-License-Identifier: Apache-2.0
import { stringValue } from '../../pdata/any-value.ts';
import { DictionaryBuilder } from '../../pdata/dictionary-builder.ts';
import { IdIndex } from './id-index.ts';

/** What kind of code a frame is, as `profile.frame.type` has it. */
const FRAME_KINDS = ['jvm', 'native', 'kernel'] as const;

/**
 * The stacks of a recording, those of all chunks and series, as rows of the dictionary that all series share. Chunks
 * number their methods anew: equal frames of different ones are one location, equal stacks one stack.
 */
export class StackTable {
  readonly builder = new DictionaryBuilder();
  readonly #stacks = this.builder.stacks;
  /** By line, and function and kind. Nobody else adds locations, so those of the dictionary are one behind the zero row. */
  readonly #locations = new IdIndex(8);
  readonly #kinds = FRAME_KINDS.map((kind) =>
    this.builder.attributeOf('profile.frame.type', stringValue(kind)),
  );

  /** The row of a function. */
  functionRow(name: string): number {
    return this.builder.function(this.builder.string(name), 0, 0, 0n);
  }

  /** The row of a frame: a function at a line; `kind` is an index of `FRAME_KINDS`. */
  location(fn: number, line: number, kind: number): number {
    const known = this.#locations.length;
    const row = this.#locations.add(line, fn * FRAME_KINDS.length + kind);
    if (row < known) return row + 1;
    const lines = [{ function: fn, line: BigInt(line), column: 0n }];
    return this.builder.location(0, 0n, [this.#kinds[kind] ?? 0], lines);
  }

  /** Adds a location to the stack under construction, leaf first. */
  push(location: number): void {
    this.#stacks.push(location);
  }

  /** The row of the stack whose locations were pushed. */
  finish(): number {
    return this.#stacks.intern();
  }
}
