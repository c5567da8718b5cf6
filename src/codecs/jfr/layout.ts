// SPDX-License-Identifier: Apache-2.0
import type { JfrBudget } from './budget.ts';
import type { JfrCursor } from './cursor.ts';
import type { JfrClass, JfrField, JfrMetadata } from './metadata.ts';

/** Where captured values go: each slot has a low and a high half, int32. */
export type Slots = Int32Array;

/** The slot of a field of the class itself, or undefined where its value is of no use. */
export type SlotOf = (field: JfrField) => number | undefined;

/** What can stand in a record. `arg` is how much is passed over, or the slot. */
const Op = {
  SkipBytes: 0,
  SkipVarints: 1,
  SkipString: 2,
  SkipArray: 3,
  Integer: 4,
  Byte: 5,
  /** Its place goes into the slot. */
  String: 6,
  /** Its place goes into the slot. */
  Array: 7,
} as const;

/** How the values of one class lie in the bytes of this chunk, made from its metadata once, run for each. */
export interface Layout {
  /** Triples: what to do, its argument, the width of an integer or the place of the element's layout. */
  readonly steps: Int32Array;
  readonly elements: readonly Layout[];
  /** Bytes that a value takes at least. */
  readonly minSize: number;
}

/** Widths of integers; as LEB128 one byte at least. */
const INTEGERS: ReadonlyMap<string, number> = new Map(Object.entries({ short: 2, char: 2, int: 4, long: 8 }));
const BYTES: ReadonlyMap<string, number> = new Map(
  Object.entries({ boolean: 1, byte: 1, float: 4, double: 8 }),
);
const STRING = 'java.lang.String';

/** Compiles the layouts of a chunk. */
export class LayoutCompiler {
  readonly #c: JfrCursor;
  readonly #metadata: JfrMetadata;
  readonly #budget: JfrBudget;

  constructor(c: JfrCursor, metadata: JfrMetadata, budget: JfrBudget) {
    this.#c = c;
    this.#metadata = metadata;
    this.#budget = budget;
  }

  /**
   * The layout of a class whose interesting fields go into slots. Throws DecodeError where a field's class is
   * unknown, a structure holds itself, or the budget is spent.
   */
  compile(cls: JfrClass, slotOf: SlotOf): Layout {
    const maker = new LayoutMaker(this.#c.compressed);
    this.#add(maker, cls, slotOf, new Set());
    return maker.finish();
  }

  #add(maker: LayoutMaker, cls: JfrClass, slotOf: SlotOf, within: Set<number>): void {
    if (within.has(cls.id)) this.#c.fail(`class "${cls.name}" holds itself`);
    within.add(cls.id);
    for (const field of cls.fields) {
      this.#budget.chargeField();
      const slot = slotOf(field);
      if (field.isArray) maker.array(this.#element(field, within), slot);
      else this.#value(maker, field, slot, within);
    }
    within.delete(cls.id);
  }

  #element(field: JfrField, within: Set<number>): Layout {
    const maker = new LayoutMaker(this.#c.compressed);
    this.#value(maker, field, undefined, within);
    return maker.finish();
  }

  #value(maker: LayoutMaker, field: JfrField, slot: number | undefined, within: Set<number>): void {
    if (field.isConstant) return maker.integer(8, slot);
    const cls = this.#metadata.byId.get(field.type);
    if (cls === undefined) return this.#c.fail(`field "${field.name}" of unknown type ${field.type}`);
    const width = INTEGERS.get(cls.name);
    if (width !== undefined) return maker.integer(width, slot);
    const bytes = BYTES.get(cls.name);
    if (bytes !== undefined) return maker.bytes(bytes, slot);
    if (cls.name === STRING) return maker.string(slot);
    return this.#add(maker, cls, () => undefined, within);
  }
}

/** Collects the steps of one layout; neighbours that are passed over become one. */
class LayoutMaker {
  readonly #compressed: boolean;
  readonly #steps: number[] = [];
  readonly #elements: Layout[] = [];
  #minSize = 0;

  constructor(compressed: boolean) {
    this.#compressed = compressed;
  }

