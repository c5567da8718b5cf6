// SPDX-License-Identifier: Apache-2.0
import type { JfrBudget } from './budget.ts';
import type { Constants, ConstantPool } from './constants.ts';
import type { JfrCursor } from './cursor.ts';
import { FrameCache } from './frame-cache.ts';
import {
  type IntegerPlan,
  integerPlan,
  type Layout,
  type LayoutCompiler,
  readIntegers,
  readValue,
  type SlotOf,
} from './layout.ts';
import type { JfrClass, JfrMetadata } from './metadata.ts';
import { stableName } from './names.ts';
import type { StackTable } from './stack-table.ts';

/** Classes of the constants that stacks and samples lead to. */
export const CONSTANT_CLASSES: readonly string[] = [
  'jdk.types.StackTrace',
  'jdk.types.Method',
  'java.lang.Class',
  'jdk.types.Symbol',
  'java.lang.String',
  'jdk.types.FrameType',
  'jdk.types.ThreadState',
];

/** Indices of the table's `FRAME_KINDS`; all others are the first. */
const KIND_OF: ReadonlyMap<string, number> = new Map(Object.entries({ Native: 1, 'C++': 1, Kernel: 2 }));

/** A class whose constants are read: where they are, and how they lie. */
interface Readable {
  readonly pool: ConstantPool;
  readonly layout: Layout;
}

const EMPTY_CLASS: JfrClass = { id: -1, name: '', fields: [] };

/** Slots of a frame. */
const FRAME_SLOTS = ['method', 'lineNumber', 'type'];
const FRAME_STRIDE = FRAME_SLOTS.length * 2;
/** Frames that are read at a time. */
const BLOCK = 256;

/** Reads the constants of one chunk: stacks, methods, names. Each name is made once. */
export class Symbols {
  readonly #c: JfrCursor;
  readonly #slots = new Int32Array(FRAME_STRIDE);
  readonly #block = new Int32Array(BLOCK * FRAME_STRIDE);
  readonly #stacks: Readable;
  readonly #frame: Layout;
  readonly #framePlan: IntegerPlan | undefined;
  readonly #methods: Readable;
  readonly #classes: Readable;
  readonly #symbols: Readable;
  readonly #frameTypes: Readable;
  readonly #states: Readable;
  readonly #strings: ConstantPool;
  /** Rows in the table by method. */
  readonly #functions: number[] = [];
  readonly #budget: JfrBudget;
  readonly #classNames = new Map<number, string>();
  readonly #symbolTexts = new Map<number, string>();
  readonly #kinds = new Map<number, number>();
  /** Made when all methods of the chunk are known. */
  #cache: FrameCache | undefined;

