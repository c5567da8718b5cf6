// SPDX-License-Identifier: Apache-2.0
import type { JfrCursor } from './cursor.ts';
import { IdIndex } from './id-index.ts';
import { Int32List } from '../int32-list.ts';
import type { Steps } from '../../internal/turns.ts';
import { type Layout, type LayoutCompiler, readValue, type Slots } from './layout.ts';
import type { JfrMetadata } from './metadata.ts';

/** Bytes that are read at a time, in less than a millisecond. */
export const BYTES_A_STEP = 16 * 1024;

/** Constants of one class: where each lies. They are read when something asks for them. */
export class ConstantPool {
  readonly index = new IdIndex();
  readonly places = new Int32List(8);

  /** The place of a constant, or -1. */
  place(lo: number, hi: number): number {
    const row = this.index.find(lo, hi);
    return row < 0 ? -1 : (this.places.data[row] as number);
  }
}

const STRING = 'java.lang.String';
const nothing: Slots = new Int32Array(0);

/** The constants of a chunk, by the names of their classes. */
export class Constants {
  readonly #metadata: JfrMetadata;
  readonly #compiler: LayoutCompiler;
  readonly #layouts = new Map<number, Layout>();
  readonly #pools = new Map<number, ConstantPool>();

  /** Only the classes in `wanted` are kept; the others are passed over. */
  constructor(metadata: JfrMetadata, compiler: LayoutCompiler, wanted: readonly string[]) {
    this.#metadata = metadata;
    this.#compiler = compiler;
    for (const name of wanted) {
      const cls = metadata.byName.get(name);
      if (cls !== undefined) this.#pools.set(cls.id, new ConstantPool());
    }
  }

  /** The pool of a class; an empty one where this chunk has none. */
  pool(name: string): ConstantPool {
    const id = this.#metadata.byName.get(name)?.id ?? -1;
    return this.#pools.get(id) ?? new ConstantPool();
  }

  /**
   * Takes in the checkpoint event whose content the cursor stands on; `c.end` is its end. Where a key comes
   * twice the first holds: checkpoints repeat constants, they do not change them.
   */
  *readCheckpoint(c: JfrCursor): Steps<void> {
    // Start time, duration, distance to the checkpoint before: all are found by walking over the events.
    c.long();
    c.long();
    c.long();
    c.byte();
    for (let pools = c.count('number of pools', 2); pools > 0; pools--) {
      const at = c.pos;
      const id = c.size('type id');
      const layout = this.#layout(c, id, at);
      // A constant takes a byte for its key at least.
      const count = c.count('number of constants', 1 + layout.minSize);
      const pool = this.#pools.get(id);
      for (let left = count; left > 0; ) {
        left = this.#readPool(c, layout, pool, left);
        if (left > 0) yield;
      }
    }
    c.checkEnd('a checkpoint');
  }

  /** Reads constants for a while; gives how many of the `count` are left. */
  #readPool(c: JfrCursor, layout: Layout, pool: ConstantPool | undefined, count: number): number {
    const until = c.pos + BYTES_A_STEP;
    let left = count;
    for (; left > 0 && c.pos < until; left--) {
      c.long();
      if (c.pos > c.end) c.fail('a constant runs past its end', c.end);
      if (pool !== undefined) {
        const known = pool.index.length;
        if (pool.index.add(c.lo, c.hi) === known) pool.places.push(c.pos);
      }
      readValue(c, layout, nothing);
      if (c.pos > c.end) c.fail('a constant runs past its end', c.end);
    }
    return left;
  }

  #layout(c: JfrCursor, id: number, offset: number): Layout {
    const known = this.#layouts.get(id);
    if (known !== undefined) return known;
    const cls = this.#metadata.byId.get(id);
    if (cls === undefined) return c.fail(`constants of unknown type ${id}`, offset);
    const value = { name: '', type: id, isConstant: false, isArray: false, timespan: undefined };
    // A string has no fields: it is one.
    const whole = cls.name === STRING ? { ...cls, fields: [value] } : cls;
    const layout = this.#compiler.compile(whole, () => undefined);
    this.#layouts.set(id, layout);
    return layout;
  }
}