  integer(width: number, slot: number | undefined): void {
    this.#minSize += this.#compressed ? 1 : width;
    if (slot !== undefined) this.#steps.push(Op.Integer, slot, width);
    else if (this.#compressed) this.#skip(Op.SkipVarints, 1);
    else this.#skip(Op.SkipBytes, width);
  }

  bytes(size: number, slot: number | undefined): void {
    this.#minSize += size;
    if (slot !== undefined && size === 1) this.#steps.push(Op.Byte, slot, 0);
    else this.#skip(Op.SkipBytes, size);
  }

  string(slot: number | undefined): void {
    this.#minSize += 1;
    if (slot === undefined) this.#steps.push(Op.SkipString, 0, 0);
    else this.#steps.push(Op.String, slot, 0);
  }

  array(element: Layout, slot: number | undefined): void {
    this.#minSize += this.#compressed ? 1 : 4;
    this.#steps.push(slot === undefined ? Op.SkipArray : Op.Array, slot ?? 0, this.#elements.length);
    this.#elements.push(element);
  }

  #skip(op: number, amount: number): void {
    const last = this.#steps.length - 3;
    if (last >= 0 && this.#steps[last] === op) this.#steps[last + 1] = (this.#steps[last + 1] ?? 0) + amount;
    else this.#steps.push(op, amount, 0);
  }

  finish(): Layout {
    return { steps: Int32Array.from(this.#steps), elements: this.#elements, minSize: this.#minSize };
  }
}

/**
 * Reads the value at the cursor and puts what was asked for into slots. Slots of fields that the class does not
 * have stay as they are. The caller asks `checkEnd` afterwards.
 */
export function readValue(c: JfrCursor, { steps, elements }: Layout, slots: Slots): void {
  for (let i = 0; i < steps.length; i += 3) {
    const arg = steps[i + 1] as number;
    switch (steps[i]) {
      case Op.SkipBytes:
        c.pos += arg;
        break;
      case Op.SkipVarints:
        c.skipVarints(arg);
        break;
      case Op.SkipString:
        c.skipString();
        break;
      case Op.String:
        slots[arg * 2] = c.pos;
        c.skipString();
        break;
      case Op.Integer:
        c.integer(steps[i + 2] as number);
        slots[arg * 2] = c.lo;
        slots[arg * 2 + 1] = c.hi;
        break;
      case Op.Byte:
        slots[arg * 2] = c.byte();
        break;
      case Op.Array:
        slots[arg * 2] = c.pos;
        skipArray(c, elements[steps[i + 2] as number] as Layout, slots);
        break;
      default:
        skipArray(c, elements[steps[i + 2] as number] as Layout, slots);
    }
  }
}

/** For each integer of a value its slot, or -1: of values that are nothing but LEB128 integers. */
export type IntegerPlan = Int8Array;

/** The plan of a layout whose values are compressed integers only; undefined where it has anything else. */
export function integerPlan(c: JfrCursor, { steps, minSize }: Layout): IntegerPlan | undefined {
  if (!c.compressed || minSize === 0) return undefined;
  const plan: number[] = [];
  for (let i = 0; i < steps.length; i += 3) {
    const arg = steps[i + 1] ?? 0;
    if (steps[i] === Op.Integer) plan.push(arg);
    else if (steps[i] === Op.SkipVarints) plan.push(...new Array<number>(arg).fill(-1));
    else return undefined;
  }
  return Int8Array.from(plan);
}

/**
 * Reads `count` values by a plan; slot `s` of value `i` goes to `out[i * stride + s * 2]` and behind it. As
 * `readValue`, but the loop that most of the time goes to.
 */
export function readIntegers(
  c: JfrCursor,
  plan: IntegerPlan,
  count: number,
  out: Int32Array,
  stride: number,
): void {
  const { bytes } = c;
  let { pos } = c;
  for (let i = 0, base = 0; i < count; i++, base += stride) {
    for (let k = 0; k < plan.length; k++) {
      const slot = plan[k] as number;
      const b = bytes[pos] as number;
      if (b < 0x80) {
        pos++;
        if (slot < 0) continue;
        out[base + slot * 2] = b;
        out[base + slot * 2 + 1] = 0;
        continue;
      }
      const next = bytes[pos + 1] as number;
      if (next < 0x80) {
        pos += 2;
        if (slot < 0) continue;
        out[base + slot * 2] = (b & 0x7f) | (next << 7);
        out[base + slot * 2 + 1] = 0;
        continue;
      }
      c.pos = pos;
      c.long();
      pos = c.pos;
      if (slot < 0) continue;
      out[base + slot * 2] = c.lo;
      out[base + slot * 2 + 1] = c.hi;
    }
  }
  c.pos = pos;
}

function skipArray(c: JfrCursor, element: Layout, slots: Slots): void {
  const { steps } = element;
  const count = c.count('array length', element.minSize);
  // Nothing, any number of times; and what has no variable part need not be looped over.
  if (element.minSize === 0) return;
  if (steps.length === 3 && steps[0] === Op.SkipVarints) return c.skipVarints(count * (steps[1] as number));
  if (steps.length === 3 && steps[0] === Op.SkipBytes) {
    c.pos += count * (steps[1] as number);
    return;
  }
  for (let i = 0; i < count; i++) {
    readValue(c, element, slots);
    c.checkEnd('an array');
  }
}
