// SPDX-License-Identifier: Apache-2.0
import { valueToText } from '../../pdata/any-value.ts';
import type { Dictionary } from '../../pdata/dictionary.ts';
import { halvesOf } from '../../pdata/table-rows.ts';
import { listAt } from '../../pdata/tables.ts';
import type { StringIds } from './encode-strings.ts';
import type { PprofLosses } from './losses.ts';
import { BUILD_IDS, MAPPING_FLAGS } from './names.ts';
import { RowIds } from './row-ids.ts';
import type { Writer } from './writer.ts';

/** What the locations of a mapping show of its symbols. */
interface Seen {
  isNamed: boolean;
  filenames: boolean;
  lineNumbers: boolean;
  inlineFrames: boolean;
}

/** Mappings of one file. */
export class MappingWriter {
  readonly #dictionary: Dictionary;
  readonly #strings: StringIds;
  readonly #losses: PprofLosses;
  readonly #ids: RowIds;
  readonly #seen = new Map<number, Seen>();

  constructor(dictionary: Dictionary, strings: StringIds, losses: PprofLosses) {
    this.#dictionary = dictionary;
    this.#strings = strings;
    this.#losses = losses;
    this.#ids = new RowIds(dictionary.tables.mappings.length);
  }

  add(row: number): void {
    if (this.#ids.ids[row] === 0) this.#ids.add(row);
  }

  /** Notes a location of the mapping. */
  see(row: number, isNamed: boolean, filenames: boolean, lineNumbers: boolean, inlineFrames: boolean): void {
    const seen = this.#seen.get(row);
    if (seen === undefined) {
      this.add(row);
      this.#seen.set(row, { isNamed, filenames, lineNumbers, inlineFrames });
      return;
    }
    seen.isNamed &&= isNamed;
    seen.filenames ||= filenames;
    seen.lineNumbers ||= lineNumbers;
    seen.inlineFrames ||= inlineFrames;
  }

  /** The id of a mapping once all are written. */
  id(row: number): number {
    return this.#ids.ids[row] as number;
  }

  /** By ascending row: the first mapping is the program's, and rows keep the order of the producer. */
  write(w: Writer): void {
    this.#ids.sort();
    this.#ids.rows.forEach((row, i) => this.#write(w, row, i + 1));
  }

  #write(w: Writer, row: number, id: number): void {
    const { mappings: m } = this.#dictionary.tables;
    const texts = this.#attributes(row);
    w.reserve(2 + 6 + 3 * 11 + 2 * 6 + 4 * 2);
    const start = w.begin(0x1a);
    w.field(0x08, id);
    [m.memoryStart, m.memoryLimit, m.fileOffset].forEach((column, i) => {
      const halves = halvesOf(column);
      w.field64(0x10 + i * 8, halves[row * 2] as number, halves[row * 2 + 1] as number);
    });
    w.field(0x28, this.#strings.row(m.filename[row] as number));
    const buildId = BUILD_IDS.find((key) => texts.has(key));
    w.field(0x30, this.#strings.text(buildId === undefined ? '' : (texts.get(buildId) ?? '')));
    this.#flagsOf(row, texts).forEach((isSet, i) => {
      w.field(0x38 + i * 8, isSet ? 1 : 0);
    });
    w.end(start);
  }

  /** Attributes that pprof has a place for, by key; the others are counted as lost. */
  #attributes(mapping: number): Map<string, string> {
    const texts = new Map<string, string>();
    for (const row of listAt(this.#dictionary.tables.mappings.attributes, mapping)) {
      const key = this.#dictionary.attributeKey(row);
      const text = valueToText(this.#dictionary.attributeValue(row));
      const isBuildId = BUILD_IDS.includes(key);
      if ((isBuildId && text !== '') || MAPPING_FLAGS.includes(key)) texts.set(key, text);
      else this.#losses.mappingAttributes++;
    }
    const buildIds = BUILD_IDS.filter((key) => texts.has(key)).length;
    this.#losses.mappingAttributes += Math.max(0, buildIds - 1);
    return texts;
  }

  /** As the producer said, else as the locations show. */
  #flagsOf(row: number, texts: ReadonlyMap<string, string>): readonly boolean[] {
    if (MAPPING_FLAGS.some((key) => texts.has(key)))
      return MAPPING_FLAGS.map((key) => texts.get(key) === 'true');
    const seen = this.#seen.get(row);
    if (seen === undefined) return [];
    return [seen.isNamed, seen.filenames, seen.lineNumbers, seen.inlineFrames];
  }

  release(): void {
    this.#ids.release();
  }
}
