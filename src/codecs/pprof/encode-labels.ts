// SPDX-License-Identifier: Apache-2.0
import { type AnyValue, valueToText } from '../../pdata/any-value.ts';
import type { Dictionary } from '../../pdata/dictionary.ts';
import type { StringIds } from './encode-strings.ts';
import { type LabelPart, partsOf } from './labels.ts';
import type { PprofLosses } from './losses.ts';
import { RowIds } from './row-ids.ts';
import { Writer } from './writer.ts';

/** Labels out of sample attributes and links: encoded once for each row, copied into each sample. */
export class LabelRows {
  readonly #dictionary: Dictionary;
  readonly #strings: StringIds;
  readonly #keep: (key: string) => boolean;
  readonly #textOf: (text: string) => string;
  readonly #losses: PprofLosses;
  /** Encoded labels of all rows seen; row with id `i` has `#end[i - 1] .. #end[i]`. */
  readonly #encoded = new Writer(1024);
  readonly #attributes: RowIds;
  readonly #links: RowIds;
  readonly #attributeEnd: number[] = [];
  readonly #attributeStart: number[] = [];
  readonly #linkStart: number[] = [];
  readonly #linkEnd: number[] = [];

  constructor(
    dictionary: Dictionary,
    strings: StringIds,
    keep: (key: string) => boolean,
    losses: PprofLosses,
    textOf: (text: string) => string = (text) => text,
  ) {
    const { attributes, links } = dictionary.tables;
    this.#dictionary = dictionary;
    this.#strings = strings;
    this.#keep = keep;
    this.#losses = losses;
    this.#textOf = textOf;
    this.#attributes = new RowIds(attributes.length);
    this.#links = new RowIds(links.length);
  }

  /** Writes the labels of an attribute row into a sample. */
  attribute(w: Writer, row: number): void {
    const id = (this.#attributes.ids[row] as number) || this.#addAttribute(row);
    w.copy(this.#encoded.bytes, this.#attributeStart[id - 1] as number, this.#attributeEnd[id - 1] as number);
  }

  /** Writes the labels `trace_id` and `span_id`, in hex as Pyroscope reads them. */
  link(w: Writer, row: number): void {
    const id = (this.#links.ids[row] as number) || this.#addLink(row);
    w.copy(this.#encoded.bytes, this.#linkStart[id - 1] as number, this.#linkEnd[id - 1] as number);
  }

  #addAttribute(row: number): number {
    this.#attributeStart.push(this.#encoded.pos);
    if (this.#keep(this.#dictionary.attributeKey(row))) this.#encodeAttribute(row);
    this.#attributeEnd.push(this.#encoded.pos);
    return this.#attributes.add(row);
  }

  #encodeAttribute(row: number): void {
    const { attributes } = this.#dictionary.tables;
    const key = this.#strings.row(attributes.key[row] as number);
    const unit = this.#strings.row(attributes.unit[row] as number);
    const value = this.#dictionary.attributeValue(row);
    const parts: readonly LabelPart[] = partsOf(value) ?? [{ value }];
    for (const part of parts) {
      this.#encodePart(key, part.value, part.unit === undefined ? unit : this.#strings.text(part.unit));
    }
  }

  #encodePart(key: number, value: AnyValue, unit: number): void {
    if (value.kind === 'int') {
      const bits = BigInt.asUintN(64, value.value);
      this.#encode(key, 0, Number(bits & 0xffff_ffffn), Number(bits >> 32n), unit);
      return;
    }
    if (value.kind !== 'string') this.#losses.textValues++;
    const str = this.#strings.text(this.#textOf(valueToText(value)));
    if (str === 0) this.#losses.emptyLabels++;
    else this.#encode(key, str, 0, 0, unit);
  }

  #addLink(row: number): number {
    const { traceIds, spanIds } = this.#dictionary.tables.links;
    this.#linkStart.push(this.#encoded.pos);
    this.#encodeId('trace_id', traceIds.subarray(row * 16, row * 16 + 16));
    this.#encodeId('span_id', spanIds.subarray(row * 8, row * 8 + 8));
    this.#linkEnd.push(this.#encoded.pos);
    return this.#links.add(row);
  }

  #encodeId(key: string, id: Uint8Array): void {
    if (!this.#keep(key) || id.every((b) => b === 0)) return;
    const hex = Buffer.from(id.buffer, id.byteOffset, id.length).toString('hex');
    this.#encode(this.#strings.text(key), this.#strings.text(hex), 0, 0, 0);
  }

  #encode(key: number, str: number, lo: number, hi: number, unit: number): void {
    const w = this.#encoded;
    w.reserve(2 + 6 * 3 + 11);
    const start = w.begin(0x1a);
    w.field(0x08, key);
    w.field(0x10, str);
    w.field64(0x18, lo, hi);
    w.field(0x20, unit);
    w.end(start);
  }

  release(): void {
    this.#attributes.release();
    this.#links.release();
  }
}