  constructor(
    c: JfrCursor,
    metadata: JfrMetadata,
    compiler: LayoutCompiler,
    constants: Constants,
    budget: JfrBudget,
  ) {
    const named = (name: string): JfrClass => metadata.byName.get(name) ?? EMPTY_CLASS;
    const readable = (name: string, ...slots: readonly string[]): Readable => ({
      pool: constants.pool(name),
      layout: compiler.compile(named(name), slotsNamed(slots)),
    });
    const stack = named('jdk.types.StackTrace');
    const at = stack.fields.findIndex((field) => field.name === 'frames' && field.isArray);
    const frame = at < 0 ? undefined : metadata.byId.get(stack.fields[at]?.type ?? -1);
    this.#c = c;
    this.#budget = budget;
    // Only what stands before the frames is passed over; they are read from there.
    const head = { ...stack, fields: stack.fields.slice(0, Math.max(at, 0)) };
    this.#stacks = {
      pool: constants.pool('jdk.types.StackTrace'),
      layout: compiler.compile(head, () => undefined),
    };
    this.#frame = compiler.compile(frame ?? EMPTY_CLASS, slotsNamed(FRAME_SLOTS));
    this.#framePlan = integerPlan(c, this.#frame);
    this.#methods = readable('jdk.types.Method', 'type', 'name');
    this.#classes = readable('java.lang.Class', 'name');
    this.#symbols = readable('jdk.types.Symbol', 'string');
    this.#frameTypes = readable('jdk.types.FrameType', 'description');
    this.#states = readable('jdk.types.ThreadState', 'name');
    this.#strings = constants.pool('java.lang.String');
  }

  /**
   * The row of a stack of this chunk in `table`, -1 where there is no such stack. Frames whose method is not there
   * are left out; `losses` is told how many.
   */
  stack(lo: number, hi: number, table: StackTable, losses: { frames: number }): number {
    const place = this.#stacks.pool.place(lo, hi);
    if (place < 0) return -1;
    const c = this.#c;
    c.pos = place;
    readValue(c, this.#stacks.layout, this.#slots);
    const { minSize } = this.#frame;
    const count = c.count('number of frames', minSize);
    // A frame without fields takes no bytes: there could be any number of them.
    for (let left = minSize === 0 ? 0 : count; left > 0; left -= BLOCK) {
      const n = Math.min(left, BLOCK);
      this.#readFrames(n);
      losses.frames += n - this.#pushFrames(n, table);
    }
    return table.finish();
  }

  /** The next `n` frames into `#block`. */
  #readFrames(n: number): void {
    const c = this.#c;
    const block = this.#block;
    if (this.#framePlan !== undefined) readIntegers(c, this.#framePlan, n, block, FRAME_STRIDE);
    else {
      for (let i = 0; i < n; i++) {
        readValue(c, this.#frame, this.#slots);
        block.set(this.#slots, i * FRAME_STRIDE);
      }
    }
    c.checkEnd('a stack');
  }

  /** Frames of `#block` as locations of the table; gives how many of them have a method. */
  #pushFrames(n: number, table: StackTable): number {
    const { pos } = this.#c;
    const block = this.#block;
    const methods = this.#methods.pool.index;
    const functions = this.#functions;
    const cache = (this.#cache ??= new FrameCache(methods.length));
    let pushed = 0;
    for (let i = 0; i < n * FRAME_STRIDE; i += FRAME_STRIDE) {
      const methodLo = block[i] as number;
      const methodHi = block[i + 1] as number;
      const line = block[i + 2] as number;
      const kindLo = block[i + 4] as number;
      const kindHi = block[i + 5] as number;
      const isShort = (methodHi | kindHi) === 0;
      let location = isShort ? cache.find(methodLo, line, kindLo) : 0;
      if (location === 0) {
        const method = methods.find(methodLo, methodHi);
        if (method < 0) continue;
        const fn = functions[method] ?? (functions[method] = table.functionRow(this.#methodName(method)));
        location = table.location(fn, line > 0 ? line : 0, this.#kindOf(kindLo, kindHi));
        if (isShort) cache.keep(methodLo, line, kindLo, location);
      }
      table.push(location);
      pushed++;
    }
    this.#c.pos = pos;
    return pushed;
  }

  #kindOf(lo: number, hi: number): number {
    const row = this.#frameTypes.pool.index.find(lo, hi);
    const known = this.#kinds.get(row);
    if (known !== undefined) return known;
    const kind = KIND_OF.get(this.#textOf(this.#frameTypes, lo, hi)) ?? 0;
    this.#kinds.set(row, kind);
    return kind;
  }

  /** `java/lang/Thread.run`: the class as the JVM spells it, and the method. */
  #methodName(row: number): string {
    const slots = this.#read(this.#methods, this.#methods.pool.places.data[row] as number);
    const [classLo = 0, classHi = 0, nameLo = 0, nameHi = 0] = slots;
    const cls = this.#className(classLo, classHi);
    const method = this.#symbol(nameLo, nameHi);
    this.#budget.chargeName(cls.length + method.length + 1);
    return `${cls}.${method}`;
  }

  #className(lo: number, hi: number): string {
    const row = this.#classes.pool.index.find(lo, hi);
    if (row < 0) return '';
    const known = this.#classNames.get(row);
    if (known !== undefined) return known;
    const [nameLo = 0, nameHi = 0] = this.#read(this.#classes, this.#classes.pool.places.data[row] as number);
    const name = this.#symbol(nameLo, nameHi);
    this.#classNames.set(row, name);
    return name;
  }

  #symbol(lo: number, hi: number): string {
    const row = this.#symbols.pool.index.find(lo, hi);
    if (row < 0) return '';
    const known = this.#symbolTexts.get(row);
    if (known !== undefined) return known;
    const text = this.#textOf(this.#symbols, lo, hi, (sizeBytes) => {
      this.#budget.chargeName(sizeBytes);
      return true;
    });
    const name = stableName(text);
    this.#symbolTexts.set(row, name);
    return name;
  }

  /** The name of a thread's state, such as `STATE_RUNNABLE`; empty where there is none. */
  threadState(lo: number, hi: number): string {
    return this.#textOf(this.#states, lo, hi);
  }

  /** The only string of a constant. */
  #textOf(from: Readable, lo: number, hi: number, check = isShort): string {
    const place = from.pool.place(lo, hi);
    if (place < 0) return '';
    const slots = this.#read(from, place);
    return slots[0] === 0 ? '' : this.stringAt(slots[0] as number, check);
  }

  /**
   * The string at a place; none where it is long. A constant that refers to a constant is none either: it could
   * refer to itself.
   */
  stringAt(place: number, check = isShort): string {
    const c = this.#c;
    c.pos = place;
    const text = c.string(() => {
      const constant = this.#strings.place(c.lo, c.hi);
      if (constant < 0) return undefined;
      c.pos = constant;
      return c.string(() => undefined, check);
    }, check);
    return text ?? '';
  }

  #read(from: Readable, place: number): Int32Array {
    this.#slots.fill(0);
    this.#c.pos = place;
    readValue(this.#c, from.layout, this.#slots);
    this.#c.checkEnd('a constant');
    return this.#slots;
  }
}

/** Names of states and settings are; a long string that many refer to would be made again for each. */
const isShort = (sizeBytes: number): boolean => sizeBytes <= 256;

function slotsNamed(names: readonly string[]): SlotOf {
  return (field) => {
    const slot = names.indexOf(field.name);
    return slot < 0 ? undefined : slot;
  };
}
