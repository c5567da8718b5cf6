// SPDX-License-Identifier: Apache-2.0
import type { WireReader } from '../../internal/wire-reader.ts';
import { type AnyValue, encodeAnyValue, intValue, stringValue } from '../../pdata/any-value.ts';
import { hashEnd, hashStart } from '../../pdata/columns.ts';
import type { AttributeTable } from '../../pdata/tables.ts';
import type { MemoryBudget } from './budget.ts';
import { Int32List } from '../int32-list.ts';
import { GrowingBytes } from './growing-bytes.ts';
import type { Strings } from './strings.ts';

/** Numbers kept of each row to find it again: key, text, low and high half of the number, unit. */
const STRIDE = 5;

/** Slots looked at before a label counts as new: crafted collisions cost a duplicate row, not time. */
const MAX_PROBES = 16;

/** A label as it stands in a file: `key`, `str` and `unit` are string indices, `lo` and `hi` the number. */
export interface RawLabel {
  key: number;
  str: number;
  lo: number;
  hi: number;
  unit: number;
}

/** The attribute table of a file under construction: one row for each label that differs. */
export class AttributeRows {
  readonly #strings: Strings;
  readonly #budget: MemoryBudget;
  readonly #raw = new Int32List(64 * STRIDE);
  readonly #end = new Int32List(64);
  readonly #key = new Int32List(64);
  readonly #unit = new Int32List(64);
  readonly #bytes = new GrowingBytes(1024);
  #slots = new Int32Array(256);
  readonly #keys = new Map<string, number>();
  /** String index of a key → index of the first string of that text. */
  readonly #canonical = new Map<number, number>();
  readonly #values = new Map<string, number>();

  constructor(strings: Strings, budget: MemoryBudget) {
    this.#strings = strings;
    this.#budget = budget;
    this.#append(0, 0);
    this.#raw.reserve(STRIDE);
    this.#raw.length = STRIDE;
  }

  /** String row of an attribute's key. */
  keyOf(row: number): number {
    return this.#key.data[row] as number;
  }

  unitOf(row: number): number {
    return this.#unit.data[row] as number;
  }

  /** Value of a row that a label made. */
  valueOf(r: WireReader, row: number): AnyValue {
    const [, str = 0, lo = 0, hi = 0] = this.#raw.data.subarray(row * STRIDE, row * STRIDE + STRIDE);
    if (str !== 0) return stringValue(this.#strings.textWithin(r, str, this.#budget));
    return intValue(BigInt.asIntN(64, (BigInt(hi >>> 0) << 32n) | BigInt(lo >>> 0)));
  }

  /** Row of a label. */
  label(r: WireReader, l: RawLabel): number {
    const hash = hashOf(l.key, l.str, l.lo, l.hi, l.unit);
    const slots = this.#slots;
    const mask = slots.length - 1;
    const raw = this.#raw.data;
    let slot = hash & mask;
    for (let probe = 0; probe < MAX_PROBES; probe++) {
      const row = slots[slot] as number;
      if (row === 0) break;
      const at = row * STRIDE;
      if (
        raw[at] === l.key &&
        raw[at + 1] === l.str &&
        raw[at + 2] === (l.lo | 0) &&
        raw[at + 3] === (l.hi | 0) &&
        raw[at + 4] === l.unit
      ) {
        return row;
      }
      slot = (slot + 1) & mask;
    }
    const row = this.#addLabel(r, l);
    if (slots[slot] === 0) slots[slot] = row;
    if (row * 2 > slots.length) this.#grow(r);
    return row;
  }

  #addLabel(r: WireReader, l: RawLabel): number {
    const key = this.#canonicalKey(l.key);
    if (l.str === 0) {
      this.#bytes.reserve(11);
      this.#bytes.push(0x18);
      this.#bytes.pushVarint64(l.lo, l.hi);
    } else {
      const start = this.#strings.start(l.str);
      const end = this.#strings.end(l.str);
      this.#budget.charge(r, (end - start) * 2);
      this.#bytes.reserve(end - start + 11);
      this.#bytes.push(0x0a);
      this.#bytes.pushVarint64(end - start, 0);
      this.#bytes.pushAll(r.bytes, start, end);
    }
    this.#budget.charge(r, 2 * (STRIDE + 5) * 4);
    return this.#appendRaw(key, l);
  }

  #appendRaw(key: number, l: RawLabel): number {
    const row = this.#append(key, l.unit);
    const raw = this.#raw;
    raw.reserve(STRIDE);
    raw.data.set([l.key, l.str, l.lo | 0, l.hi | 0, l.unit], raw.length);
    raw.length += STRIDE;
    return row;
  }

  #append(key: number, unit: number): number {
    this.#key.push(key);
    this.#unit.push(unit);
    this.#end.push(this.#bytes.length);
    return this.#end.length - 1;
  }

  /** Keys that differ in index only would break the rule that keys of a sample are unique. */
  #canonicalKey(key: number): number {
    if (key >= this.#strings.count) return key;
    const known = this.#canonical.get(key);
    if (known !== undefined) return known;
    const text = this.#strings.text(key);
    const first = this.#keys.get(text) ?? key;
    this.#keys.set(text, first);
    this.#canonical.set(key, first);
    return first;
  }

  #grow(r: WireReader): void {
    this.#budget.charge(r, this.#slots.length * 8);
    const slots = new Int32Array(this.#slots.length * 2);
    const mask = slots.length - 1;
    const raw = this.#raw.data;
    for (const row of this.#slots) {
      if (row === 0) continue;
      const at = row * STRIDE;
      let slot =
        hashOf(
          raw[at] as number,
          raw[at + 1] as number,
          raw[at + 2] as number,
          raw[at + 3] as number,
          raw[at + 4] as number,
        ) & mask;
      let probe = 0;
      while (slots[slot] !== 0 && ++probe < MAX_PROBES) slot = (slot + 1) & mask;
      if (slots[slot] === 0) slots[slot] = row;
    }
    this.#slots = slots;
  }

  /** Row of an attribute of ours, or of one that no single label makes; `unit` is a string row. */
  of(r: WireReader, key: number, value: AnyValue, unit = 0): number {
    const bytes = encodeAnyValue(value);
    const name = `${key} ${unit} ${Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('latin1')}`;
    const known = this.#values.get(name);
    if (known !== undefined) return known;
    this.#budget.charge(r, bytes.length * 4 + 160);
    this.#bytes.reserve(bytes.length);
    this.#bytes.pushAll(bytes, 0, bytes.length);
    const row = this.#appendRaw(key, { key: -1, str: 0, lo: 0, hi: 0, unit });
    this.#values.set(name, row);
    return row;
  }

  build(): AttributeTable {
    const length = this.#end.length;
    const end = new Uint32Array(this.#end.take().buffer);
    const start = new Uint32Array(length);
    start.set(end.subarray(0, length - 1), 1);
    return { length, key: this.#key.take(), unit: this.#unit.take(), bytes: this.#bytes.take(), start, end };
  }
}

function hashOf(key: number, str: number, lo: number, hi: number, unit: number): number {
  const text = Math.imul(key ^ hashStart(), 0x9e3779b1) ^ Math.imul(str, 0x85ebca6b);
  return hashEnd(text ^ Math.imul(lo, 0xc2b2ae35) ^ Math.imul(hi ^ (unit << 16), 0x27d4eb2f));
}
